"""Writes files anew until none holds a byte of what was erased: at every erasure, and after a restart what is left of earlier ones.

Two lines of work, so that the database does not wait for an index: the journal and the database's file first, then the engine's files. In
this order, because a journal that still holds a text would have an engine that restarts write it again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from atlas.clock import Clock
from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.failpoints import failpoint
from atlas.type.v1 import salience_pb2 as common_pb2

from ..persistence.database import Database, Work
from ..persistence.durability import Durability
from ..persistence.writer import Writer, Written
from ..store import Store
from . import due
from .due import Due

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
"""Pauses before what failed is tried again; each is twice the one before."""

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[bool]]
"""Reads everything again; True if nothing is left of what was erased."""


class Clearer:
    """Works off what erasures have marked."""

    def __init__(self, database: Database, writer: Writer, store: Store, *, count_copies: Callable[[], int], clock: Clock) -> None:
        """Does nothing until `run`; `count_copies` blocks."""
        self._database = database
        self._writer = writer
        self._store = store
        self._count_copies = count_copies
        self._clock = clock
        self._checks: dict[tuple[str, str], Check] = {}
        self._wanted = (asyncio.Event(), asyncio.Event())
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        """Works off what is marked, now and whenever it is woken. Runs until it is cancelled."""
        database, indexes = self._wanted
        await asyncio.gather(self._work(database, self._clear_database), self._work(indexes, self._clear_indexes))

    def wake(self) -> None:
        """Has marks worked off that were just written."""
        for event in self._wanted:
            event.set()

    def take(self, tenant: str, receipt_id: str, check: Check) -> None:
        """Has a receipt verified by `check`, as soon as its database is clean."""
        self._checks[tenant, receipt_id] = check
        self.wake()

    async def cleared(self, tenant: str, receipt_id: str, *, timeout_s: float) -> common_pb2.ErasureReceipt | None:
        """Waits until nothing is due for a receipt and it is verified, at most so long, and returns it; None if it is gone."""
        try:
            async with asyncio.timeout(timeout_s), self._progress:
                while (found := await self._receipt(tenant, receipt_id)) is not None and self._is_open(tenant, found):
                    await self._progress.wait()
        except TimeoutError:
            return await self._receipt(tenant, receipt_id)
        return found

    async def _work(self, wanted: asyncio.Event, clear: Callable[[], Awaitable[None]]) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            wanted.clear()
            try:
                await clear()
            except (AtlasError, OSError, sqlite3.OperationalError) as error:
                # The marks stay. A full disk or an engine that is away must not end the searches.
                logger.warning("what was erased is still in files; trying again", extra={"cause": str(error), "pause_s": pause_s})
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S
                await wanted.wait()

    async def _clear_database(self) -> None:
        while True:
            # First these: the marks of each of them are committed.
            taken = dict(self._checks)
            marks = await self._database.read(due.due_in_database)
            if not marks:
                break
            # What is marked may still be on its way to the engine, and the journal keeps what has not arrived.
            await self._writer.submit(_nothing, durability=Durability.PROCESS_CRASH, deadline=Deadline.after(LONGEST_PAUSE_S))
            # The text is still in the journal, the engine's log and the free pages of the file.
            await self._writer.flush()
            failpoint("ledger.erase.flushed")
            await self._database.scrub()
            failpoint("ledger.erase.scrubbed")
            count = await asyncio.to_thread(self._count_copies)
            verified = await self._checked([(one.tenant, one.receipt_id) for one in marks])
            await self._note(_clean_database(marks, count, verified, now_us=self._now_us()), verified)
            failpoint("ledger.erase.verified")
            self._wanted[1].set()
        # What was cleaned without one, as after a restart, and is asked about again.
        if taken:
            verified = await self._checked(list(taken))
            await self._note(_verify(verified), verified)

    async def _checked(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Verifies those of these receipts that can be."""
        return {key: await check() for key in keys if (check := self._checks.get(key)) is not None}

    async def _clear_indexes(self) -> None:
        while marks := await self._database.read(due.due_in_index):
            index = marks[0].place
            gone = await self._store.purge(index)
            failpoint("ledger.erase.purged")
            await self._note(_clean_index(marks, gone=gone, now_us=self._now_us()))
            logger.info("index purged of what was erased", extra={"index": index, "receipt_count": len(marks)})

    async def _note(self, work: Work[None], verified: Iterable[tuple[str, str]] = ()) -> None:
        await self._database.write(work, durability=Durability.POWER_LOSS)
        for key in verified:
            # Another one may have been given meanwhile, which asks the same.
            self._checks.pop(key, None)
        async with self._progress:
            self._progress.notify_all()

    def _is_open(self, tenant: str, receipt: common_pb2.ErasureReceipt) -> bool:
        return receipt.state == common_pb2.ERASURE_STATE_PENDING or (tenant, receipt.receipt_id) in self._checks

    async def _receipt(self, tenant: str, receipt_id: str) -> common_pb2.ErasureReceipt | None:
        return await self._database.read(lambda connection: due.find(connection, tenant, receipt_id))

    def _now_us(self) -> int:
        return round(self._clock.now().timestamp() * 1e6)


def _clean_database(marks: Sequence[Due], count: int, verified: Mapping[tuple[str, str], bool], *, now_us: int) -> Work[None]:
    def note(connection: sqlite3.Connection) -> None:
        for one in marks:
            if (receipt := due.find(connection, one.tenant, one.receipt_id)) is not None:
                receipt.copy_count = count
                receipt.verified = verified.get((one.tenant, one.receipt_id), receipt.verified)
                due.keep(connection, one.tenant, receipt, one.request_id)
        due.done(connection, marks, common_pb2.ERASURE_STATE_DONE, now_us=now_us)

    return note


def _verify(verified: Mapping[tuple[str, str], bool]) -> Work[None]:
    def note(connection: sqlite3.Connection) -> None:
        requests = due.requests_of(connection, verified)
        for key, found in verified.items():
            if (receipt := due.find(connection, *key)) is not None:
                receipt.verified = found
                due.keep(connection, key[0], receipt, requests.get(key, ""))

    return note


def _clean_index(marks: Sequence[Due], *, gone: bool, now_us: int) -> Work[None]:
    state = common_pb2.ERASURE_STATE_DONE if gone else common_pb2.ERASURE_STATE_LEFT_TO_SERVER
    return lambda connection: due.done(connection, marks, state, now_us=now_us)


def _nothing(connection: sqlite3.Connection, seq: int) -> Written[None]:  # noqa: ARG001 - the writer's transactions have these
    """Changes nothing: once it is through, so is everything before it."""
    return Written(None)
