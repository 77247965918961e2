"""Looks at the files of the database before and while they are opened: what is damaged is said, never passed over."""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
from pathlib import Path

from atlas.errors import StartupError

CHECKED_BYTES = 256 * 1024 * 1024
"""Largest database that is checked at every start, about three seconds a GB; a larger one is after an end that was not orderly."""
REPAIR = "run `atlas repair`, which keeps the damaged files, or restore the data folder from a copy"
_WAL_HEADER = struct.Struct(">IIIIIIII")
_FRAME_HEADER = struct.Struct(">IIIIII")

logger = logging.getLogger(__name__)


def mark_of(path: Path) -> Path:
    """Returns the file that exists while a process has the database open."""
    return path.with_name(f"{path.name}-open")


def repaired(path: Path) -> Path:
    """Returns the file that a repair puts in the place of the database; while it exists, the repair has not ended."""
    return path.with_name(f"{path.name}-repaired")


def check_files(path: Path) -> bool:
    """Makes sure that the files can be used and are all there; says whether an earlier process did not end in an orderly way.

    Raises:
        StartupError: A file belongs to somebody else, the write-ahead log of a process that was killed is missing, or a repair did not end.
    """
    if repaired(path).exists():
        raise StartupError(f"a repair of {path} did not end: run `atlas repair` again, which goes on with it")
    log = path.with_name(f"{path.name}-wal")
    for file in (path, log, path.with_name(f"{path.name}-shm")):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            owner = file.stat().st_uid
            raise StartupError(
                f"{file} belongs to user {owner}; user {os.geteuid()} may not write it: change its owner, or run as that user"
            )
    unclean = mark_of(path).exists()
    if unclean and path.exists() and not log.exists():
        raise StartupError(f"{log} is missing, and the last process did not end by itself: put the file back; without it, {REPAIR}")
    return unclean


def mark_open(path: Path) -> None:
    """Notes that the log exists and matters from now on."""
    mark_of(path).touch()


def mark_closed(path: Path) -> None:
    """Notes that the log is in the database; to be called before it is removed."""
    mark_of(path).unlink(missing_ok=True)


def check_pages(connection: sqlite3.Connection, path: Path, *, unclean: bool) -> None:
    """Reads every page and index, unless that takes long and nothing speaks for damage.

    Raises:
        StartupError: Something does not fit together; says what.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if pages * page_bytes > CHECKED_BYTES and not unclean:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StartupError(f"{path} is damaged ({' '.join(found.split())}): {REPAIR}")


def frame_count(path: Path) -> int:
    """Counts the frames that the write-ahead log holds since it began anew, whether they can be read or not."""
    log = path.with_name(f"{path.name}-wal")
    if not log.exists():
        return 0
    with log.open("rb") as file:
        header = file.read(_WAL_HEADER.size)
        if len(header) < _WAL_HEADER.size:
            return 0
        _, _, page_bytes, _, *salts = _WAL_HEADER.unpack(header)[:6]
        count = 0
        while len(frame := file.read(_FRAME_HEADER.size)) == _FRAME_HEADER.size and list(_FRAME_HEADER.unpack(frame)[2:4]) == salts:
            file.seek(page_bytes, os.SEEK_CUR)
            count += 1
        return count


def report_log(path: Path, *, held: int, read: int) -> None:
    """Says so if the end of the log could not be read: it was being written when the process or the power ended, or it is damaged."""
    if held > read:
        logger.warning(
            "the end of the write-ahead log cannot be read and is dropped",
            extra={"file": f"{path.name}-wal", "frames": held, "readable": read},
        )
