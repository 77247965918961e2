"""The SQLite file of memory: one thread that writes, one that reads, and grouped commits."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from atlas.errors import StartupError
from atlas.failpoints import failpoint

from ..catalog import collections as catalog
from . import database_file, integrity
from .durability import Durability
from .outcomes import Outcome

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Reads or writes on a connection, inside a transaction that belongs to somebody else."""

MAX_GROUP = 256
"""Most works of one transaction."""
_STOP: list[_Job] = []


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    durability: Durability
    future: Outcome[Any] = field(default_factory=Outcome)


class Database:
    """An open database; every call returns without blocking the event loop."""

    def __init__(self, path: Path) -> None:
        """Opens `path`, creating it where it is missing; use `open_database`."""
        self._path = path
        self.unclean = integrity.check_files(path)
        """Whether the process before this one did not end in an orderly way."""
        self._writing = database_file.prepared(path, unclean=self.unclean)
        self._reading = database_file.connect(path)
        self._reading.execute("PRAGMA query_only = ON")
        self._groups: queue.SimpleQueue[list[_Job]] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[tuple[Work[Any], Outcome[Any]] | None] = queue.SimpleQueue()
        self._synchronous: Durability | None = None
        self.commit_count = 0
        """Transactions that were committed with changes."""
        self._broken: Future[object] = Future()
        # Opening has brought to disk what an earlier process committed without fsync.
        self._unsynced = False
        self._catalog_version = 0
        self._catalog_changed = False
        catalog.watch(self._writing, self._note_catalog_change)
        self._writer = threading.Thread(target=self._write_groups, name="database-write", daemon=True)
        self._writer.start()
        self._reader = threading.Thread(target=self._read_works, name="database-read", daemon=True)
        self._reader.start()

    @property
    def catalog_version(self) -> int:
        """Counts up with every commit that changed collections, generations or tallies, before its writer hears of the commit.

        So a read that began at a version tells what holds for as long as the version is the same.
        """
        return self._catalog_version

    async def write(self, work: Work[T], *, durability: Durability) -> T:
        """Runs `work` in a transaction and returns its result once that is committed.

        All works that wait are committed together; one that raises undoes its own changes and fails alone. A work that
        is cancelled before it begins does not run.

        Raises:
            DiskFullError: SQLite found no room; nothing of the group is written.
            DependencyDownError: The disk takes no writes, or failed; after a failure it is unknown what was written.
        """
        (future,) = self.submit([work], durability=durability)
        return await future

    def submit(self, works: Sequence[Work[T]], *, durability: Durability) -> list[asyncio.Future[T]]:
        """Queues works for one transaction, in this order; the futures are resolved after its commit."""
        jobs = [_Job(work, durability) for work in works]
        self._groups.put(jobs)
        return [job.future.future for job in jobs]

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot of what is committed."""
        outcome: Outcome[T] = Outcome()
        self._reads.put((work, outcome))
        return await outcome.future

    async def watch(self) -> None:
        """Waits for the disk to fail. Runs until it is cancelled.

        Raises:
            StartupError: It did. A later sync of the same file may succeed without having written what this one lost, so only a
                process that begins anew may acknowledge again.
        """
        # Whoever stops to watch must not take the news from the others.
        raise StartupError(str(await asyncio.shield(asyncio.wrap_future(self._broken))))

    async def scan(self, work: Work[T]) -> T:
        """Runs a long read on a snapshot and a connection of its own, so that other reads do not wait for it."""
        return await asyncio.to_thread(database_file.scan, self._path, work)

    async def scrub(self) -> None:
        """Overwrites what deleted rows left in the file and empties the write-ahead log.

        Raises:
            DependencyDownError: Readers held the log for so long that it could not be emptied; trying again is harmless.
        """
        await self.write(database_file.overwrite_free_pages, durability=Durability.POWER_LOSS)
        await asyncio.to_thread(database_file.empty_log, self._path)

    async def checkpoint(self) -> None:
        """Moves the write-ahead log into the file without holding up readers or writers."""
        try:
            await asyncio.to_thread(database_file.checkpoint, self._path)
        except sqlite3.DatabaseError as error:
            self._note_fault(error)
            raise database_file.named(error) from error

    def close(self) -> None:
        """Finishes what is queued and closes the file. Blocks."""
        self._groups.put(_STOP)
        self._reads.put(None)
        self._writer.join()
        self._reader.join()
        self._reading.close()
        with _Attempt():  # what cannot be moved now is moved by the next start
            _, left, moved = self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if left == moved:
                integrity.mark_closed(self._path)
        self._writing.close()
        if not self._path.with_name(f"{self._path.name}-wal").exists():
            integrity.mark_closed(self._path)

    def _read_works(self) -> None:
        while (asked := self._reads.get()) is not None:
            work, outcome = asked
            if not outcome.set_running_or_notify_cancel():
                continue
            with _Attempt() as attempt:
                attempt.result = self._read(work)
            if attempt.error is not None:
                outcome.set_exception(attempt.error)
            else:
                outcome.set_result(attempt.result)

    def _read(self, work: Work[T]) -> T:
        self._reading.execute("BEGIN")
        try:
            return work(self._reading)
        finally:
            self._reading.execute("ROLLBACK")

    def _write_groups(self) -> None:
        stopping = False
        while not stopping:
            group = self._groups.get()
            stopping = group is _STOP
            jobs = list(group)
            while not stopping and len(jobs) < MAX_GROUP and not self._groups.empty():
                group = self._groups.get()
                stopping = group is _STOP
                jobs.extend(group)
            live = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if live:
                self._commit(live)

    def _commit(self, jobs: Sequence[_Job]) -> None:
        attempts: list[_Attempt] = []
        with _Attempt() as transaction:
            if self._broken.done():
                raise database_file.failed(str(self._broken.result()))
            failpoint("database.begin.before")
            self._ask_for(max(job.durability for job in jobs))
            self._writing.execute("BEGIN IMMEDIATE")
            failpoint("database.begin.after")
            begin = self._writing.total_changes
            attempts = [self._attempt(job, alone=len(jobs) == 1) for job in jobs]
            changed = self._writing.total_changes != begin
            self._sync_if_needed(changed=changed)
            failpoint("database.commit.before")
            self._writing.execute("COMMIT")
            self.commit_count += changed
            self._note_synced(changed=changed)
            failpoint("database.commit.after")
        if transaction.error is not None:
            self._give_up(transaction.error)
        if self._catalog_changed:
            self._catalog_changed = False
            self._catalog_version += 1
        for job, attempt in zip(jobs, attempts or [transaction] * len(jobs), strict=True):
            error = transaction.error or attempt.error
            if error is not None:
                job.future.set_exception(database_file.named(error))
            else:
                job.future.set_result(attempt.result)
        failpoint("database.answer.after")

    def _attempt(self, job: _Job, *, alone: bool) -> _Attempt:
        # Without neighbours to spare, a work needs no savepoint, for which SQLite copies every page that changes.
        if not alone:
            self._writing.execute("SAVEPOINT work")
        with _Attempt() as attempt:
            attempt.result = job.work(self._writing)
            failpoint("database.work.after")
        if attempt.error is not None:
            if alone or database_file.lasting(attempt.error) or not self._writing.in_transaction:
                # SQLite undid the whole group, as it does when the disk is full; or there is nothing else to keep.
                raise attempt.error
            self._writing.execute("ROLLBACK TO work")
        if not alone:
            self._writing.execute("RELEASE work")
        return attempt

    def _note_catalog_change(self) -> None:
        self._catalog_changed = True

    def _ask_for(self, durability: Durability) -> None:
        if durability is not self._synchronous:
            level = "FULL" if durability is Durability.POWER_LOSS else "NORMAL"
            self._writing.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = durability

    def _note_fault(self, error: BaseException) -> None:
        if database_file.lasting(error) and not self._broken.done():
            self._broken.set_result(f"the disk of {self._path} failed ({error}); start again to go on with what is there")

    def _give_up(self, error: BaseException) -> None:
        """Undoes a transaction that failed as a whole."""
        self._note_fault(error)
        if self._writing.in_transaction:
            with _Attempt():  # what it raises says no more than the error at hand
                self._writing.execute("ROLLBACK")

    def _sync_if_needed(self, *, changed: bool) -> None:
        # A commit without changes touches no file, so it would not bring to disk what earlier commits left in the
        # page cache; an answer such as "unchanged" promises just that.
        if self._synchronous is Durability.POWER_LOSS and self._unsynced and not changed:
            self._writing.execute("UPDATE sync_mark SET count = count + 1")

    def _note_synced(self, *, changed: bool) -> None:
        # Only now: a commit that failed has synced nothing.
        self._unsynced = self._synchronous is Durability.PROCESS_CRASH and (self._unsynced or changed)


class _Attempt:
    """Keeps what a block raised, so that it reaches the caller who waits for it in another thread."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error
        return isinstance(error, Exception)


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Opens the database for the length of the block.

    Raises:
        StartupError: The file was written by a newer ATLAS, or it is no database.
    """
    database = await asyncio.to_thread(Database, path)
    try:
        yield database
    finally:
        await asyncio.to_thread(database.close)
