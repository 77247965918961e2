"""Fills a generation: says which texts are due, and writes the vectors that somebody made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from atlas.clock import Clock
from atlas.deadlines import Deadline
from atlas.failpoints import failpoint
from atlas.passages import indexed_text

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.collections import Collection
from ..catalog.memory_rows import MemoryRow
from ..memories.drafts import DenseVector
from ..memories.upserts import check_vector
from ..operations import without_projection
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.writer import Writer, Written
from ..store import Float32Array, Point, Store, StoredPoint, UpsertPoints
from . import due, operation_rows, roles
from .due import DueCount
from .operation_rows import Fault, OperationRow, OperationState
from .roles import Generation


@dataclass(frozen=True, slots=True)
class DueMemory:
    """A memory that needs a vector."""

    memory_id: str
    etag: str
    text: str
    """As it is indexed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What to embed next."""

    operation: OperationRow
    memories: tuple[DueMemory, ...]
    count: DueCount


@dataclass(frozen=True, slots=True)
class Fill:
    """A vector for a memory, and the etag of what was embedded."""

    memory_id: str
    etag: str
    vector: Float32Array
    """[D] of L2 norm 1."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A memory that could not be embedded, and the etag of what was tried."""

    memory_id: str
    etag: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of vectors."""

    filled: int
    stale: int
    """Memories that were written or deleted meanwhile."""


@dataclass(frozen=True, slots=True)
class _Places:
    """An operation that runs, with what serves and what is filled."""

    operation: OperationRow
    collection: Collection
    target: Generation


class Filler:
    """Reads what is due from the generation that serves, and writes into the one that is filled."""

    def __init__(self, database: Database, store: Store, writer: Writer, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._writer = writer
        self._clock = clock

    async def collection_of(self, tenant: str, operation_id: str) -> str:
        """Returns the collection of an operation that runs.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It has ended.
        """
        return (await self._places(tenant, operation_id)).collection.name

    async def due(self, tenant: str, operation_id: str, *, limit: int, timeout_s: float) -> Listed:
        """Lists memories to embed; none of those whose last write the engine has not applied yet.

        Raises:
            NotFoundError: There is no operation of that id.
            ConflictError: It has ended.
        """

        def read(connection: sqlite3.Connection) -> tuple[_Places, dict[str, MemoryRow], DueCount]:
            places = _places(connection, tenant, operation_id)
            memory_ids = due.due_ids(connection, places.target.generation, limit=limit)
            return places, memory_rows.find_rows(connection, tenant, memory_ids), due.count_due(connection, places.target.generation)

        places, rows, count = await self._database.read(read)
        serving = places.collection
        points = await self._store.retrieve(serving.index, serving.generation, list(rows), timeout_s=timeout_s)
        return Listed(
            places.operation,
            tuple(
                DueMemory(memory_id, row.etag, _indexed(points[memory_id]))
                for memory_id, row in rows.items()
                if memory_id in points and points[memory_id].payload["seq"] == row.seq
            ),
            count,
        )

    async def fill(
        self,
        tenant: str,
        operation_id: str,
        fills: Sequence[Fill],
        failures: Sequence[Failure],
        *,
        fingerprint: str,
        deadline: Deadline,
    ) -> Filled:
        """Writes vectors, each beside the terms and the payload that serve now, unless its memory was written since.

        Raises:
            NotFoundError: There is no operation of that id.
            ConflictError: It has ended.
            InvalidInputError: A vector does not fit the generation.
            SchemaMismatchError: Their fingerprint is another.
        """
        places = await self._places(tenant, operation_id)
        for index, fill in enumerate(fills):
            _check(fill, fingerprint, places, f"vectors[{index}]")
        serving = places.collection
        points = await self._store.retrieve(
            serving.index, serving.generation, [fill.memory_id for fill in fills], with_vectors=True, timeout_s=deadline.remaining_s
        )
        failpoint("generation.fill.read")
        now_us = int(self._clock.now().timestamp() * 1e6)

        def write(connection: sqlite3.Connection, _: int) -> Written[Filled]:
            return _fill(connection, _places(connection, tenant, operation_id), fills, failures, points, now_us)

        done = await self._writer.submit(write, durability=Durability.PROCESS_CRASH, deadline=deadline, item_count=max(1, len(fills)))
        failpoint("generation.fill.after")
        return done.answer

    async def _places(self, tenant: str, operation_id: str) -> _Places:
        return await self._database.read(lambda connection: _places(connection, tenant, operation_id))


def _places(connection: sqlite3.Connection, tenant: str, operation_id: str) -> _Places:
    operation = operation_rows.running_operation(connection, tenant, operation_id)
    collection = catalog.get_collection(connection, tenant, operation.collection, field="operation_id")
    target = roles.find_other(connection, operation.generation)
    assert target is not None  # noqa: S101 - an operation that runs has its generation: both are written in one transaction
    return _Places(operation, collection, target)


def _check(fill: Fill, fingerprint: str, places: _Places, field: str) -> None:
    spaces = places.target.spaces
    target = replace(places.collection, generation=places.target.generation, spaces=spaces, index=places.target.index)
    check_vector(DenseVector(spaces.dense.name, fingerprint, fill.vector), target, field=field)


def _fill(
    connection: sqlite3.Connection,
    places: _Places,
    fills: Sequence[Fill],
    failures: Sequence[Failure],
    points: Mapping[str, StoredPoint],
    now_us: int,
) -> Written[Filled]:
    target, tenant = places.target, places.operation.tenant
    named = [*(fill.memory_id for fill in fills), *(failure.memory_id for failure in failures)]
    rows = memory_rows.find_rows(connection, tenant, named)
    wanted = due.due_among(connection, target.generation, [fill.memory_id for fill in fills])
    filled: list[Point] = []
    stale = 0
    for fill in fills:
        row, stored = rows.get(fill.memory_id), points.get(fill.memory_id)
        if row is None or row.etag != fill.etag or stored is None or stored.payload["seq"] != row.seq:
            stale += 1
        elif fill.memory_id in wanted:
            filled.append(_point(fill, stored, target))
    due.mark_filled(connection, target.generation, (point.memory_id for point in filled))
    failpoint("generation.fill.marked")
    failed = [one for one in failures if one.memory_id in rows and rows[one.memory_id].etag == one.etag]
    due.mark_failed(connection, target.generation, (one.memory_id for one in failed))
    operation = replace(places.operation, state=OperationState.RUNNING, update_time_us=now_us)
    for one in failed:
        operation = operation_rows.with_error(operation, one.fault, now_us)
    operation_rows.put_operation(connection, operation)
    failpoint("generation.fill.operation")
    operations = (UpsertPoints(target.index, tuple(filled)),) if filled else ()
    # Should a power loss take this entry and leave its vectors, they are due again and written anew.
    return Written(Filled(len(filled), stale), operations, adds_only=True)


def _point(fill: Fill, stored: StoredPoint, target: Generation) -> Point:
    assert stored.sparse_indices is not None  # noqa: S101 - asked for with vectors
    assert stored.sparse_values is not None  # noqa: S101 - asked for with vectors
    payload = {key: value for key, value in without_projection(stored.payload).items() if key not in ("memory_id", "generation")}
    return Point(
        memory_id=fill.memory_id,
        generation=target.generation,
        dense=fill.vector,
        sparse_indices=stored.sparse_indices,
        sparse_values=stored.sparse_values,
        payload=payload,
    )


def _indexed(point: StoredPoint) -> str:
    payload = point.payload
    return indexed_text(payload["memory"]["text"], title=payload.get("title", ""), speaker=payload.get("speaker", ""))
