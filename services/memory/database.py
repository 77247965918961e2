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

from atlas.errors import AtlasError, DependencyDownError, DiskFullError, StartupError
from atlas.failpoints import failpoint

from . import integrity, ledger, schema
from .durability import Durability

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Reads or writes on a connection, inside a transaction that belongs to somebody else."""

MAX_GROUP = 256
"""Most works of one transaction."""
_CHECKPOINT_PAGES = 16_384
"""Size of the write-ahead log (64 MiB) at which a commit checkpoints it, if `checkpoint` did not before."""
_STOP: list[_Job] = []
_LASTING_FAULTS = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Primary result codes after which nobody knows what the disk holds."""


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
        self.unclean = integrity.check_files(path)
        """Whether the process before this one did not end in an orderly way."""
        self._writing = _prepared(path, unclean=self.unclean)
        self._reading = _connection(path)
        self._reading.execute("PRAGMA query_only = ON")
        self._groups: queue.SimpleQueue[list[_Job]] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-read")
        self._synchronous: Durability | None = None
        self._broken: Future[object] = Future()
        # Opening has brought to disk what an earlier process committed without fsync.
        self._unsynced = False
        self._writer = threading.Thread(target=self._write_groups, name="database-write", daemon=True)
        self._writer.start()

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
        return [asyncio.wrap_future(job.future) for job in jobs]

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot of what is committed."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def watch(self) -> None:
        """Waits for the disk to fail. Runs until it is cancelled.

        Raises:
            StartupError: It did. A later sync of the same file may succeed without having written what this one lost, so only a
                process that begins anew may acknowledge again.
        """
        # Whoever stops to watch must not take the news from the others.
        raise StartupError(str(await asyncio.shield(asyncio.wrap_future(self._broken))))

    async def checkpoint(self) -> None:
        """Moves the write-ahead log into the file without holding up readers or writers."""
        try:
            await asyncio.to_thread(_checkpoint, self._path)
        except sqlite3.DatabaseError as error:
            self._note_fault(error)
            raise _named(error) from error

    def close(self) -> None:
        """Finishes what is queued and closes the file. Blocks."""
        self._groups.put(_STOP)
        self._writer.join()
        self._readers.shutdown()
        self._reading.close()
        with _Attempt():  # what cannot be moved now is moved by the next start
            _, left, moved = self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if left == moved:
                integrity.mark_closed(self._path)
        self._writing.close()
        if not self._path.with_name(f"{self._path.name}-wal").exists():
            integrity.mark_closed(self._path)

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
                raise _failed(str(self._broken.result()))
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
            self._note_synced(changed=changed)
            failpoint("database.commit.after")
        if transaction.error is not None:
            self._give_up(transaction.error)
        for job, attempt in zip(jobs, attempts or [transaction] * len(jobs), strict=True):
            error = transaction.error or attempt.error
            if error is not None:
                job.future.set_exception(_named(error))
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
            if alone or _lasting(attempt.error) or not self._writing.in_transaction:
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

    def _note_fault(self, error: BaseException) -> None:
        if _lasting(error) and not self._broken.done():
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


def _prepared(path: Path, *, unclean: bool) -> sqlite3.Connection:
    frames = integrity.frame_count(path)
    try:
        connection = _connection(path)
    except sqlite3.DatabaseError as error:
        raise StartupError(f"{path} cannot be read as a database ({error}): {integrity.REPAIR}") from error
    try:
        brought = _brought_up(connection, path, frames=frames, unclean=unclean)
        integrity.mark_open(path)
        return brought
    except sqlite3.DatabaseError as error:
        connection.close()
        remedy = integrity.REPAIR if _damaged(error) else "see that its disk is writable and has room"
        raise StartupError(f"{path} cannot be opened ({error}): {remedy}") from error
    except StartupError:
        connection.close()
        raise


def _brought_up(connection: sqlite3.Connection, path: Path, *, frames: int = 0, unclean: bool = False) -> sqlite3.Connection:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        raise StartupError(
            f"{path} has schema version {version}; this ATLAS knows up to {schema.VERSION}: "
            "start the newer ATLAS that wrote it, or choose another data folder"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    # What an earlier process left in the log may be in the page cache alone, and after a sync that failed the kernel holds it
    # for clean. Copied into the database it is to be written once more, and this sync says whether it was.
    connection.execute("PRAGMA synchronous = FULL")
    _, readable, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    integrity.report_log(path, held=frames, read=readable)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    integrity.check_pages(connection, path, unclean=unclean)
    failpoint("start.schema.before")
    if version == 0:
        connection.executescript(f"BEGIN; {schema.TABLES} PRAGMA user_version = {schema.VERSION}; COMMIT;")
    connection.executescript(ledger.SCHEMA)
    failpoint("start.schema.after")
    return connection


def _checkpoint(path: Path) -> None:
    connection = _connection(path)
    try:
        failpoint("checkpoint.before")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        failpoint("checkpoint.after")
    finally:
        connection.close()


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _lasting(error: BaseException) -> bool:
    if isinstance(error, sqlite3.DatabaseError):
        # The extended code says more, its last byte is the primary one.
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _LASTING_FAULTS
    return isinstance(error, OSError)


def _named(error: BaseException) -> BaseException:
    if isinstance(error, AtlasError):
        return error
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return DiskFullError("the disk of the data folder is full; nothing was written")
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            return DependencyDownError("the disk of the data folder takes no writes; nothing was written", reason="DISK_READ_ONLY")
    return _failed(str(error)) if _lasting(error) else error


def _failed(cause: str) -> DependencyDownError:
    return DependencyDownError(
        "the disk of the data folder failed; it is unknown whether this was written: send it again", reason="DISK_FAILED", cause=cause
    )
