"""The calls about sources: check, read, write."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from atlas import deadlines
from atlas.clock import Clock
from atlas.errors import ConflictError, InvalidInputError
from atlas.failpoints import failpoint
from atlas.memory.v1 import memory_pb2 as pb

from ..catalog import collections as catalog
from ..catalog.memory_rows import MemoryRow
from ..generations.messages import whole_tenant
from ..limits import MAX_IDS, MAX_REQUEST_ID_BYTES, check_bytes, check_count
from ..memories.requests import checked_collection
from ..memories.validation import MAX_SOURCE_BYTES
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.free_space import FreeSpace
from ..persistence.replay import RequestKey, known_answer, once
from ..persistence.writer import Writer, Written
from ..scopes import checked_tenant
from ..store import Store, StoredPoint
from .aliases import last_move, source_ids
from .moving import Move, StalePayloadsError, moved_rows, run_move

_PAGE = 500
_ATTEMPTS = 5


class SourceCalls:
    """Moves sources and says what their ids are."""

    def __init__(self, database: Database, store: Store, writer: Writer, *, space: FreeSpace, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._writer = writer
        self._space = space
        self._clock = clock

    async def move(self, request: pb.MoveSourceRequest) -> pb.MoveSourceResponse:
        """Moves a source, or all below it."""
        tenant = whole_tenant(request.scope)
        check_bytes(request.request_id, "request_id", MAX_REQUEST_ID_BYTES)
        move = Move(
            tenant,
            checked_collection(request.collection),
            _checked_source(request.from_source, "from_source"),
            _checked_source(request.to_source, "to_source"),
            int(self._clock.now().timestamp() * 1e6),
        )
        _check_apart(move)
        self._space.check()
        digest = hashlib.sha256("\0".join((move.collection, move.from_source, move.to_source)).encode()).digest()
        key = RequestKey(tenant, "MoveSource", request.request_id, digest)
        for _ in range(_ATTEMPTS):
            try:
                return await self._moved(move, key)
            except StalePayloadsError:
                continue
        raise ConflictError(
            f"memories of {move.from_source!r} were written all the time; move it when there are fewer writes",
            reason="SOURCE_CHANGES",
            field="from_source",
            source=move.from_source,
        )

    async def resolve(self, request: pb.ResolveSourcesRequest) -> pb.ResolveSourcesResponse:
        """Gives the ids behind sources."""
        tenant = checked_tenant(request.scope)
        ids, last = await self.ids(tenant, checked_collection(request.collection), request.sources, field="sources")
        return pb.ResolveSourcesResponse(source_ids=ids, last_move=last)

    async def ids(self, tenant: str, collection: str, sources: Sequence[str], *, field: str) -> tuple[dict[str, str], int]:
        """Returns the ids of sources that have another id than themselves, and the number of the tenant's last move."""
        check_count(len(sources), field, least=0, most=MAX_IDS)
        return await self._database.read(
            lambda connection: (source_ids(connection, tenant, collection, sources), last_move(connection, tenant))
        )

    async def _moved(self, move: Move, key: RequestKey) -> pb.MoveSourceResponse:
        points = await self._points(move, key)
        failpoint("source.points.after")

        def write(connection: sqlite3.Connection, seq: int) -> Written[bytes]:
            moved = run_move(connection, seq, move, points)
            answer = pb.MoveSourceResponse(source_count=moved.source_count, memory_count=moved.memory_count)
            return Written(answer.SerializeToString(), moved.operations)

        transaction = once(write, key, time_s=move.now_us / 1e6)
        done = await self._writer.submit(
            transaction, durability=Durability.POWER_LOSS, deadline=deadlines.current(), item_count=max(1, len(points))
        )
        failpoint("source.move.after")
        return pb.MoveSourceResponse.FromString(done.answer)

    async def _points(self, move: Move, key: RequestKey) -> dict[str, StoredPoint]:
        def read(connection: sqlite3.Connection) -> tuple[catalog.Collection | None, list[MemoryRow]]:
            if known_answer(connection, key) is not None:
                return None, []
            rows = moved_rows(connection, move)
            return catalog.get_collection(connection, move.tenant, move.collection, field="collection"), rows

        collection, rows = await self._database.read(read)
        points: dict[str, StoredPoint] = {}
        if collection is not None:
            for begin in range(0, len(rows), _PAGE):
                ids = [row.memory_id for row in rows[begin : begin + _PAGE]]
                found = await self._store.retrieve(collection.index, collection.generation, ids, timeout_s=deadlines.current().remaining_s)
                points.update(found)
        return points


def _checked_source(source: str, field: str) -> str:
    if not source:
        raise InvalidInputError(f"{field} is empty; name a source", field=field)
    check_bytes(source, field, MAX_SOURCE_BYTES)
    if "\n" in source or "\0" in source:
        raise InvalidInputError(f"{field} holds a line break or a zero character; no source has one", field=field)
    return source


def _check_apart(move: Move) -> None:
    for outer, inner in ((move.from_source, move.to_source), (move.to_source, move.from_source)):
        if outer == inner or inner.startswith((f"{outer}/", f"{outer}#")):
            raise InvalidInputError(
                f"to_source {move.to_source!r} and from_source {move.from_source!r} lie one within the other; a source cannot move there",
                field="to_source",
                from_source=move.from_source,
                to_source=move.to_source,
            )
