"""The byte-bounded cache of passage token vectors, and the plan of what to encode."""

from __future__ import annotations

import numpy as np
from prometheus_client import CollectorRegistry

from services.reranker.passages import ColdPassage, grouped, within_budget
from services.reranker.token_cache import PassageTokens, TokenCache

ENTRY_BYTES = 512


def passage(rows: int) -> PassageTokens:
    return PassageTokens(np.zeros((rows, 384), np.float16), token_count=rows + 2, truncated=False)


def cold(name: str, count: int) -> ColdPassage:
    return ColdPassage(name.encode(), tuple(range(count)), token_count=count)


def opened(max_bytes: int, fingerprint: str = "space") -> tuple[TokenCache, CollectorRegistry]:
    registry = CollectorRegistry()
    return TokenCache(fingerprint=fingerprint, max_bytes=max_bytes, registry=registry), registry


def counted(registry: CollectorRegistry, name: str) -> float:
    return registry.get_sample_value(f"atlas_reranker_token_cache_{name}") or 0.0


def test_hits_and_misses_are_counted_truly() -> None:
    cache, registry = opened(1_000_000)
    key = cache.key("a passage")
    assert cache.find(key) is None
    cache.keep(key, passage(3))
    assert cache.find(key) is not None
    assert cache.find(key) is not None
    assert (counted(registry, "hits_total"), counted(registry, "misses_total")) == (2, 1)


def test_the_least_recently_used_passage_leaves_first() -> None:
    size = passage(10).vectors.nbytes + ENTRY_BYTES
    cache, registry = opened(2 * size)
    first, second, third = (cache.key(text) for text in ("first", "second", "third"))
    cache.keep(first, passage(10))
    cache.keep(second, passage(10))
    cache.find(first)
    cache.keep(third, passage(10))
    assert cache.find(second) is None
    assert cache.find(first) is not None
    assert counted(registry, "bytes") == 2 * size


def test_a_passage_larger_than_the_cache_is_not_kept() -> None:
    for max_bytes in (0, 1000):
        cache, registry = opened(max_bytes)
        cache.keep(cache.key("long"), passage(10))
        assert cache.find(cache.key("long")) is None
        assert counted(registry, "bytes") == 0


def test_equal_texts_in_two_spaces_have_two_keys() -> None:
    assert opened(1000, "one")[0].key("text") != opened(1000, "two")[0].key("text")


def test_a_token_budget_takes_passages_from_the_front() -> None:
    passages = [cold("a", 10), cold("b", 10), cold("c", 1)]
    assert within_budget(passages, 20) == passages[:2]
    assert within_budget(passages, 9) == []
    assert within_budget(passages, None) == passages


def test_groups_keep_the_order_and_stay_within_their_tokens() -> None:
    passages = [cold(str(index), count) for index, count in enumerate((10, 10, 50, 5, 5))]
    assert [[len(one.ids) for one in group] for group in grouped(passages, 20)] == [[10, 10], [50], [5, 5]]
    assert list(grouped([], 20)) == []
