"""Applies writes in one order: into the journal, then to the engine, then they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.failpoints import failpoint

from ..background import background
from ..catalog import collections as catalog
from ..store import Apply, Operation, Store
from . import journal
from .database import Database, Work
from .durability import Durability
from .journal import Entry

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_GROUP_ITEMS = 256
"""Memories that fill one transaction and one message to the engine: what a single write may have to wait for."""
_UNAPPLIED_GROUPS = 4
"""Groups that may be journalled ahead of the engine."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_SETTLE_S = 3.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written(Generic[T_co]):
    """What a transaction leaves to do and to say."""

    answer: T_co
    operations: Sequence[Operation] = ()
    adds_only: bool = False
    """Whether the operations only write points that the catalog did not have before."""


Transaction = Callable[[sqlite3.Connection, int], Written[T]]
"""Writes on a connection; the number is that of its journal entry. Raising undoes it."""


Changing = Callable[[Sequence[Operation]], AbstractContextManager[None]]
"""Lasts as long as the store may hold some of the operations and not others."""


@dataclass(frozen=True, slots=True)
class Acknowledged(Generic[T]):
    """A write that is journalled and applied."""

    answer: T
    queue_s: float
    """Seconds that it waited for the journal."""


@dataclass(slots=True)
class _Job:
    transaction: Transaction[Any]
    durability: Durability
    deadline: Deadline
    item_count: int
    future: asyncio.Future[Acknowledged[Any]]
    begin_s: float = field(default_factory=time.monotonic)
    queue_s: float = 0.0
    seq: int = 0
    written: Written[Any] = field(default_factory=lambda: Written(None))


class Writer:
    """The only writer to the store.

    Two tasks: one journals, one applies, so that the next fsync overlaps with the engine's work. Both keep the order.
    """

    def __init__(self, database: Database, store: Store, *, changing: Changing = lambda _: nullcontext()) -> None:
        """Writes to `store`, and calls `changing` around whatever the store is given."""
        self._database = database
        self._store = store
        self._changing = changing
        self._waiting: asyncio.Queue[_Job] = asyncio.Queue()
        self._journalled: asyncio.Queue[list[_Job]] = asyncio.Queue(_UNAPPLIED_GROUPS)
        self._applied_seq = 0
        self._settled_seq = 0
        """As `_applied_seq`, but for what a restarted engine got and is going to get again when its turn comes."""
        self._settled = asyncio.Event()
        self._flushed_seq = 0
        self._pruning = asyncio.Lock()

    async def submit(
        self, transaction: Transaction[T], *, durability: Durability, deadline: Deadline, item_count: int = 1
    ) -> Acknowledged[T]:
        """Journals and applies a write; returns when it is as durable as asked and searches see it.

        `item_count` says how many memories it is about. A caller that leaves before the transaction begins has
        written nothing; one that leaves later has written all of it.

        Raises:
            DeadlineError: The deadline passed first; nothing is written.
        """
        job = _Job(transaction, durability, deadline, item_count, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(job)
        return cast("Acknowledged[T]", await job.future)

    async def recover(self) -> None:
        """Opens every index and applies the journal's tail; to be called once, before anything is served."""
        for spec in await self._database.read(catalog.index_specs):
            await self._store.ensure_index(spec)
        failpoint("start.replay.before")
        await self._replay(self._store.apply)
        self._settled_seq = self._applied_seq
        self._store.on_restart = self._replay

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes writes for the length of the block; what is journalled but not applied then, the next start applies."""
        async with background(journal=self._journal(), apply=self._apply()):
            yield

    async def settle(self) -> None:
        """Flushes once more before the end, so that the next start has little to apply; does not wait for a slow engine."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                await self.flush()
        except (AtlasError, TimeoutError) as error:
            logger.info("engine was not flushed at the end; the next start applies the journal", extra={"error": type(error).__name__})

    async def applied(self, seq: int) -> None:
        """Waits until the engine has every entry of the journal up to `seq`, and gets none of them again unless it restarts."""
        while self._settled_seq < seq:
            await self._settled.wait()

    async def flush(self) -> bool:
        """Has the engine write to disk what was applied, and prunes the journal; False if there was nothing to do."""
        async with self._pruning:
            return await self._flush()

    @asynccontextmanager
    async def unpruned(self) -> AsyncIterator[None]:
        """Keeps the whole journal for the length of the block; writes go on, and what they leave in it is pruned later."""
        async with self._pruning:
            yield

    async def _flush(self) -> bool:
        applied_seq = self._applied_seq
        if applied_seq == self._flushed_seq:
            return False
        failpoint("flush.journal.before")
        # The journal reaches the disk first, so that the engine never holds what a power loss takes from the catalog.
        await self._database.write(_nothing, durability=Durability.POWER_LOSS)
        failpoint("flush.journal.after")
        await self._store.flush()
        failpoint("flush.engine.after")
        await self._database.write(
            lambda connection: journal.prune(connection, through_seq=applied_seq), durability=Durability.PROCESS_CRASH
        )
        failpoint("flush.prune.after")
        self._flushed_seq = applied_seq
        return True

    async def _journal(self) -> None:
        while True:
            jobs = await self._next_group()
            live = [job for job in jobs if _alive(job)]
            if live:
                await self._journal_group(live)

    async def _next_group(self) -> list[_Job]:
        jobs = [await self._waiting.get()]
        while sum(job.item_count for job in jobs) < MAX_GROUP_ITEMS and not self._waiting.empty():
            jobs.append(self._waiting.get_nowait())
        return jobs

    async def _journal_group(self, jobs: list[_Job]) -> None:
        now_s = time.monotonic()
        for job in jobs:
            job.queue_s = now_s - job.begin_s
        works = [_journalling(job) for job in jobs]
        futures = self._database.submit(works, durability=max(job.durability for job in jobs))
        for job, outcome in zip(jobs, await asyncio.gather(*futures, return_exceptions=True), strict=True):
            if isinstance(outcome, BaseException) and not job.future.done():
                job.future.set_exception(outcome)
        failpoint("writer.journal.after")
        # Also those of callers that have left: what is in the journal must reach the engine.
        await self._journalled.put([job for job, future in zip(jobs, futures, strict=True) if future.exception() is None])

    async def _apply(self) -> None:
        while True:
            jobs = await self._journalled.get()
            operations = [operation for job in jobs for operation in job.written.operations]
            failpoint("writer.apply.before")
            if operations:
                with self._changing(operations):
                    await self._apply_until_done(operations, adds_only=all(job.written.adds_only for job in jobs if job.written.operations))
            failpoint("writer.apply.after")
            self._settled_seq = max([self._settled_seq, *(job.seq for job in jobs)])
            self._applied_seq = max(self._applied_seq, self._settled_seq)
            self._settled.set()
            self._settled = asyncio.Event()
            for job in jobs:
                if not job.future.done():
                    job.future.set_result(Acknowledged(job.written.answer, job.queue_s))
            failpoint("writer.answer.after")

    async def _apply_until_done(self, operations: Sequence[Operation], *, adds_only: bool) -> None:
        # Skipping what a restart has replayed meanwhile would be wrong: applying it again, in order, is always right.
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                if not adds_only:
                    # The engine's pages reach the disk whenever the kernel likes. Were a deletion or a change there before its
                    # journal entry, a power loss would leave the catalog with a memory that the engine lacks.
                    await self._database.write(_nothing, durability=Durability.POWER_LOSS)
                await self._store.apply(operations)
            except AtlasError as error:
                logger.warning("engine did not apply a journalled write; trying again", extra={"reason": error.reason, "pause_s": pause_s})
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return

    async def _replay(self, apply: Apply) -> None:
        seq, count = 0, 0
        while entries := await self._database.read(_part_after(seq)):
            # Entries whose turn had not come may not be on disk yet; see `_apply_until_done`.
            await self._database.write(_nothing, durability=Durability.POWER_LOSS)
            operations = journal.operations_of(entries)
            with self._changing(operations):
                await apply(operations)
            failpoint("start.replay.part")
            seq, count = entries[-1].seq, count + len(entries)
        failpoint("start.replay.after")
        self._applied_seq = max(self._applied_seq, seq)
        if count:
            logger.info("journal applied again", extra={"entry_count": count, "last_seq": seq})


def _journalling(job: _Job) -> Work[None]:
    def run(connection: sqlite3.Connection) -> None:
        seq = journal.next_seq(connection)
        job.written = job.transaction(connection, seq)
        if job.written.operations:
            job.seq = seq
            failpoint("journal.append.before")
            journal.append(connection, Entry(seq, tuple(job.written.operations)))
            failpoint("journal.append.after")

    return run


def _alive(job: _Job) -> bool:
    if job.future.done():
        return False
    try:
        job.deadline.check("the write began")
    except AtlasError as error:
        job.future.set_exception(error)
        return False
    return True


def _part_after(seq: int) -> Work[list[Entry]]:
    return lambda connection: journal.part(connection, after_seq=seq)


def _nothing(connection: sqlite3.Connection) -> None:
    """Changes nothing: a commit that brings earlier ones to disk."""
