"""How salience is written beside the points of every vector store."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from atlas.errors import InvalidInputError
from services.memory.store import (
    DeletePoints,
    ProjectedSalience,
    ReplacePayloads,
    SalienceProjection,
    Store,
    UpsertPoints,
)
from tests.contract.store_cases import STORES, filled, memory_id, opened, point, search, unit

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEACON = 999


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with opened(request.param, tmp_path_factory.mktemp("store")) as store:
        yield store


def projection(index: str, values: dict[int, tuple[float, int | None, int]], generation: str = "g1") -> SalienceProjection:
    return SalienceProjection(index, generation, {memory_id(number): ProjectedSalience(*value) for number, value in values.items()})


async def projected(store: Store, index: str, number: int, generation: str = "g1") -> tuple[Any, Any, Any]:
    """What a point holds once everything that was projected is there, which the next write makes sure of."""
    await store.apply([UpsertPoints(index, (point(BEACON, generation="beacon"),))])
    payload = (await store.retrieve(index, generation, [memory_id(number)]))[memory_id(number)].payload
    return payload.get("salience"), payload.get("last_retrieved_us"), payload.get("salience_seq")


async def test_a_projection_stands_beside_the_rest_of_the_payload(store: Store) -> None:
    index = await filled(store, point(1, domain="work", terms={4: 2.0}), point(2))
    await store.project([projection(index, {1: (0.75, 1_763_596_800_123_456, 7), 2: (0.25, None, 3)})])
    assert await projected(store, index, 1) == (0.75, 1_763_596_800_123_456, 7)
    assert await projected(store, index, 2) == (0.25, None, 3)
    stored = (await store.retrieve(index, "g1", [memory_id(1)], with_vectors=True))[memory_id(1)]
    assert stored.payload["domain"] == "work"
    assert stored.payload["seq"] == 1
    assert stored.dense is not None
    assert stored.dense == pytest.approx(unit(1), abs=1e-6)
    [result] = await store.search([search(index, query=1, terms=[[4]])])
    assert result.hits[0].memory_id == memory_id(1)
    assert result.hits[0].lexical_rank == 1


async def test_a_higher_sequence_wins_and_a_lower_or_equal_one_changes_nothing(store: Store) -> None:
    index = await filled(store, point(1))
    await store.project([projection(index, {1: (0.5, 10, 5)})])
    await store.project([projection(index, {1: (0.1, 11, 4)})])
    await store.project([projection(index, {1: (0.2, 12, 5)})])
    assert await projected(store, index, 1) == (0.5, 10, 5)
    await store.project([projection(index, {1: (0.9, None, 6)})])
    assert await projected(store, index, 1) == (0.9, None, 6)


async def test_one_call_may_name_a_memory_twice(store: Store) -> None:
    index = await filled(store, point(1))
    await store.project([projection(index, {1: (0.9, 2, 9)}), projection(index, {1: (0.1, 1, 8)})])
    assert await projected(store, index, 1) == (0.9, 2, 9)


async def test_points_that_do_not_exist_are_skipped(store: Store) -> None:
    index = await filled(store, point(1), point(2))
    await store.apply([DeletePoints(index, "g1", (memory_id(2),))])
    await store.project([projection(index, {2: (0.5, None, 1), 1: (0.5, None, 1), 77: (0.5, None, 1)})])
    assert await projected(store, index, 1) == (0.5, None, 1)
    assert await store.count(index, "g1", None) == 1


async def test_a_projection_is_that_of_one_generation(store: Store) -> None:
    index = await filled(store, point(1), point(1, generation="g2"))
    await store.project([projection(index, {1: (0.9, None, 1)}, "g2")])
    assert await projected(store, index, 1) == (None, None, None)
    assert await projected(store, index, 1, "g2") == (0.9, None, 1)


async def test_whoever_replaces_a_payload_decides_on_its_projection(store: Store) -> None:
    index = await filled(store, point(1), point(2))
    await store.project([projection(index, {1: (0.9, None, 5), 2: (0.9, None, 5)})])
    carried = {"salience": 0.4, "last_retrieved_us": None, "salience_seq": 2}
    await store.apply([ReplacePayloads(index, "g1", {memory_id(1): carried}), UpsertPoints(index, (point(2),))])
    assert await projected(store, index, 1) == (0.4, None, 2)
    assert await projected(store, index, 2) == (None, None, None)
    await store.project([projection(index, {1: (0.6, 3, 3), 2: (0.6, 3, 3)})])
    assert await projected(store, index, 1) == (0.6, 3, 3)
    assert await projected(store, index, 2) == (0.6, 3, 3)


async def test_many_values_go_over_several_indexes(store: Store) -> None:
    first = await filled(store, *(point(number) for number in range(300)))
    second = await filled(store, point(1))
    values = {number: (number / 300, number, number + 1) for number in range(300)}
    await store.project([projection(first, values), projection(second, {1: (1.0, 0, 1)})])
    assert await projected(store, second, 1) == (1.0, 0, 1)
    assert await projected(store, first, 0) == (0.0, 0, 1)
    page = await store.scroll(first, "g1", None, limit=1000)
    assert {each.payload["salience_seq"] for each in page.points} == {number + 1 for number in range(300)}
    await store.project([])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ((math.nan, None, 1), "salience"),
        ((-0.01, None, 1), "salience"),
        ((1.01, None, 1), "salience"),
        ((0.5, None, 0), "sequence"),
        ((0.5, None, 2**53), "sequence"),
    ],
)
async def test_a_value_out_of_its_range_is_refused_and_nothing_is_written(
    store: Store, value: tuple[float, int | None, int], field: str
) -> None:
    index = await filled(store, point(1), point(2))
    with pytest.raises(InvalidInputError, match=rf"values\[{memory_id(2)}\].{field}"):
        await store.project([projection(index, {1: (0.5, None, 1), 2: value})])
    assert await projected(store, index, 1) == (None, None, None)


async def test_an_index_that_was_not_ensured_takes_no_projection(store: Store) -> None:
    with pytest.raises(InvalidInputError, match="atlas-none"):
        await store.project([projection("atlas-none", {1: (0.5, None, 1)})])
