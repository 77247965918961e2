"""What was deleted from a store leaves its files, byte by byte, while it serves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from atlas.errors import NotFoundError
from services.memory.store import DeleteGeneration, DeletePoints, ReplacePayloads, Store, UpsertPoints
from services.memory.stores import open_store
from services.memory.stores.edge import open_edge_store
from services.memory.stores.edge.layout import current
from tests.contract.store_cases import (
    SERVER_VARIABLE,
    edge_settings,
    filled,
    memory_id,
    numbers,
    opened,
    point,
    qdrant_settings,
    search,
    spec,
    unit,
)

DIMENSION = 32
OWN_FILES = ("edge", "lancedb")
"""Stores that keep their files in the data folder."""


def holders(folder: Path, *needles: bytes) -> dict[bytes, set[str]]:
    """Files below a folder that hold one of some byte strings."""
    found: dict[bytes, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            for needle in needles:
                if needle in body:
                    found.setdefault(needle, set()).add(str(path.relative_to(folder)))
    return found


def traces(number: int) -> tuple[bytes, bytes, bytes]:
    """What gives a point away: its text, its vector, its id."""
    return secret(number).encode(), unit(number, DIMENSION).tobytes(), memory_id(number).encode()


def secret(number: int) -> str:
    return f"the secret of number {number:06} is safe"


def written(number: int, **payload: Any) -> Any:
    return point(
        number,
        dense=unit(number, DIMENSION),
        terms={1: 1.0 + number / 1_000},
        **{"text": secret(number), "domain": f"d{number % 3}", **payload},
    )


async def answers(store: Store, index: str) -> list[Any]:
    near = [search(index, dense=unit(n, DIMENSION), terms=[[1]], depth=20) for n in (3, 7)]
    page = await store.scroll(index, "g1", None, limit=1000)
    vectors = await store.retrieve(index, "g1", [each.memory_id for each in page.points], with_vectors=True)
    found = [(each.memory_id, each.payload, each.dense.tobytes()) for each in vectors.values() if each.dense is not None]
    return [*await store.search(near), sorted(found, key=lambda each: str(each[0]))]


@pytest.mark.parametrize("kind", OWN_FILES)
async def test_nothing_of_what_was_deleted_or_overwritten_is_left_in_any_file_and_all_else_answers_as_before(
    tmp_path: Path, kind: str
) -> None:
    index = spec(DIMENSION)
    # A single one of many, which no clearing by shares would take.
    gone, edited, labelled, whole = 250, 251, 252, 601
    async with opened(kind, tmp_path) as store:
        await filled(store, *(written(n) for n in range(600)), index=index)
        await store.apply([UpsertPoints(index.name, (written(whole, generation="g2"),))])
        await store.flush()
        assert set(holders(tmp_path, *traces(gone))) >= {traces(gone)[1]}
        await store.apply([UpsertPoints(index.name, (point(edited, dense=unit(1_000, DIMENSION), text="edited"),))])
        await store.apply([ReplacePayloads(index.name, "g1", {memory_id(labelled): {"text": "replaced", "seq": 1}})])
        await store.apply([DeletePoints(index.name, "g1", (memory_id(gone),)), DeleteGeneration(index.name, "g2")])
        await store.flush()
        before = await answers(store, index.name)
        assert await store.purge(index.name)
        assert holders(tmp_path, *traces(gone), *traces(whole), *traces(edited)[:2], secret(labelled).encode()) == {}
        assert await answers(store, index.name) == before
        await store.apply([UpsertPoints(index.name, (written(700),))])
    async with opened(kind, tmp_path) as store:
        await store.ensure_index(index)
        assert await store.count(index.name, "g1", None) == 600
        assert holders(tmp_path, *traces(gone), *traces(whole)) == {}


@pytest.mark.parametrize("kind", OWN_FILES)
async def test_an_index_that_lost_all_of_its_points_keeps_no_byte_of_them(tmp_path: Path, kind: str) -> None:
    async with opened(kind, tmp_path) as store:
        index = await filled(store, *(written(n) for n in range(40)), index=spec(DIMENSION))
        await store.apply([DeleteGeneration(index, "g1")])
        await store.flush()
        assert await store.purge(index)
        assert await store.purge(index)
        assert holders(tmp_path, b"the secret of number", *(traces(n)[1] for n in range(40))) == {}
        await store.apply([UpsertPoints(index, (written(1),))])
        assert numbers([each.memory_id for each in (await store.scroll(index, "g1", None, limit=9)).points]) == {1}


@pytest.mark.parametrize("kind", OWN_FILES)
async def test_searches_and_writes_go_on_during_a_purge(tmp_path: Path, kind: str) -> None:
    async with opened(kind, tmp_path) as store:
        index = await filled(store, *(written(n) for n in range(2_000)), index=spec(DIMENSION))
        await store.apply([DeletePoints(index, "g1", (memory_id(250),))])
        await store.flush()
        purge = asyncio.create_task(store.purge(index))
        step = 0
        while not purge.done():
            step += step < 700
            await store.apply([UpsertPoints(index, (written(10_000 + step),)), DeletePoints(index, "g1", (memory_id(1_000 + step),))])
            [result] = await store.search([search(index, dense=unit(10_000 + step, DIMENSION), depth=1)])
            assert numbers([result.hits[0].memory_id]) == {10_000 + step}
        await purge
        assert holders(tmp_path, *traces(250)) == {}
        assert await store.count(index, "g1", None) == 1_999
        [result] = await store.search([search(index, dense=unit(1_900, DIMENSION), depth=1)])
        assert numbers([result.hits[0].memory_id]) == {1_900}


@pytest.mark.parametrize("kind", OWN_FILES)
async def test_an_index_that_nobody_ensured_is_not_purged(tmp_path: Path, kind: str) -> None:
    async with opened(kind, tmp_path) as store:
        with pytest.raises(NotFoundError, match="atlas-none"):
            await store.purge("atlas-none")


async def test_an_index_with_a_graph_has_one_again(tmp_path: Path) -> None:
    index = spec(DIMENSION)
    async with open_edge_store(edge_settings(edge_graph_from_points=1_000), tmp_path) as store:
        await filled(store, *(written(n) for n in range(1_200)), index=index)
        await store.apply([DeletePoints(index.name, "g1", (memory_id(250),))])
        await store.flush()
        await store.purge(index.name)
        assert current(tmp_path / "engine" / index.name).graph_points == 1_199
        assert holders(tmp_path, *traces(250)) == {}
        [result] = await store.search([search(index.name, dense=unit(9, DIMENSION), depth=1)])
        assert numbers([result.hits[0].memory_id]) == {9}


async def test_a_server_is_told_to_clear_its_segments_and_has_its_settings_back(tmp_path: Path) -> None:
    settings = qdrant_settings().model_copy(update={"qdrant_flush_interval_ms": 5_000})
    async with open_store(settings, data_dir=tmp_path) as store:
        host, _, port = os.environ[SERVER_VARIABLE].rpartition(":")
        client = AsyncQdrantClient(host=host, grpc_port=int(port), prefer_grpc=True, check_compatibility=False)
        try:
            index = await filled(store, *(written(n) for n in range(400)), index=spec(DIMENSION))
            await store.apply([DeletePoints(index, "g1", (memory_id(250),))])
            before = await client.get_collection(index)
            assert await store.purge(index) is False
            after = await client.get_collection(index)
            assert after.config.optimizer_config == before.config.optimizer_config
            assert await store.count(index, "g1", None) == 399
            folder = os.environ.get("ATLAS_TEST_QDRANT_STORAGE")
            if folder is not None:
                # What is named in the receipt: segments are clear, the server's log is not.
                files = set().union(*holders(Path(folder) / "collections" / index, *traces(250)).values(), set())
                assert {each for each in files if "/wal/" not in each} == set()
        finally:
            await client.close()
