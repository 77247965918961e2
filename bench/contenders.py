"""The stores that `python -m bench stores` compares, each behind the same few calls."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.memory.store import (
    IndexSpec,
    Point,
    ProjectedSalience,
    SalienceProjection,
    SearchRequest,
    Store,
    UpsertPoints,
)
from services.memory.stores import StoreSettings, open_store
from services.memory.stores.edge import EdgeStore

BATCH = 256
TERMS_A_POINT = 30
TERMS_A_QUERY = 8
VOCABULARY = 20_000
_GENERATION = "bench"


class Contender(Protocol):
    """A store with the measured vectors in it."""

    name: str

    async def insert(self, vectors: NDArray[np.float32]) -> None:
        """Writes all vectors, row i under the number i."""
        ...

    async def dense(self, query: NDArray[np.float32], count: int) -> list[int]:
        """Returns the numbers of the nearest vectors, best first."""
        ...

    def processor_s(self) -> float:
        """Processor time of everything that works for this store, since it began."""
        ...


class StoreContender:
    """One of memory's own stores, through its seam."""

    def __init__(self, name: str, store: Store) -> None:
        """Takes an open store."""
        self.name = name
        self._store = store
        self._spec = IndexSpec(f"atlas-{uuid.uuid4().hex[:12]}", 0, "bench", "bench")
        self._chance = np.random.default_rng(3)
        self._sequence = 0

    async def insert(self, vectors: NDArray[np.float32]) -> None:
        """Writes all vectors with lexical terms of a natural distribution."""
        self._spec = IndexSpec(self._spec.name, vectors.shape[1], "bench", "bench")
        await self._store.ensure_index(self._spec)
        for begin in range(0, len(vectors), BATCH):
            rows = vectors[begin : begin + BATCH]
            points = tuple(self._point(begin + offset, row) for offset, row in enumerate(rows))
            await self._store.apply([UpsertPoints(self._spec.name, points)])
        await self._store.flush()

    async def dense(self, query: NDArray[np.float32], count: int) -> list[int]:
        """Searches by vector alone."""
        [result] = await self._store.search([self._request(query, (), count)], timeout_s=60)
        return [number_of(hit.memory_id) for hit in result.hits]

    async def both(self, query: NDArray[np.float32]) -> None:
        """Searches by vector and words, 100 deep, as memory does."""
        terms = tuple((int(term),) for term in self._terms(TERMS_A_QUERY))
        [result] = await self._store.search([self._request(query, terms, 100)], timeout_s=60)
        assert len(result.hits) >= 100

    async def project(self, count: int) -> None:
        """Writes the salience of random points."""
        self._sequence += 1
        numbers = self._chance.integers(0, 1000, count)
        values = {id_of(int(number)): ProjectedSalience(0.5, self._sequence, self._sequence) for number in numbers}
        await self._store.project([SalienceProjection(self._spec.name, _GENERATION, values)])

    async def rebuild(self) -> None:
        """Gives an edge index its graph."""
        assert isinstance(self._store, EdgeStore)
        await self._store.rebuild(self._spec.name, graph=True)

    def processor_s(self) -> float:
        """Counts this process and, for the edge store, its engine."""
        pid = self._store.engine_pid if isinstance(self._store, EdgeStore) else None
        return time.process_time() + (0.0 if pid is None else _processor_s(pid))

    def _request(self, query: NDArray[np.float32], terms: tuple[tuple[int, ...], ...], depth: int) -> SearchRequest:
        return SearchRequest(index=self._spec.name, generation=_GENERATION, dense=query, terms=terms, depth=depth)

    def _point(self, number: int, vector: NDArray[np.float32]) -> Point:
        terms = self._terms(TERMS_A_POINT)
        payload = {"content_kind": "TEXT", "domain": "bench", "memory": {"text": "about as long as a short message is" * 4}}
        return Point(id_of(number), _GENERATION, vector, terms, np.ones(len(terms), np.float32), payload)

    def _terms(self, count: int) -> NDArray[np.uint32]:
        return np.unique(np.minimum(self._chance.zipf(1.3, count), VOCABULARY)).astype(np.uint32)


class LanceFlat:
    """LanceDB by itself: a table of numbers and vectors without an index, searched by its own Python client."""

    name = "LanceDB flat (its own client)"

    def __init__(self, connection: Any) -> None:
        """Takes an open connection."""
        self._connection = connection
        self._table: Any = None

    async def insert(self, vectors: NDArray[np.float32]) -> None:
        """Writes all vectors in one call, as it likes best."""
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        rows = pa.table([pa.array(np.arange(len(vectors))), flat], names=["number", "vector"])
        self._table = await self._connection.create_table("vectors", rows)

    async def dense(self, query: NDArray[np.float32], count: int) -> list[int]:
        """Searches by vector."""
        found = await self._table.query().nearest_to(query).distance_type("cosine").limit(count).select(["number", "_distance"]).to_arrow()
        numbers: list[int] = found["number"].to_pylist()
        return numbers

    def processor_s(self) -> float:
        """Counts this process."""
        return time.process_time()


@asynccontextmanager
async def edge(folder: Path, scan: str) -> AsyncIterator[StoreContender]:
    """Opens the edge store."""
    async with open_store(StoreSettings(store="edge", edge_scan_datatype=scan), data_dir=folder / f"edge-{scan}") as store:  # type: ignore[arg-type]
        yield StoreContender(f"edge, {scan}", store)


@asynccontextmanager
async def lance_store(folder: Path) -> AsyncIterator[StoreContender]:
    """Opens the lancedb store."""
    async with open_store(StoreSettings(store="lancedb"), data_dir=folder / "store") as store:
        yield StoreContender("lancedb store", store)


@asynccontextmanager
async def lance_flat(folder: Path) -> AsyncIterator[LanceFlat]:
    """Opens LanceDB itself."""
    yield LanceFlat(await lancedb.connect_async(str(folder / "flat")))


@asynccontextmanager
async def qdrant(target: str) -> AsyncIterator[StoreContender]:
    """Opens the qdrant store over a running server, HOST:GRPC_PORT."""
    host, _, port = target.rpartition(":")
    async with open_store(StoreSettings(store="qdrant", qdrant_host=host, qdrant_grpc_port=int(port)), data_dir=Path()) as store:
        yield StoreContender("qdrant server", store)


def id_of(number: int) -> str:
    """Returns the UUID that stands for a number."""
    return str(uuid.UUID(int=number + 1))


def number_of(memory_id: str) -> int:
    """Returns the number that a UUID stands for."""
    return uuid.UUID(memory_id).int - 1


def _processor_s(pid: int) -> float:
    # In nanoseconds, by thread; the usual counters tick a hundred times a second.
    total = 0
    for task in os.scandir(f"/proc/{pid}/task"):
        total += int(Path(task.path, "schedstat").read_text().split()[0])
    return total / 1e9


def recall(found: Sequence[int], truth: Sequence[int]) -> float:
    """Returns the share of the true neighbours that were found."""
    return len(set(found) & set(truth)) / len(truth)
