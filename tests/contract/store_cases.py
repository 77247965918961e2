"""Stores, points and searches for the suites of the store seam."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.memory.store import (
    Float32Array,
    IndexSpec,
    Point,
    SearchRequest,
    Store,
    StoreFilter,
    UpsertPoints,
)
from services.memory.stores import StoreSettings, open_store

DIMENSION = 8
STORES = ("edge", "qdrant", "lancedb")
"""Every implementation, by its setting."""
SERVER_VARIABLE = "ATLAS_TEST_QDRANT"


def edge_settings(**changes: Any) -> StoreSettings:
    """Settings of the embedded store; its waits are long, because a busy machine is no failure."""
    return StoreSettings(**{"engine_restart_wait_ms": 30_000, **changes})


def qdrant_settings() -> StoreSettings:
    """Settings of the server that the environment names; skips aloud where it names none."""
    target = os.environ.get(SERVER_VARIABLE)
    if not target:
        pytest.skip(f"{SERVER_VARIABLE}=HOST:GRPC_PORT names no Qdrant server >= 1.19, so the qdrant store was not tested")
    host, _, port = target.rpartition(":")
    return StoreSettings(
        store="qdrant", qdrant_host=host, qdrant_grpc_port=int(port), qdrant_flush_interval_ms=50, engine_start_timeout_ms=10_000
    )


@asynccontextmanager
async def opened(kind: str, data_dir: Path) -> AsyncIterator[Store]:
    """Opens a store of any kind."""
    settings = {"edge": edge_settings, "qdrant": qdrant_settings, "lancedb": lambda: StoreSettings(store="lancedb")}[kind]()
    async with open_store(settings, data_dir=data_dir) as store:
        yield store


def spec(dimension: int = DIMENSION, **changes: Any) -> IndexSpec:
    """An index of its own: a server keeps those of earlier runs."""
    fields = {
        "name": f"atlas-{uuid.uuid4().hex[:12]}",
        "dimension": dimension,
        "dense_fingerprint": "dense-1",
        "lexical_fingerprint": "lexical-1",
    }
    return IndexSpec(**{**fields, **changes})


def memory_id(number: int) -> str:
    """The UUID that stands for a number."""
    return str(uuid.UUID(int=number + 1))


def numbers(memory_ids: Iterable[str]) -> set[int]:
    """The numbers that UUIDs stand for."""
    return {uuid.UUID(each).int - 1 for each in memory_ids}


def unit(number: int, dimension: int = DIMENSION) -> Float32Array:
    """A random direction that belongs to a number."""
    vector = np.random.default_rng(number).normal(size=dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def point(
    number: int,
    *,
    generation: str = "g1",
    terms: Mapping[int, float] | None = None,
    dense: Float32Array | None = None,
    **payload: Any,
) -> Point:
    """A point whose vector and id follow from a number."""
    weights = {1: 1.0} if terms is None else terms
    return Point(
        memory_id=memory_id(number),
        generation=generation,
        dense=unit(number) if dense is None else dense,
        sparse_indices=np.array(list(weights), np.uint32),
        sparse_values=np.array(list(weights.values()), np.float32),
        payload={"seq": number, "content_kind": "TEXT", **payload},
    )


async def filled(store: Store, *points: Point, index: IndexSpec | None = None) -> str:
    """Makes an index with these points and returns its name."""
    index = spec() if index is None else index
    await store.ensure_index(index)
    await store.apply([UpsertPoints(index.name, points)])
    return index.name


def search(index: str, *, query: int | None = None, terms: Iterable[Iterable[int]] = (), **changes: Any) -> SearchRequest:
    """A search by the vector of a number, by terms, or by both."""
    fields: dict[str, Any] = {"generation": "g1", "dense": None if query is None else unit(query)}
    return SearchRequest(index=index, terms=tuple(tuple(group) for group in terms), **{**fields, **changes})


async def matching(store: Store, index: str, condition: StoreFilter | None) -> set[int]:
    """The numbers of the points that match."""
    page = await store.scroll(index, "g1", condition, limit=1000)
    return numbers(each.memory_id for each in page.points)
