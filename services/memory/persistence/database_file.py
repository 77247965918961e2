"""The SQLite file itself: how it is opened, upgraded, copied and scrubbed, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from atlas.errors import AtlasError, DependencyDownError, DiskFullError, StartupError
from atlas.failpoints import failpoint

from . import integrity, schema

T = TypeVar("T")

_CHECKPOINT_PAGES = 16_384
"""Size of the write-ahead log (64 MiB) at which a commit checkpoints it, if `checkpoint` did not before."""
_SCRUB_BYTES = 16 * 1024 * 1024
"""Zeros that are written at a time."""
_LOG_WAIT_S = 10.0
"""Time for which another attempt to empty the write-ahead log is made."""
_LOG_PAUSE_S = 0.01
_LASTING_FAULTS = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Primary result codes after which nobody knows what the disk holds."""


def connect(path: Path) -> sqlite3.Connection:
    """Opens a connection; each is used by one thread at a time, and `isolation_level` None leaves transactions to us."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    try:
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA temp_store = MEMORY")
        # Zeroes what is deleted inside a page that is written anyway; whole free pages are left to `scrub`.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def prepared(path: Path, *, unclean: bool) -> sqlite3.Connection:
    """Opens the connection that writes, and makes or upgrades the tables; `unclean` = the last process did not end in an orderly way.

    Raises:
        StartupError: The file is no database, or of a newer version, or cannot be written.
    """
    frames = integrity.frame_count(path)
    try:
        connection = connect(path)
    except sqlite3.DatabaseError as error:
        raise StartupError(f"{path} cannot be read as a database ({error}): {integrity.REPAIR}") from error
    try:
        brought = brought_up(connection, path, frames=frames, unclean=unclean)
        integrity.mark_open(path)
        return brought
    except sqlite3.DatabaseError as error:
        connection.close()
        remedy = integrity.REPAIR if _damaged(error) else "see that its disk is writable and has room"
        raise StartupError(f"{path} cannot be opened ({error}): {remedy}") from error
    except StartupError:
        connection.close()
        raise


def brought_up(connection: sqlite3.Connection, path: Path, *, frames: int = 0, unclean: bool = False) -> sqlite3.Connection:
    """Makes or upgrades the tables of an open file; see `prepared`."""
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
        schema.create(connection)
    elif version < schema.VERSION:
        try:
            schema.migrate(connection, version)
        except (sqlite3.DatabaseError, msgspec.MsgspecError, ValueError) as error:
            connection.close()
            raise StartupError(
                f"{path} of schema version {version} cannot be brought to version {schema.VERSION} ({error}); it is as it was: "
                "go on with the ATLAS that wrote it, or restore the data folder from a copy"
            ) from error
    schema.complete(connection)
    failpoint("start.schema.after")
    return connection


def checkpoint(path: Path) -> None:
    """Moves the write-ahead log into the file, as far as no reader holds it up."""
    connection = connect(path)
    try:
        failpoint("checkpoint.before")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        failpoint("checkpoint.after")
    finally:
        connection.close()


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def lasting(error: BaseException) -> bool:
    """Says whether after this error nobody knows what the disk holds."""
    if isinstance(error, sqlite3.DatabaseError):
        # The extended code says more, its last byte is the primary one.
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _LASTING_FAULTS
    return isinstance(error, OSError)


def scan(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Runs a read on a snapshot and a connection of its own."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        return work(connection)
    finally:
        connection.close()


def overwrite_free_pages(connection: sqlite3.Connection) -> None:
    """Fills the pages of deleted rows with zeros."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute("CREATE TABLE scrub (zeros BLOB)")
    # A new row takes free pages before the file grows; each page of a long row holds all but four bytes of it.
    while (free := connection.execute("PRAGMA freelist_count").fetchone()[0]) > 0:
        size_bytes = min(_SCRUB_BYTES, free * (page_bytes - 4))
        connection.execute("INSERT INTO scrub VALUES (zeroblob(?))", (size_bytes,))
    connection.execute("DROP TABLE scrub")


def empty_log(path: Path) -> None:
    """Empties the write-ahead log.

    Raises:
        DependencyDownError: Readers hold it.
    """
    connection = connect(path)
    try:
        begin_s = time.monotonic()
        # SQLite waits for readers, but not for another checkpoint: that one is refused at once.
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() - begin_s > _LOG_WAIT_S:
                raise DependencyDownError(
                    "readers hold the database's log; it could not be emptied", reason="LOG_IN_USE", retry_after_ms=1_000
                )
            time.sleep(_LOG_PAUSE_S)
    finally:
        connection.close()


def named(error: BaseException) -> BaseException:
    """Gives an error of SQLite the class that callers know."""
    if isinstance(error, AtlasError):
        return error
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return DiskFullError("the disk of the data folder is full; nothing was written")
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            return DependencyDownError("the disk of the data folder takes no writes; nothing was written", reason="DISK_READ_ONLY")
    return failed(str(error)) if lasting(error) else error


def failed(cause: str) -> DependencyDownError:
    """Makes the error of a write whose disk failed."""
    return DependencyDownError(
        "the disk of the data folder failed; it is unknown whether this was written: send it again", reason="DISK_FAILED", cause=cause
    )
