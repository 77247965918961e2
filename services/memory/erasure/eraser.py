"""Erases for good, and reads again: catalog, ledger, journal, engine, and what all of them leave behind in their files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atlas.clock import Clock
from atlas.deadlines import Deadline
from atlas.errors import NotFoundError
from atlas.failpoints import failpoint
from atlas.memory.v1 import salience_pb2 as pb
from atlas.salience import SalienceRule
from atlas.type.v1 import salience_pb2 as common_pb2

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.memory_rows import MemoryRow
from ..generations.siblings import siblings_of
from ..ledger.forgetting import forget
from ..memories import deletions
from ..memories.encoding import to_timestamp
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.replay import RequestKey, once
from ..persistence.writer import Writer, Written
from ..scopes import Scope
from ..store import Operation, Store
from . import due, tables
from .clearing import Clearer
from .due import DATABASE, Due
from .tables import Erased


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


WAIT_S = 30.0
"""Longest that an erasure waits for the engine's files, if its caller leaves twice that time."""

Selection = OfIds | OfSource | OfDomain | OfPrincipal
"""What to erase."""


@dataclass(slots=True)
class _Outcome:
    """What the transaction found; None for a repeated request."""

    rows: Sequence[MemoryRow] | None = None
    places: Sequence[tuple[str, str]] = ()
    """Index and generation of the rows, also where other generations of their collections have them."""


class Eraser:
    """Erases what a selection names."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        store: Store,
        clearer: Clearer,
        *,
        rule: SalienceRule,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._clearer = clearer
        self._writer = writer
        self._store = store
        self._rule = rule
        self._clock = clock
        self._new_id = new_id

    async def erase(self, scope: Scope, selection: Selection, key: RequestKey, *, deadline: Deadline) -> pb.EraseResponse:
        """Erases, waits a while for the files, and gives the receipt; a repeated request gets the first one, as it is by now.

        Raises:
            NotFoundError: The collection does not exist.
            ConflictError: The request id was used with other content.
        """
        now_s = self._clock.now().timestamp()
        outcome = _Outcome()

        def work(connection: sqlite3.Connection, _: int) -> Written[bytes]:
            return self._erase(connection, scope, selection, outcome, now_s, key.request_id)

        done = await self._writer.submit(once(work, key, time_s=now_s), durability=Durability.POWER_LOSS, deadline=deadline)
        reply = pb.EraseResponse.FromString(done.answer)
        failpoint("ledger.erase.committed")
        # Also for who repeats a request whose first attempt ended before this.
        self._clearer.wake()
        if not reply.receipt.verified:
            self._clearer.take(scope.tenant, reply.receipt.receipt_id, lambda: self._nothing_remains(scope, selection, outcome))
        waits_s = min(WAIT_S, deadline.remaining_s / 2)
        receipt = await self._clearer.cleared(scope.tenant, reply.receipt.receipt_id, timeout_s=waits_s)
        if receipt is not None:
            reply.receipt.CopyFrom(receipt)
        return reply

    def _erase(
        self, connection: sqlite3.Connection, scope: Scope, selection: Selection, outcome: _Outcome, now_s: float, request_id: str
    ) -> Written[bytes]:
        operations: tuple[Operation, ...] = ()
        rows = _rows(connection, scope, selection)
        if isinstance(selection, OfPrincipal):
            erased = tables.erase_principal(connection, scope, selection.principal, self._rule, time_s=now_s)
        elif rows:
            erased = tables.erase_memories(connection, scope.tenant, [row.memory_id for row in rows])
            failpoint("ledger.erase.evidence")
            outcome.places = _places(connection, scope.tenant, rows)
            operations = deletions.delete_rows(connection, scope.tenant, rows, forget)
        else:
            erased = Erased(0, 0, 0, 0)
        outcome.rows, receipt_id = rows, self._new_id()
        reply = _reply(rows, erased, receipt_id, round(now_s * 1e6))
        connection.execute(
            "INSERT INTO erasure VALUES (?, ?, ?, ?)",
            (scope.tenant, receipt_id, round(now_s * 1e6), reply.receipt.SerializeToString()),
        )
        # Also where nothing was found: what was deleted before may still be in the engine's files.
        indexes = [] if isinstance(selection, OfPrincipal) else due.index_names(connection)
        due.mark(connection, [Due(scope.tenant, receipt_id, place, request_id) for place in (DATABASE, *indexes)])
        failpoint("ledger.erase.receipt")
        return Written(reply.SerializeToString(), operations)

    async def _nothing_remains(self, scope: Scope, selection: Selection, outcome: _Outcome) -> bool:
        if isinstance(selection, OfPrincipal):
            principal = selection.principal
            return not await self._database.scan(lambda connection: tables.principal_remains(connection, scope, principal))
        if outcome.rows is None:
            return await self._nothing_remains_of_repeated(scope, selection)
        memory_ids = [row.memory_id for row in outcome.rows]
        if not memory_ids:
            return True
        if await self._database.scan(lambda connection: tables.memories_remain(connection, scope.tenant, memory_ids)):
            return False
        return await self._no_points_remain(memory_ids, outcome.places)

    async def _nothing_remains_of_repeated(self, scope: Scope, selection: Selection) -> bool:
        """Looks for what a request names whose transaction was committed by an earlier attempt.

        Which memories there were is no longer known, only which the request lists.
        """
        try:
            if await self._database.read(lambda connection: bool(_rows(connection, scope, selection))):
                return False
        except NotFoundError:
            return True  # the collection is gone
        memory_ids, places = await self._database.read(lambda connection: _gone(connection, scope.tenant, selection))
        if not memory_ids:
            return True
        if await self._database.scan(lambda connection: tables.rows_remain(connection, scope.tenant, memory_ids)):
            return False
        return await self._no_points_remain(memory_ids, places)

    async def _no_points_remain(self, memory_ids: Sequence[str], places: Sequence[tuple[str, str]]) -> bool:
        found = [await self._store.retrieve(index, generation, memory_ids) for index, generation in places]
        return not any(found)


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


def _places(connection: sqlite3.Connection, tenant: str, rows: Sequence[MemoryRow]) -> list[tuple[str, str]]:
    serving = {(catalog.index_of(connection, row.generation), row.generation) for row in rows}
    others = [one for name in {row.collection for row in rows} for one in siblings_of(connection, tenant, name)]
    return sorted(serving | {(one.index, one.generation) for one in others})


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
            state=common_pb2.ERASURE_STATE_PENDING,
        ),
        content_sha256s=sorted({row.content_sha256 for row in rows}),
    )
