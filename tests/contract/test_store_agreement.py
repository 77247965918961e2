"""Stores agree with each other on random filters and random searches.

`ATLAS_TEST_FILTERS` is the number of random filters; a long run takes 3000.
"""

from __future__ import annotations

import os
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.memory.store import (
    AllOf,
    AnyOf,
    Equals,
    Exists,
    In,
    NoneOf,
    Point,
    Range,
    Store,
    StoreFilter,
    TextMatch,
    UpsertPoints,
)
from services.memory.stores.lancedb.tags import holds
from tests.contract.store_cases import SERVER_VARIABLE, STORES, filled, numbers, opened, point, search

FILTERS = int(os.environ.get("ATLAS_TEST_FILTERS", "120"))
WORDS = ["red", "Green", "blue fish", "it's", "a", "", "ünï", "x_y"]
NUMBERS: list[int | float] = [0, 1, 1.0, 2.5, -3, 1e6]
KEYS = ["domain", "source", "title", "event_time", "metadata.p", "metadata.n", "metadata.tags", "metadata.deep.er", "metadata.yes"]


def payload(chance: random.Random) -> dict[str, Any]:
    """A payload with some of the fields, each of a kind that it may have."""
    scalar = [*WORDS, *NUMBERS, True, False, None]
    metadata: dict[str, Any] = {
        "p": chance.choice(WORDS),
        "n": chance.choice([*NUMBERS, "1", None]),
        "tags": [chance.choice([each for each in scalar if each is not None]) for _ in range(chance.randrange(3))],
        "deep": {"er": chance.choice(scalar)},
        "yes": chance.choice([True, False, 1, "true"]),
    }
    kept = {key: value for key, value in metadata.items() if chance.random() < 0.7}
    fields = {
        "domain": chance.choice(WORDS),
        "source": f"file://h/{chance.choice(WORDS)}",
        "title": f"{chance.choice(WORDS)} {chance.choice(WORDS)}",
        "event_time": chance.choice([0, 1, 2, 1_763_596_800_123_456]),
        "metadata": kept,
    }
    return {key: value for key, value in fields.items() if chance.random() < 0.7}


def condition(chance: random.Random, depth: int = 2) -> StoreFilter:
    """A filter of at most `depth` levels."""
    if depth and chance.random() < 0.5:
        parts = tuple(condition(chance, depth - 1) for _ in range(chance.randrange(4)))
        return chance.choice([AllOf, AnyOf, NoneOf])(parts)
    key = chance.choice(KEYS)
    operands = [*WORDS, *NUMBERS, True, False]
    bounds = chance.choice([{"gte": 1}, {"gt": 1, "lt": 1e5}, {"lte": 0}, {"gte": -5, "lte": 2.5}])
    match chance.randrange(5):
        case 0:
            return Equals(key, chance.choice(operands))
        case 1:
            return In(key, tuple(chance.sample(operands, chance.randrange(4))))
        case 2:
            return Range(key, **bounds)
        case 3:
            return Exists(key)
        case _:
            return TextMatch(key, chance.choice([word for word in WORDS if word]))


def expected(filter_: StoreFilter, point_: Point) -> bool:
    """What a filter means, by the definitions of its parts."""
    match filter_:
        case AllOf(parts):
            return all(expected(part, point_) for part in parts)
        case AnyOf(parts):
            return any(expected(part, point_) for part in parts)
        case NoneOf(parts):
            return not any(expected(part, point_) for part in parts)
        case TextMatch("title", text):
            words = str(point_.payload.get("title", "")).lower().replace("_", " ").replace("'", " ").split()
            return set(text.lower().replace("_", " ").replace("'", " ").split()) <= set(words)
        case _:
            return holds(filter_, point_.payload)


@pytest.mark.timeout(60 + FILTERS)
async def test_a_filter_means_what_its_parts_mean_in_every_store(tmp_path: Path) -> None:
    chance = random.Random(11)
    points = [point(number, **payload(chance)) for number in range(80)]
    filters = [condition(chance) for _ in range(FILTERS)]
    names = [name for name in STORES if name != "qdrant" or os.environ.get(SERVER_VARIABLE)]
    async with AsyncExitStack() as stack:
        stores: dict[str, Store] = {name: await stack.enter_async_context(opened(name, tmp_path / name)) for name in names}
        indexes = {name: await filled(store, *points) for name, store in stores.items()}
        for filter_ in filters:
            wanted = {number for number, each in enumerate(points) if expected(filter_, each)}
            found = {}
            for name, store in stores.items():
                page = await store.scroll(indexes[name], "g1", filter_, limit=1000)
                found[name] = numbers(each.memory_id for each in page.points)
                assert await store.count(indexes[name], "g1", filter_) == len(found[name])
            assert found == dict.fromkeys(names, wanted), filter_


async def test_searches_find_the_same_with_the_same_values(tmp_path: Path) -> None:
    chance = random.Random(12)
    points = [
        point(number, terms={term: chance.random() + 0.1 for term in chance.sample(range(40), 6)}, domain=chance.choice("ab"))
        for number in range(400)
    ]
    others = tuple(point(number, generation="g2", terms={1: 1.0, 2: 1.0}) for number in range(50))
    names = [name for name in STORES if name != "qdrant" or os.environ.get(SERVER_VARIABLE)]
    answers = {}
    async with AsyncExitStack() as stack:
        for name in names:
            store = await stack.enter_async_context(opened(name, tmp_path / name))
            index = await filled(store, *points)
            await store.apply([UpsertPoints(index, others)])
            requests = [
                search(index, query=1000 + number, terms=[[number, number + 3], [number + 7]], depth=15, filter=filter_)
                for number in range(10)
                for filter_ in (None, Equals("domain", "a"))
            ]
            answers[name] = await store.search(requests)
    for results in zip(*answers.values(), strict=True):
        for result in results[1:]:
            assert [hit.memory_id for hit in result.hits] == [hit.memory_id for hit in results[0].hits]
            assert result.best_coverage == results[0].best_coverage
            assert [hit.similarity for hit in result.hits] == pytest.approx([hit.similarity for hit in results[0].hits], abs=1e-5)
            assert [hit.lexical for hit in result.hits] == pytest.approx([hit.lexical for hit in results[0].hits], rel=1e-4)
            ranks = [(hit.similarity_rank, hit.lexical_rank) for hit in result.hits]
            assert ranks == [(hit.similarity_rank, hit.lexical_rank) for hit in results[0].hits]
