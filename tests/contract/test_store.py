"""What every vector store promises; each test runs on every implementation."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from atlas.errors import DeadlineError, InvalidInputError, NotFoundError, SchemaMismatchError
from services.memory.store import (
    AllOf,
    AnyOf,
    DeleteGeneration,
    DeletePoints,
    Equals,
    Exists,
    In,
    NoneOf,
    Operation,
    Range,
    ReplacePayloads,
    Store,
    StoreFilter,
    StoreState,
    TextMatch,
    UpsertPoints,
    decode_operations,
    encode_operations,
)
from tests.contract.store_cases import STORES, filled, matching, memory_id, numbers, opened, point, search, spec, unit

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """One store for the whole module; each test makes an index of its own in it."""
    async with opened(request.param, tmp_path_factory.mktemp("store")) as store:
        yield store


async def digest(store: Store, index: str, generation: str = "g1") -> list[tuple[Any, ...]]:
    """Everything that a generation holds."""
    page = await store.scroll(index, generation, None, limit=1000)
    found = await store.retrieve(index, generation, [each.memory_id for each in page.points], with_vectors=True)
    return sorted(
        (
            each.memory_id,
            str(sorted(each.payload.items())),
            each.dense.tobytes(),
            sorted(zip(each.sparse_indices, each.sparse_values, strict=True)),
        )
        for each in found.values()
        if each.dense is not None and each.sparse_indices is not None and each.sparse_values is not None
    )


async def test_an_open_store_serves(store: Store) -> None:
    assert store.state is StoreState.SERVING


async def test_an_index_is_created_once(store: Store) -> None:
    index = spec()
    assert await store.ensure_index(index) is True
    assert await store.ensure_index(index) is False


@pytest.mark.parametrize("change", [{"dimension": 16}, {"dense_fingerprint": "other"}, {"lexical_fingerprint": "other"}])
async def test_an_index_of_other_spaces_is_refused(store: Store, change: dict[str, Any]) -> None:
    index = spec()
    await store.ensure_index(index)
    with pytest.raises(SchemaMismatchError, match=index.name):
        await store.ensure_index(spec(**{"name": index.name, **change}))
    assert await store.count(index.name, "g1", None) == 0


async def test_a_point_is_read_back_as_it_was_written(store: Store) -> None:
    payload = {
        "domain": "work",
        "event_time": 1_763_596_800_123_456,
        "metadata": {"n": 3, "x": 0.5, "yes": True, "none": None, "list": ["a", 1], "deep": {"é": "ü"}},
        "memory": {"text": "Grüße, 世界"},
    }
    index = await filled(store, point(1, terms={5: 0.5, 4_294_967_295: 2.0}, **payload))
    [stored] = (await store.retrieve(index, "g1", [memory_id(1), memory_id(2)], with_vectors=True)).values()
    assert stored.memory_id == memory_id(1)
    assert stored.payload == {**payload, "seq": 1, "content_kind": "TEXT", "memory_id": memory_id(1), "generation": "g1"}
    assert stored.dense is not None
    assert stored.sparse_indices is not None
    assert stored.sparse_values is not None
    np.testing.assert_allclose(stored.dense, unit(1), atol=1e-6)
    assert dict(zip(stored.sparse_indices.tolist(), stored.sparse_values.tolist(), strict=True)) == {5: 0.5, 4_294_967_295: 2.0}


async def test_vectors_are_left_out_unless_asked_for(store: Store) -> None:
    index = await filled(store, point(1))
    stored = (await store.retrieve(index, "g1", [memory_id(1)]))[memory_id(1)]
    assert stored.dense is None
    assert stored.sparse_indices is None


async def test_a_point_without_terms_is_stored(store: Store) -> None:
    index = await filled(store, point(1, terms={}))
    stored = (await store.retrieve(index, "g1", [memory_id(1)], with_vectors=True))[memory_id(1)]
    assert stored.sparse_indices is not None
    assert stored.sparse_indices.size == 0


async def test_an_upsert_replaces_the_whole_point(store: Store) -> None:
    index = await filled(store, point(1, domain="old", terms={1: 1.0}))
    await store.apply([UpsertPoints(index, (point(1, dense=unit(9), terms={2: 3.0}, source="new"),))])
    stored = (await store.retrieve(index, "g1", [memory_id(1)], with_vectors=True))[memory_id(1)]
    assert "domain" not in stored.payload
    assert stored.payload["source"] == "new"
    assert stored.dense is not None
    np.testing.assert_allclose(stored.dense, unit(9), atol=1e-6)
    assert await store.count(index, "g1", None) == 1


async def test_applying_a_list_again_changes_nothing(store: Store) -> None:
    index = spec()
    await store.ensure_index(index)
    operations: list[Operation] = [
        UpsertPoints(index.name, tuple(point(number, terms={number: 1.5}) for number in range(150))),
        UpsertPoints(index.name, (point(7, generation="g2"),)),
        ReplacePayloads(index.name, "g1", {memory_id(3): {"seq": 500}, memory_id(999): {"seq": 1}}),
        DeletePoints(index.name, "g1", (memory_id(4), memory_id(998))),
        DeleteGeneration(index.name, "g2"),
        UpsertPoints(index.name, (point(5, domain="last"),)),
    ]
    await store.apply(operations)
    first = await digest(store, index.name)
    await store.apply(decode_operations(encode_operations(operations)))
    assert await digest(store, index.name) == first
    assert len(first) == 149
    assert await store.count(index.name, "g2", None) == 0


async def test_a_replaced_payload_keeps_the_vectors(store: Store) -> None:
    index = await filled(store, point(1, domain="a", terms={3: 2.0}))
    await store.apply([ReplacePayloads(index, "g1", {memory_id(1): {"source": "s"}, memory_id(2): {"source": "s"}})])
    stored = await store.retrieve(index, "g1", [memory_id(1), memory_id(2)], with_vectors=True)
    assert set(stored) == {memory_id(1)}
    assert stored[memory_id(1)].payload == {"source": "s", "memory_id": memory_id(1), "generation": "g1"}
    assert stored[memory_id(1)].dense is not None
    assert stored[memory_id(1)].sparse_indices is not None


async def test_a_deleted_generation_takes_no_other_with_it(store: Store) -> None:
    ours = [point(number) for number in range(1100)]
    index = await filled(store, *ours, *(point(number, generation="g2") for number in range(3)))
    await store.apply([DeleteGeneration(index, "g1"), UpsertPoints(index, (point(5),))])
    assert await matching(store, index, None) == {5}
    assert await store.count(index, "g2", None) == 3


async def test_one_memory_lives_in_two_generations(store: Store) -> None:
    index = await filled(store, point(1, domain="one"), point(1, generation="g2", domain="two"))
    assert (await store.retrieve(index, "g1", [memory_id(1)]))[memory_id(1)].payload["domain"] == "one"
    assert (await store.retrieve(index, "g2", [memory_id(1)]))[memory_id(1)].payload["domain"] == "two"


async def test_the_dense_branch_orders_by_exact_cosine(store: Store) -> None:
    index = await filled(store, *(point(number) for number in range(300)))
    [result] = await store.search([search(index, query=1000, depth=20)])
    cosines = {number: float(unit(number) @ unit(1000)) for number in range(300)}
    best = sorted(cosines, key=lambda number: -cosines[number])[:20]
    assert [numbers([hit.memory_id]).pop() for hit in result.hits] == best
    assert [hit.similarity_rank for hit in result.hits] == list(range(1, 21))
    np.testing.assert_allclose([hit.similarity for hit in result.hits], [cosines[number] for number in best], atol=1e-5)
    assert {(hit.lexical, hit.lexical_rank) for hit in result.hits} == {(None, None)}
    assert (result.best_lexical, result.best_coverage) == (0.0, 0.0)


def idf(total: int, holding: int) -> float:
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


async def test_the_lexical_branch_counts_idf_inside_the_generation(store: Store) -> None:
    ours = [point(0, terms={1: 2.0, 2: 1.0}), point(1, terms={2: 0.5}), point(2, terms={3: 1.0}), point(3, terms={3: 1.0})]
    theirs = [point(number, generation="g2", terms={1: 1.0}) for number in range(50)]
    index = await filled(store, *ours, *theirs)
    [result] = await store.search([search(index, terms=[[1], [2]])])
    values = {numbers([hit.memory_id]).pop(): hit.lexical for hit in result.hits}
    assert values == {0: pytest.approx(2.0 * idf(4, 1) + 1.0 * idf(4, 2), rel=1e-4), 1: pytest.approx(0.5 * idf(4, 2), rel=1e-4)}
    assert [hit.lexical_rank for hit in result.hits] == [1, 2]
    assert {(hit.similarity, hit.similarity_rank) for hit in result.hits} == {(None, None)}
    assert result.best_lexical == result.hits[0].lexical


async def test_idf_is_that_of_the_generation_whatever_the_filter(store: Store) -> None:
    points = [point(number, terms={1: 1.0} if number < 3 else {2: 1.0}, domain="a" if number == 0 else "b") for number in range(10)]
    index = await filled(store, *points)
    [result] = await store.search([search(index, terms=[[1]], filter=Equals("domain", "a"))])
    assert [hit.lexical for hit in result.hits] == [pytest.approx(idf(10, 3), rel=1e-4)]


async def test_every_hit_carries_the_values_of_both_branches(store: Store) -> None:
    index = await filled(store, *(point(number, terms={1: 1.0 + number} if number >= 30 else {2: 1.0}) for number in range(40)))
    [result] = await store.search([search(index, query=5, terms=[[1]], depth=4)])
    dense_listed = [hit for hit in result.hits if hit.similarity_rank is not None]
    lexical_listed = [hit for hit in result.hits if hit.lexical_rank is not None]
    assert len(dense_listed) == 4
    assert len(lexical_listed) == 4
    assert list(result.hits[:4]) == dense_listed
    for hit in result.hits:
        [number] = numbers([hit.memory_id])
        assert hit.similarity == pytest.approx(float(unit(number) @ unit(5)), abs=1e-5)
        assert hit.lexical == pytest.approx((1.0 + number) * idf(40, 10) if number >= 30 else 0.0, rel=1e-4)


async def test_a_branch_that_finds_nothing_leaves_zeros(store: Store) -> None:
    index = await filled(store, point(1), point(2))
    [result] = await store.search([search(index, query=1, terms=[[77]])])
    assert [hit.lexical for hit in result.hits] == [0.0, 0.0]
    assert [hit.lexical_rank for hit in result.hits] == [None, None]
    assert (result.best_lexical, result.best_coverage) == (0.0, 0.0)


async def test_coverage_is_the_share_of_terms_in_the_best_lexical_hit(store: Store) -> None:
    index = await filled(store, point(0, terms={1: 5.0, 21: 5.0}), point(1, terms={3: 0.1}), point(2, terms={9: 1.0}))
    [result] = await store.search([search(index, terms=[[1], [20, 21], [3], [40]])])
    assert numbers([result.hits[0].memory_id]) == {0}
    assert result.best_coverage == 0.5


async def test_equal_terms_of_several_groups_count_once(store: Store) -> None:
    index = await filled(store, point(0, terms={1: 1.0}), point(1, terms={2: 1.0}))
    [once, twice] = await store.search([search(index, terms=[[1]]), search(index, terms=[[1, 5], [1]])])
    assert once.best_lexical == twice.best_lexical > 0


async def test_equal_hits_have_one_order_and_cosines_stay_in_range(store: Store) -> None:
    index = await filled(store, *(point(number, dense=unit(1)) for number in range(20)))
    results = [result for _ in range(5) for result in await store.search([search(index, query=1, terms=[[1]])])]
    assert all(result == results[0] for result in results)
    assert all(hit.similarity is not None and 0.999 < hit.similarity <= 1.0 for hit in results[0].hits)


async def test_hits_carry_their_content_kind(store: Store) -> None:
    index = await filled(store, point(0, content_kind="CODE"), point(1, content_kind="MESSAGE"))
    [result] = await store.search([search(index, query=0)])
    assert [hit.content_kind for hit in result.hits] == ["CODE", "MESSAGE"]
    await store.apply([ReplacePayloads(index, "g1", {memory_id(0): {"content_kind": "IMAGE"}})])
    [result] = await store.search([search(index, query=0)])
    assert {numbers([hit.memory_id]).pop(): hit.content_kind for hit in result.hits} == {0: "IMAGE", 1: "MESSAGE"}


async def test_searches_see_what_was_applied_and_not_what_was_deleted(store: Store) -> None:
    index = await filled(store, *(point(number) for number in range(3)))
    await store.search([search(index, query=0, terms=[[1]])])
    await store.apply([DeletePoints(index, "g1", (memory_id(0),)), UpsertPoints(index, (point(9),))])
    [result] = await store.search([search(index, query=0, terms=[[1]])])
    assert numbers(hit.memory_id for hit in result.hits) == {1, 2, 9}


async def test_one_call_searches_several_indexes_and_generations(store: Store) -> None:
    first = await filled(store, point(1), point(2, generation="g2"))
    second = await filled(store, point(3))
    results = await store.search(
        [search(second, query=0), search(first, query=0, generation="g2"), search(first, query=0, terms=[[1]]), search(first)]
    )
    assert [numbers(hit.memory_id for hit in result.hits) for result in results] == [{3}, {2}, {1}, set()]
    assert await store.search([]) == []


FILTER_POINTS = [
    point(
        0,
        domain="work",
        source="file://h/a",
        title="Hello brave World",
        event_time=100,
        metadata={"p": "x", "n": 1, "yes": True, "tags": ["a", "b"]},
    ),
    point(1, domain="work", source="file://h/b", title="hello there", event_time=200, metadata={"p": "y", "n": 2.5, "yes": False}),
    point(
        2, domain="home", speaker="Ann", language="en", metadata={"p": "x y", "a key": "v", "deep": {"er": "z"}, "none": None, "empty": []}
    ),
    point(3, domain="home", event_time=300, metadata={"n": 1.0, "tags": ["c"]}),
]
FILTERS: list[tuple[StoreFilter | None, set[int]]] = [
    (None, {0, 1, 2, 3}),
    (Equals("domain", "work"), {0, 1}),
    (Equals("domain", "wor"), set()),
    (Equals("title", "hello there"), {1}),
    (Equals("metadata.p", "x"), {0}),
    (Equals("metadata.n", 1), {0, 3}),
    (Equals("metadata.n", 1.0), {0, 3}),
    (Equals("metadata.n", 2.5), {1}),
    (Equals("metadata.n", True), set()),
    (Equals("metadata.yes", True), {0}),
    (Equals("metadata.yes", False), {1}),
    (Equals("metadata.yes", 1), set()),
    (Equals("metadata.tags", "b"), {0}),
    (Equals("metadata.a key", "v"), {2}),
    (Equals("metadata.deep.er", "z"), {2}),
    (Equals("event_time", 200), {1}),
    (In("domain", ("home", "none")), {2, 3}),
    (In("metadata.tags", ("a", "c")), {0, 3}),
    (In("metadata.n", (1, 2.5)), {0, 1, 3}),
    (In("domain", ()), set()),
    (Range("event_time", gte=100, lt=300), {0, 1}),
    (Range("event_time", gt=100), {1, 3}),
    (Range("metadata.n", lte=1), {0, 3}),
    (Range("domain", gte=0), set()),
    (Exists("event_time"), {0, 1, 3}),
    (Exists("metadata.none"), set()),
    (Exists("metadata.empty"), set()),
    (Exists("metadata.tags"), {0, 3}),
    (TextMatch("title", "HELLO"), {0, 1}),
    (TextMatch("title", "world hello"), {0}),
    (TextMatch("title", "wor"), set()),
    (TextMatch("metadata.p", "x"), {0, 2}),
    (TextMatch("metadata.p", "X"), set()),
    (TextMatch("metadata.p", "x y"), {2}),
    (TextMatch("metadata.p", "y x"), set()),
    (TextMatch("source", "//h/"), {0, 1}),
    (AllOf(()), {0, 1, 2, 3}),
    (AnyOf(()), set()),
    (NoneOf(()), {0, 1, 2, 3}),
    (AllOf((Equals("domain", "work"), Range("event_time", gt=150))), {1}),
    (AnyOf((Equals("speaker", "Ann"), Equals("event_time", 300))), {2, 3}),
    (NoneOf((Equals("domain", "work"), Exists("speaker"))), {3}),
    (NoneOf((AnyOf((Equals("domain", "home"), AllOf((Equals("metadata.p", "x"),)))),)), {1}),
]


async def test_filters_mean_the_same_everywhere(store: Store) -> None:
    index = await filled(store, *FILTER_POINTS)
    found = {repr(condition): await matching(store, index, condition) for condition, _ in FILTERS}
    assert found == {repr(condition): expected for condition, expected in FILTERS}
    counted = {repr(condition): await store.count(index, "g1", condition) for condition, _ in FILTERS}
    assert counted == {repr(condition): len(expected) for condition, expected in FILTERS}


async def test_a_filter_holds_for_both_branches(store: Store) -> None:
    index = await filled(store, *(point(number, domain="a" if number % 2 else "b", terms={1: 1.0 + number}) for number in range(20)))
    [result] = await store.search([search(index, query=3, terms=[[1]], filter=Equals("domain", "a"), depth=4)])
    assert len(result.hits) >= 4
    assert all(number % 2 for number in numbers(hit.memory_id for hit in result.hits))


@pytest.mark.parametrize("key", ["metadata..x", "metadata.", 'metadata.a"b', ""])
async def test_a_field_path_that_cannot_be_written_is_refused(store: Store, key: str) -> None:
    index = await filled(store, point(1))
    with pytest.raises(InvalidInputError, match="segment"):
        await store.count(index, "g1", AllOf((Equals(key, "v"),)))


async def test_pages_cover_everything_once_and_in_one_order(store: Store) -> None:
    index = await filled(store, *(point(number) for number in range(25)))
    pages = []
    after = None
    while True:
        page = await store.scroll(index, "g1", None, limit=10, after=after)
        pages.append([each.memory_id for each in page.points])
        after = page.next
        if after is None:
            break
    assert [len(page) for page in pages] == [10, 10, 5]
    listed = [each for page in pages for each in page]
    assert numbers(listed) == set(range(25))
    whole = await store.scroll(index, "g1", None, limit=100)
    assert [each.memory_id for each in whole.points] == listed


async def test_a_cursor_that_no_page_gave_out_is_refused(store: Store) -> None:
    index = await filled(store, point(1))
    with pytest.raises(InvalidInputError, match="cursor"):
        await store.scroll(index, "g1", None, limit=1, after="no id at all")


async def test_facets_count_values(store: Store) -> None:
    index = await filled(store, *FILTER_POINTS, point(9, generation="g2", domain="other"))
    assert await store.facet(index, "g1", "domain", None) == {"work": 2, "home": 2}
    assert await store.facet(index, "g1", "domain", Exists("event_time")) == {"work": 2, "home": 1}
    assert await store.facet(index, "g1", "language", None) == {"en": 1}
    with pytest.raises(InvalidInputError, match="metadata"):
        await store.facet(index, "g1", "metadata.p", None)


def nan_vector() -> Any:
    return np.full(8, np.nan, np.float32)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (point(1, dense=nan_vector()), r"points\[1\].dense"),
        (point(1, dense=np.zeros(8, np.float32)), r"points\[1\].dense"),
        (point(1, dense=2 * unit(1)), r"points\[1\].dense"),
        (point(1, dense=unit(1, 9)), r"points\[1\].dense"),
        (point(1, dense=unit(1).astype(np.float64)), r"points\[1\].dense"),  # type: ignore[arg-type]
        (point(1, terms={1: math.inf}), r"points\[1\].sparse"),
        (point(1, metadata={"a": [1.0, math.nan]}), r"points\[1\].payload.metadata.a\[1\]"),
    ],
)
async def test_a_bad_point_is_refused_and_nothing_of_its_batch_is_written(store: Store, bad: Any, field: str) -> None:
    index = await filled(store)
    operations = [UpsertPoints(index, (point(0), bad))]
    with pytest.raises(InvalidInputError, match=field):
        store.check(operations)
    with pytest.raises(InvalidInputError, match=field):
        await store.apply(operations)
    assert await store.count(index, "g1", None) == 0


async def test_a_bad_query_vector_is_refused(store: Store) -> None:
    index = await filled(store, point(1))
    for dense in (nan_vector(), unit(1, 9)):
        with pytest.raises(InvalidInputError, match=r"requests\[0\].dense"):
            await store.search([search(index, dense=dense)])


async def test_an_index_that_was_not_ensured_is_an_error(store: Store) -> None:
    with pytest.raises(InvalidInputError, match="atlas-none"):
        await store.apply([UpsertPoints("atlas-none", (point(1),))])
    with pytest.raises(NotFoundError, match="atlas-none"):
        await store.search([search("atlas-none", query=1)])
    with pytest.raises(NotFoundError, match="atlas-none"):
        await store.count("atlas-none", "g1", None)
    with pytest.raises(NotFoundError, match="atlas-none"):
        await store.retrieve("atlas-none", "g1", [memory_id(1)])


async def test_a_read_without_time_left_is_a_deadline_error(store: Store) -> None:
    index = await filled(store, point(1))
    with pytest.raises(DeadlineError):
        await store.count(index, "g1", None, timeout_s=0.0)
    assert await store.count(index, "g1", None) == 1


async def test_reads_go_on_while_writes_are_applied(store: Store) -> None:
    index = await filled(store, *(point(number) for number in range(50)))
    write = asyncio.create_task(store.apply([UpsertPoints(index, tuple(point(number) for number in range(50, 600)))]))
    counts = []
    while not write.done():
        [result] = await store.search([search(index, query=1, terms=[[1]], depth=10)])
        assert len(result.hits) >= 10
        counts.append(await store.count(index, "g1", None))
    await write
    assert counts == sorted(counts)
    assert await store.count(index, "g1", None) == 600


async def test_what_was_flushed_is_there_after_opening_again(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["store"]
    index = spec()
    async with opened(kind, tmp_path / "again") as first:
        await filled(first, *(point(number) for number in range(70)), index=index)
        await first.flush()
    async with opened(kind, tmp_path / "again") as second:
        assert await second.ensure_index(index) is False
        assert await matching(second, index.name, None) == set(range(70))
