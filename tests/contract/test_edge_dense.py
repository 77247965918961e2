"""The edge store finds, by compact vectors, exactly what the full vectors would have found."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio
import qdrant_edge as edge

from services.memory.store import Best, Equals, Store, UpsertPoints
from services.memory.stores.edge.dense import ROUNDING_ERROR
from services.memory.stores.edge.layout import SCAN, Current, create, current, discard_unused, make_current
from services.memory.stores.edge.loading import load
from services.memory.stores.edge.protocol import DenseDatatype
from services.memory.stores.edge.shard import Shard
from services.memory.stores.edge.store import DATA_FOLDER, open_edge_store
from services.memory.stores.schema import DENSE
from tests.contract.store_cases import edge_settings, filled, matching, numbers, point, search, spec, unit

pytestmark = pytest.mark.asyncio(loop_scope="module")
DIMENSION = 64
COUNT = 1500


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["float32", "float16", "turbo8"])
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    settings = edge_settings(edge_scan_datatype=request.param)
    async with open_edge_store(settings, tmp_path_factory.mktemp("edge")) as store:
        yield store


def crowded(number: int) -> np.ndarray:
    """Points of which each differs from one direction by less than compact vectors can tell."""
    vector = unit(0, DIMENSION) + 1e-4 * unit(number + 1, DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 20, 100])
@pytest.mark.parametrize("crowd", [False, True])
async def test_values_and_order_are_those_of_the_full_vectors(store: Store, depth: int, crowd: bool) -> None:
    vectors = np.stack([crowded(number) if crowd else unit(number, DIMENSION) for number in range(COUNT)])
    index = await filled(store, *(point(n, dense=vectors[n], even=n % 2 == 0) for n in range(COUNT)), index=spec(DIMENSION))
    query = unit(COUNT + 5, DIMENSION)
    cosines = vectors.astype(np.float64) @ query.astype(np.float64)
    best = np.sort(cosines)[::-1][:depth]
    [result, even] = await store.search(
        [search(index, dense=query, depth=depth), search(index, dense=query, depth=depth, filter=Equals("even", True))]
    )
    values = [hit.similarity for hit in result.hits]
    np.testing.assert_allclose(values, best, atol=2e-6)
    assert values == sorted(values, reverse=True)
    np.testing.assert_allclose(values, [cosines[numbers([hit.memory_id]).pop()] for hit in result.hits], atol=2e-6)
    np.testing.assert_allclose([hit.similarity for hit in even.hits], np.sort(cosines[::2])[::-1][:depth], atol=2e-6)


async def test_a_vector_is_read_back_in_full_precision(store: Store) -> None:
    index = await filled(store, point(1, dense=unit(1, DIMENSION)), index=spec(DIMENSION))
    [stored] = (await store.retrieve(index, "g1", [point(1).memory_id], with_vectors=True)).values()
    assert stored.dense is not None
    np.testing.assert_allclose(stored.dense, unit(1, DIMENSION), atol=1e-6)


@pytest.mark.parametrize("datatype", ["float16", "turbo8"])
@pytest.mark.parametrize("dimension", [32, 384, 1024])
async def test_a_scanned_similarity_is_no_farther_off_than_the_search_allows_for(
    tmp_path: Path, datatype: DenseDatatype, dimension: int
) -> None:
    index, folder = spec(dimension), tmp_path / "edge"
    vectors = np.stack([*(unit(number, dimension) for number in range(300)), *np.eye(dimension, dtype=np.float32)[:20]])
    shard, _ = Shard.opened(folder, index, datatype)
    shard.apply(UpsertPoints(index.name, tuple(point(number, dense=vector) for number, vector in enumerate(vectors))))
    shard.close()
    opened = load(folder / index.name / current(folder / index.name).shard)
    for query in (unit(900, dimension), np.eye(dimension, dtype=np.float32)[0], vectors[0]):
        scanned, full = (similarities(opened, name, query) for name in (SCAN, DENSE))
        assert len(scanned) == len(full) == len(vectors)
        worst = max(abs(scanned[name] - value) for name, value in full.items())
        assert 0 < worst < ROUNDING_ERROR / math.sqrt(dimension)
    opened.close()


def similarities(shard: edge.EdgeShard, name: str, query: np.ndarray) -> dict[object, float]:
    request = edge.QueryRequest(1000, query=edge.Query.Nearest(query.tolist(), using=name), params=edge.SearchParams(exact=True))
    return {hit.id: hit.score for hit in shard.query(request)}


async def test_an_index_without_a_note_of_its_shard_is_one_of_full_vectors(tmp_path: Path) -> None:
    index = spec(DIMENSION)
    async with open_edge_store(edge_settings(edge_scan_datatype="float32"), tmp_path) as store:
        await filled(store, point(1, dense=unit(1, DIMENSION)), index=index)
    (tmp_path / DATA_FOLDER / index.name / "current.json").unlink()
    async with open_edge_store(edge_settings(edge_scan_datatype="turbo8"), tmp_path) as store:
        await filled(store, point(2, dense=unit(2, DIMENSION)), index=index)
        assert await matching(store, index.name, None) == {1, 2}
        [result] = await store.search([search(index.name, dense=unit(2, DIMENSION))])
        assert numbers([result.hits[0].memory_id]) == {2}


async def test_an_index_keeps_the_datatype_that_it_was_created_with(tmp_path: Path) -> None:
    index = spec(DIMENSION)
    async with open_edge_store(edge_settings(edge_scan_datatype="turbo8"), tmp_path) as store:
        await filled(store, point(1, dense=unit(1, DIMENSION)), index=index)
    async with open_edge_store(edge_settings(edge_scan_datatype="float32"), tmp_path) as store:
        await store.ensure_index(index)
        await store.apply([UpsertPoints(index.name, (point(2, dense=unit(2, DIMENSION)),))])
        [result] = await store.search([search(index.name, dense=unit(2, DIMENSION))])
        assert numbers([result.hits[0].memory_id]) == {2}
    assert current(tmp_path / DATA_FOLDER / index.name).scan == "turbo8"


async def test_another_shard_is_put_in_use_as_a_whole(tmp_path: Path) -> None:
    home = tmp_path / "atlas-1"
    create(home, spec(DIMENSION), "turbo8", lambda shard: None)
    (home / "shard-2").mkdir()
    (home / "shard-3").mkdir()
    make_current(home, Current("shard-2", "turbo8"))
    assert current(home) == Current("shard-2", "turbo8")
    discard_unused(home)
    assert sorted(path.name for path in home.iterdir()) == ["current.json", "shard-2", "spec.json"]


async def test_points_come_along_if_they_are_asked_for(store: Store) -> None:
    index = await filled(store, *(point(number, dense=unit(number, DIMENSION)) for number in range(60)), index=spec(DIMENSION))
    wanted = search(index, dense=unit(3, DIMENSION), terms=[[1]], best=Best(5, 0.0))
    [without, along] = await store.search([wanted, msgspec.structs.replace(wanted, with_points=True)])
    assert without.points == ()
    assert without.hits == along.hits
    assert {each.memory_id for each in along.points} == {hit.memory_id for hit in along.hits}
