"""Erases for good, and reads again: catalog, ledger, journal, engine, and what deleted rows leave behind in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atlas.clock import Clock
from atlas.deadlines import Deadline
from atlas.failpoints import failpoint
from atlas.memory.v1 import salience_pb2 as pb
from atlas.salience import SalienceRule
from atlas.type.v1 import salience_pb2 as common_pb2

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.memory_rows import MemoryRow
from ..memories import deletions
from ..memories.encoding import to_timestamp
from ..persistence.database import Database, Work
from ..persistence.durability import Durability
from ..persistence.replay import RequestKey, once
from ..persistence.writer import Writer, Written
from ..scopes import Scope
from ..store import Operation, Store
from . import erasing
from .erasing import Erased
from .forgetting import forget


@dataclass(frozen=True, slots=True)
class OfIds:
    """These memories."""

    memory_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class OfSource:
    """All memories of a source in a collection."""

    collection: str
    source: str


@dataclass(frozen=True, slots=True)
class OfDomain:
    """All memories of a domain, in every collection."""

    domain: str


@dataclass(frozen=True, slots=True)
class OfPrincipal:
    """All evidence and impressions of a principal; memories stay."""

    principal: str


Selection = OfIds | OfSource | OfDomain | OfPrincipal
"""What to erase."""


@dataclass(slots=True)
class _Outcome:
    """What the transaction found; None for a repeated request."""

    rows: Sequence[MemoryRow] | None = None
    places: Sequence[tuple[str, str]] = ()
    """Index and generation of the rows."""


class Eraser:
    """Erases what a selection names."""

    def __init__(
        self, database: Database, writer: Writer, store: Store, *, rule: SalienceRule, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._database = database
        self._writer = writer
        self._store = store
        self._rule = rule
        self._clock = clock
        self._new_id = new_id

    async def erase(self, scope: Scope, selection: Selection, key: RequestKey, *, deadline: Deadline) -> pb.EraseResponse:
        """Erases and gives the receipt; a repeated request gets the first one, and is finished if a crash left it half done.

        Raises:
            NotFoundError: The collection does not exist.
            ConflictError: The request id was used with other content.
            DependencyDownError: The engine is away.
        """
        now_s = self._clock.now().timestamp()
        outcome = _Outcome()

        def work(connection: sqlite3.Connection, _: int) -> Written[bytes]:
            return self._erase(connection, scope, selection, outcome, now_s)

        done = await self._writer.submit(once(work, key, time_s=now_s), durability=Durability.POWER_LOSS, deadline=deadline)
        failpoint("ledger.erase.committed")
        reply = pb.EraseResponse.FromString(done.answer)
        if reply.receipt.verified:
            return reply
        # The text is still in the journal, the engine's log and the free pages of the file. So it is for who repeats a request whose
        # first attempt ended before this.
        await self._writer.flush()
        failpoint("ledger.erase.flushed")
        await self._database.scrub()
        failpoint("ledger.erase.scrubbed")
        reply.receipt.verified = not await self._remains(scope, selection, outcome)
        await self._database.write(_keeping(scope.tenant, reply, key), durability=Durability.POWER_LOSS)
        failpoint("ledger.erase.verified")
        return reply

    def _erase(self, connection: sqlite3.Connection, scope: Scope, selection: Selection, outcome: _Outcome, now_s: float) -> Written[bytes]:
        operations: tuple[Operation, ...] = ()
        rows = _rows(connection, scope, selection)
        if isinstance(selection, OfPrincipal):
            erased = erasing.erase_principal(connection, scope, selection.principal, self._rule, time_s=now_s)
        elif rows:
            erased = erasing.erase_memories(connection, scope.tenant, [row.memory_id for row in rows])
            failpoint("ledger.erase.evidence")
            outcome.places = sorted({(catalog.index_of(connection, row.generation), row.generation) for row in rows})
            operations = deletions.delete_rows(connection, scope.tenant, rows, forget)
        else:
            erased = Erased(0, 0, 0, 0)
        outcome.rows, receipt_id = rows, self._new_id()
        reply = _reply(rows, erased, receipt_id, round(now_s * 1e6))
        connection.execute(
            "INSERT INTO erasure VALUES (?, ?, ?, ?)",
            (scope.tenant, receipt_id, round(now_s * 1e6), reply.receipt.SerializeToString()),
        )
        failpoint("ledger.erase.receipt")
        return Written(reply.SerializeToString(), operations)

    async def _remains(self, scope: Scope, selection: Selection, outcome: _Outcome) -> bool:
        if isinstance(selection, OfPrincipal):
            principal = selection.principal
            return await self._database.scan(lambda connection: erasing.principal_remains(connection, scope, principal))
        if outcome.rows is None:
            return await self._remains_of_repeated(scope, selection)
        memory_ids = [row.memory_id for row in outcome.rows]
        if not memory_ids:
            return False
        if await self._database.scan(lambda connection: erasing.memories_remain(connection, scope.tenant, memory_ids)):
            return True
        return await self._points_remain(memory_ids, outcome.places)

    async def _remains_of_repeated(self, scope: Scope, selection: Selection) -> bool:
        """Looks for what a request names whose transaction was committed by an earlier attempt.

        Which memories there were is no longer known, only which the request lists.
        """
        if await self._database.read(lambda connection: bool(_rows(connection, scope, selection))):
            return True
        memory_ids, places = await self._database.read(lambda connection: _gone(connection, scope.tenant, selection))
        if not memory_ids:
            return False
        if await self._database.scan(lambda connection: erasing.rows_remain(connection, scope.tenant, memory_ids)):
            return True
        return await self._points_remain(memory_ids, places)

    async def _points_remain(self, memory_ids: Sequence[str], places: Sequence[tuple[str, str]]) -> bool:
        found = [await self._store.retrieve(index, generation, memory_ids) for index, generation in places]
        return any(found)


def _rows(connection: sqlite3.Connection, scope: Scope, selection: Selection) -> list[MemoryRow]:
    match selection:
        case OfIds(memory_ids):
            rows = list(memory_rows.find_rows(connection, scope.tenant, memory_ids).values())
        case OfSource(name, source):
            collection = catalog.get_collection(connection, scope.tenant, name, field="selection.source.collection")
            rows = memory_rows.rows_of_source(connection, collection.generation, source)
        case OfDomain(domain):
            ids = connection.execute("SELECT memory_id FROM memory WHERE tenant = ? AND domain = ?", (scope.tenant, domain)).fetchall()
            rows = list(memory_rows.find_rows(connection, scope.tenant, [memory_id for (memory_id,) in ids]).values())
        case OfPrincipal():
            rows = []
    return memory_rows.within(scope, rows)


def _gone(connection: sqlite3.Connection, tenant: str, selection: Selection) -> tuple[list[str], list[tuple[str, str]]]:
    """Reads which memories of a list are in no catalog, and index and generation of all places where a tenant's may be."""
    if not isinstance(selection, OfIds):
        return [], []
    there = memory_rows.find_rows(connection, tenant, selection.memory_ids)
    places = {(one.index, one.generation) for one in catalog.every_collection(connection) if one.tenant == tenant}
    return [one for one in selection.memory_ids if one not in there], sorted(places)


def _reply(rows: Sequence[MemoryRow], erased: Erased, receipt_id: str, time_us: int) -> pb.EraseResponse:
    return pb.EraseResponse(
        receipt=common_pb2.ErasureReceipt(
            receipt_id=receipt_id,
            erase_time=to_timestamp(time_us),
            memory_count=len(rows),
            event_count=erased.event_count,
            checkpoint_count=erased.checkpoint_count,
            impression_count=erased.impression_count,
            replay_count=erased.replay_count,
        ),
        content_sha256s=sorted({row.content_sha256 for row in rows}),
    )


def _keeping(tenant: str, reply: pb.EraseResponse, key: RequestKey) -> Work[None]:
    def keep(connection: sqlite3.Connection) -> None:
        receipt = reply.receipt
        connection.execute(
            "UPDATE erasure SET receipt = ? WHERE tenant = ? AND receipt_id = ?", (receipt.SerializeToString(), tenant, receipt.receipt_id)
        )
        connection.execute(
            "UPDATE replay SET answer = ? WHERE tenant = ? AND method = ? AND request_id = ?",
            (reply.SerializeToString(), key.tenant, key.method, key.request_id),
        )

    return keep
