"""Writes files anew until none holds a byte of what was erased: at every erasure, and after a restart what is left of earlier ones."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence

from atlas.clock import Clock
from atlas.errors import AtlasError
from atlas.failpoints import failpoint
from atlas.type.v1 import salience_pb2 as common_pb2

from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.writer import Writer
from ..store import Store
from . import erasure_due
from .erasure_due import DATABASE, Due

RETRY_S = 30.0
"""Pause before what failed is tried again."""

logger = logging.getLogger(__name__)


class Clearer:
    """Works off what erasures have marked, one file after the other."""

    def __init__(self, database: Database, writer: Writer, store: Store, *, count_copies: Callable[[], int], clock: Clock) -> None:
        """Does nothing until `run`; `count_copies` blocks."""
        self._database = database
        self._writer = writer
        self._store = store
        self._count_copies = count_copies
        self._clock = clock
        self._wanted = asyncio.Event()
        self._rounds = asyncio.Condition()

    async def run(self) -> None:
        """Works off what is marked, now and whenever it is woken. Runs until it is cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self._clear()
            except (AtlasError, OSError, sqlite3.OperationalError) as error:
                # The marks stay. A full disk or an engine that is away must not end the searches.
                logger.warning("what was erased is still in files; trying again", extra={"cause": str(error), "pause_s": RETRY_S})
                await self._pause()
            else:
                await self._wanted.wait()

    def wake(self) -> None:
        """Has marks worked off that were just written."""
        self._wanted.set()

    async def settle(self) -> int:
        """Takes what was erased out of the journal and the database's file, and counts the copies that may hold it.

        Raises:
            DependencyDownError: The engine is away, or readers held the database's log; trying again is harmless.
        """
        # The text is still in the journal, the engine's log and the free pages of the file.
        await self._writer.flush()
        failpoint("erase.flush.after")
        await self._database.scrub()
        failpoint("erase.scrub.after")
        return await asyncio.to_thread(self._count_copies)

    async def cleared(self, tenant: str, receipt_id: str, *, timeout_s: float) -> common_pb2.ErasureReceipt | None:
        """Waits until nothing is due for a receipt, at most so long, and returns it; None if it is gone."""
        try:
            async with asyncio.timeout(timeout_s), self._rounds:
                while (found := await self._receipt(tenant, receipt_id)) is not None and found.state == common_pb2.ERASURE_STATE_PENDING:
                    await self._rounds.wait()
        except TimeoutError:
            return await self._receipt(tenant, receipt_id)
        return found

    async def _clear(self) -> None:
        while due := await self._database.read(erasure_due.marked):
            place = due[0].place
            marks = [one for one in due if one.place == place]
            if place == DATABASE:
                await self._clear_database(marks)
            else:
                await self._clear_index(place, marks)
            async with self._rounds:
                self._rounds.notify_all()

    async def _clear_database(self, marks: Sequence[Due]) -> None:
        count = await self.settle()

        def count_and_take_away(connection: sqlite3.Connection) -> None:
            for one in marks:
                if (receipt := erasure_due.find(connection, one.tenant, one.receipt_id)) is not None:
                    receipt.copy_count = count
                    erasure_due.keep(connection, one.tenant, receipt, one.request_id)
            erasure_due.done(connection, marks, common_pb2.ERASURE_STATE_DONE, now_us=self._now_us())

        await self._database.write(count_and_take_away, durability=Durability.POWER_LOSS)

    async def _clear_index(self, index: str, marks: Sequence[Due]) -> None:
        gone = await self._store.purge(index)
        failpoint("erase.purge.after")
        state = common_pb2.ERASURE_STATE_DONE if gone else common_pb2.ERASURE_STATE_LEFT_TO_SERVER
        await self._database.write(
            lambda connection: erasure_due.done(connection, marks, state, now_us=self._now_us()), durability=Durability.POWER_LOSS
        )
        logger.info("index purged of what was erased", extra={"index": index, "receipt_count": len(marks)})

    async def _receipt(self, tenant: str, receipt_id: str) -> common_pb2.ErasureReceipt | None:
        return await self._database.read(lambda connection: erasure_due.find(connection, tenant, receipt_id))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self._wanted.wait()
        except TimeoutError:
            return

    def _now_us(self) -> int:
        return round(self._clock.now().timestamp() * 1e6)
