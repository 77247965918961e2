"""A search for the best hits gives those that a search for all of them would have put first; on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from atlas.ranking import Kind
from services.memory import pooling
from services.memory.store import (
    Best,
    BranchResult,
    DeleteGeneration,
    Equals,
    ReplacePayloads,
    Store,
    StoreFilter,
    UpsertPoints,
)
from tests.contract.store_cases import STORES, filled, memory_id, numbers, opened, point, search, unit

pytestmark = pytest.mark.asyncio(loop_scope="module")
COUNT = 400
KINDS = [kind.name for kind in Kind]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """One store for the whole module; each test makes an index of its own in it."""
    async with opened(request.param, tmp_path_factory.mktemp("store")) as store:
        yield store


async def mixed(store: Store, kinds: list[str]) -> str:
    """An index whose points have a few of ten terms each, and one of `kinds`."""
    chance = np.random.default_rng(7)
    points = []
    for number in range(COUNT):
        terms = {int(term): float(chance.uniform(0.2, 3.0)) for term in chance.choice(10, size=3, replace=False)}
        points.append(point(number, terms=terms, content_kind=kinds[number % len(kinds)], even=number % 2 == 0))
    return await filled(store, *points)


def pool(result: BranchResult, count: int, fragmentation: float) -> list[tuple[str, float]]:
    """Ids and scores of the first hits, best first."""
    places = pooling.ordered(result, fragmentation)
    return [(place.memory_id, -place.negative_score) for place in places[:count]]


@pytest.mark.parametrize("kinds", [["TEXT"], KINDS], ids=["one kind", "all kinds"])
@pytest.mark.parametrize("condition", [None, Equals("even", True)], ids=["all points", "filtered"])
async def test_the_best_hits_are_the_first_of_all(store: Store, kinds: list[str], condition: StoreFilter | None) -> None:
    index = await mixed(store, kinds)
    for query, terms in ((COUNT + 1, [[1], [2, 3]]), (COUNT + 2, []), (None, [[4], [5]])):
        for fragmentation in (0.0, 0.3, 1.0):
            for count in (1, 10, 60):
                fields = {"query": query, "terms": terms, "filter": condition, "depth": max(40, count)}
                [every] = await store.search([search(index, **fields)])
                [best] = await store.search([search(index, **fields, best=Best(count, fragmentation))])
                wanted = pool(every, count, fragmentation)
                assert [each for each, _ in pool(best, count, fragmentation)] == [each for each, _ in wanted]
                assert len(best.hits) == len(wanted)
                of_all = {hit.memory_id: hit for hit in every.hits}
                for hit in best.hits:
                    one = of_all[hit.memory_id]
                    assert (hit.similarity_rank, hit.lexical_rank) == (one.similarity_rank, one.lexical_rank)
                    assert (hit.similarity is None, hit.lexical is None) == (query is None, not terms)
                    assert hit.similarity is None or hit.similarity == pytest.approx(one.similarity, abs=1e-6)
                    assert hit.lexical is None or hit.lexical == pytest.approx(one.lexical, rel=1e-4)
                assert (best.best_lexical, best.best_coverage) == (every.best_lexical, every.best_coverage)


@pytest.mark.parametrize("terms", [[], [[1]]], ids=["by vector", "by both"])
async def test_equal_hits_are_chosen_by_their_ids(store: Store, terms: list[list[int]]) -> None:
    index = await filled(store, *(point(number, dense=unit(1)) for number in reversed(range(60))))
    [result] = await store.search([search(index, query=2, terms=terms, best=Best(7, 0.1))])
    assert numbers(hit.memory_id for hit in result.hits) == set(range(7))


async def test_payloads_that_come_along_are_those_that_are_stored(store: Store) -> None:
    index = await mixed(store, KINDS)
    [result] = await store.search([search(index, query=3, terms=[[1], [2]], best=Best(5, 0.2))])
    stored = await store.retrieve(index, "g1", [hit.memory_id for hit in result.hits])
    assert len(result.hits) == 5
    assert {each.memory_id: each.payload for each in result.points}.items() <= {key: each.payload for key, each in stored.items()}.items()


async def test_a_generation_stays_apart_once_there_is_another(store: Store) -> None:
    index = await filled(store, *(point(number) for number in range(10)))
    for best in (None, Best(20, 0.0)):
        [alone] = await store.search([search(index, query=3, terms=[[1]], best=best)])
        assert numbers(hit.memory_id for hit in alone.hits) == set(range(10))
    await store.apply([UpsertPoints(index, tuple(point(number, generation="g2") for number in range(10, 20)))])
    for generation, held in (("g1", set(range(10))), ("g2", set(range(10, 20)))):
        for terms in ([[1]], []):
            [result] = await store.search([search(index, query=12, terms=terms, generation=generation, best=Best(20, 0.0))])
            assert numbers(hit.memory_id for hit in result.hits) == held
    await store.apply([DeleteGeneration(index, "g1")])
    for generation, held in (("g1", set()), ("g2", set(range(10, 20)))):
        [result] = await store.search([search(index, query=12, terms=[[1]], generation=generation, best=Best(20, 0.0))])
        assert numbers(hit.memory_id for hit in result.hits) == held


async def test_a_kind_that_is_written_later_has_its_own_weight(store: Store) -> None:
    """Code counts a similarity for more than prose: the farther of two may be the better."""
    index = await filled(store, *(point(number, dense=unit_with(0.80 - number / 100)) for number in range(6)))
    wanted = {"dense": unit_with(1.0), "best": Best(1, 0.0)}
    [result] = await store.search([search(index, **wanted)])
    assert numbers(hit.memory_id for hit in result.hits) == {0}
    await store.apply([ReplacePayloads(index, "g1", {memory_id(5): {"content_kind": "CODE"}})])
    [result] = await store.search([search(index, **wanted)])
    assert numbers(hit.memory_id for hit in result.hits) == {5}


def unit_with(cosine: float) -> np.ndarray:
    """A direction that has this cosine with the first axis."""
    vector = np.zeros(8, np.float32)
    vector[:2] = cosine, np.sqrt(1 - cosine**2)
    return vector
