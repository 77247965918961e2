"""The SQLite file of memory: one thread that writes, one that reads, and grouped commits."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from atlas.errors import DiskFullError, StartupError

from . import ledger, schema
from .durability import Durability
from .generations.schema import SCHEMA as GENERATIONS
from .snapshots.tables import SCHEMA as SNAPSHOTS
from .sources.aliases import SCHEMA as SOURCES

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Reads or writes on a connection, inside a transaction that belongs to somebody else."""

MAX_GROUP = 256
"""Most works of one transaction."""
_CHECKPOINT_PAGES = 16_384
"""Size of the write-ahead log (64 MiB) at which a commit checkpoints it, if `checkpoint` did not before."""
_STOP: list[_Job] = []


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    durability: Durability
    future: Future[Any] = field(default_factory=Future)


class Database:
    """An open database; every call returns without blocking the event loop."""

    def __init__(self, path: Path) -> None:
        """Opens `path`, creating it where it is missing; use `open_database`."""
        self._path = path
        self._writing = _prepared(path)
        self._reading = _connection(path)
        self._reading.execute("PRAGMA query_only = ON")
        self._groups: queue.SimpleQueue[list[_Job]] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-read")
        self._synchronous: Durability | None = None
        # What an earlier process committed without fsync may still be only in the page cache.
        self._unsynced = True
        self._writer = threading.Thread(target=self._write_groups, name="database-write", daemon=True)
        self._writer.start()

    async def write(self, work: Work[T], *, durability: Durability) -> T:
        """Runs `work` in a transaction and returns its result once that is committed.

        All works that wait are committed together; one that raises undoes its own changes and fails alone. A work that
        is cancelled before it begins does not run.

        Raises:
            DiskFullError: SQLite found no room; nothing of the group is written.
        """
        (future,) = self.submit([work], durability=durability)
        return await future

    def submit(self, works: Sequence[Work[T]], *, durability: Durability) -> list[asyncio.Future[T]]:
        """Queues works for one transaction, in this order; the futures are resolved after its commit."""
        jobs = [_Job(work, durability) for work in works]
        self._groups.put(jobs)
        return [asyncio.wrap_future(job.future) for job in jobs]

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot of what is committed."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def checkpoint(self) -> None:
        """Moves the write-ahead log into the file without holding up readers or writers."""
        await asyncio.to_thread(_checkpoint, self._path)

    async def copy_to(self, path: Path) -> None:
        """Writes what is committed now into a new file, as one moment of it, without holding up readers or writers."""
        await asyncio.to_thread(_copy, self._path, path)

    def close(self) -> None:
        """Finishes what is queued and closes the file. Blocks."""
        self._groups.put(_STOP)
        self._writer.join()
        self._readers.shutdown()
        self._reading.close()
        self._writing.close()

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
            self._ask_for(max(job.durability for job in jobs))
            self._writing.execute("BEGIN IMMEDIATE")
            begin = self._writing.total_changes
            attempts = [self._attempt(job, alone=len(jobs) == 1) for job in jobs]
            self._sync_if_needed(changed=self._writing.total_changes != begin)
            self._writing.execute("COMMIT")
        if transaction.error is not None and self._writing.in_transaction:
            self._writing.execute("ROLLBACK")
        for job, attempt in zip(jobs, attempts or [transaction] * len(jobs), strict=True):
            error = transaction.error or attempt.error
            if error is not None:
                job.future.set_exception(_named(error))
            else:
                job.future.set_result(attempt.result)

    def _attempt(self, job: _Job, *, alone: bool) -> _Attempt:
        # Without neighbours to spare, a work needs no savepoint, for which SQLite copies every page that changes.
        if not alone:
            self._writing.execute("SAVEPOINT work")
        with _Attempt() as attempt:
            attempt.result = job.work(self._writing)
        if attempt.error is not None:
            if alone or not self._writing.in_transaction:
                # SQLite undid the whole group, as it does when the disk is full; or there is nothing else to keep.
                raise attempt.error
            self._writing.execute("ROLLBACK TO work")
        if not alone:
            self._writing.execute("RELEASE work")
        return attempt

    def _ask_for(self, durability: Durability) -> None:
        if durability is not self._synchronous:
            level = "FULL" if durability is Durability.POWER_LOSS else "NORMAL"
            self._writing.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = durability

    def _sync_if_needed(self, *, changed: bool) -> None:
        # A commit without changes touches no file, so it would not bring to disk what earlier commits left in the
        # page cache; an answer such as "unchanged" promises just that.
        if self._synchronous is Durability.PROCESS_CRASH:
            self._unsynced = self._unsynced or changed
            return
        if self._unsynced and not changed:
            self._writing.execute("UPDATE sync_mark SET count = count + 1")
        self._unsynced = False


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


def _connection(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time; isolation_level None leaves transactions to us.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    try:
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _prepared(path: Path) -> sqlite3.Connection:
    try:
        connection = _connection(path)
    except sqlite3.DatabaseError as error:
        raise StartupError(f"{path} cannot be read as a database ({error}); restore the data folder from a copy") from error
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        connection.close()
        raise StartupError(
            f"{path} has schema version {version}; this ATLAS knows up to {schema.VERSION}: "
            "start the newer ATLAS that wrote it, or choose another data folder"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    if version == 0:
        connection.executescript(f"BEGIN; {schema.TABLES} PRAGMA user_version = {schema.VERSION}; COMMIT;")
    # Older versions differ only by tables that are made where they are missing.
    made = (ledger.SCHEMA, GENERATIONS, SOURCES, SNAPSHOTS)
    connection.executescript(f"BEGIN; {' '.join(made)} PRAGMA user_version = {schema.VERSION}; COMMIT;")
    return connection


def _copy(source: Path, target: Path) -> None:
    reading = _connection(source)
    try:
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
            # A file of its own, without a log beside it.
            writing.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            raise _named(error) from error
        finally:
            writing.close()
    finally:
        reading.close()


def _checkpoint(path: Path) -> None:
    connection = _connection(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        connection.close()


def _named(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return DiskFullError("the disk of the data folder is full; nothing was written")
    return error
