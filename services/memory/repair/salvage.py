"""Copies what can be read of a damaged database into a new one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.failpoints import failpoint

from ..persistence import integrity
from ..persistence.database import Database
from ..persistence.syncing import sync

ASIDE = "damaged-"
"""What the name of a folder begins with that keeps the damaged files; a time follows."""
_SUFFIXES = ("", "-wal", "-shm", "-open")


@dataclass(frozen=True, slots=True)
class SalvagedTable:
    """What became of one table."""

    name: str
    row_count: int
    """Rows that could be read."""
    damage: str
    """Why not all of it could; empty = all of it was read."""


def salvage(path: Path, aside: Path) -> list[SalvagedTable]:
    """Puts a database that holds all rows that can be read in the place of a damaged one, whose files are moved to the folder `aside`.

    A table is read from its beginning and from its end until something in the way cannot be read, so one damaged page costs the
    rows on it and those that lie between two damaged pages. What ends half way leaves the damaged files as they were, or what
    `finish` goes on with.
    """
    tables = _written_anew(path, _beside(path, "-draft"))
    failpoint("repair.draft.after")
    _beside(path, "-draft").rename(integrity.repaired(path))
    sync(path.parent)
    failpoint("repair.rename.after")
    finish(path, aside)
    return tables


def finish(path: Path, aside: Path) -> bool:
    """Puts a repaired database in its place; says whether there was one, as after a repair that ended half way."""
    if not integrity.repaired(path).exists():
        return False
    damaged = [file for suffix in _SUFFIXES if (file := _beside(path, suffix)).exists()]
    if damaged:
        aside.mkdir(exist_ok=True)
    for file in damaged:
        file.rename(aside / file.name)
        failpoint("repair.aside.part")
    if damaged:
        sync(aside)
    integrity.repaired(path).rename(path)
    sync(path.parent)
    return True


def _written_anew(damaged: Path, draft: Path) -> list[SalvagedTable]:
    copy = _beside(damaged, "-read")
    for suffix in ("", "-wal", "-shm", "-open"):
        _beside(draft, suffix).unlink(missing_ok=True)
        _beside(copy, suffix).unlink(missing_ok=True)
    Database(draft).close()
    for suffix in ("", "-wal"):
        if (source := _beside(damaged, suffix)).exists():
            shutil.copy(source, _beside(copy, suffix))
    with closing(sqlite3.connect(draft, isolation_level=None)) as new, closing(sqlite3.connect(copy, isolation_level=None)) as old:
        # Without it SQLite reads nothing of a file that is shorter than its first page says.
        old.execute("PRAGMA writable_schema = ON")
        new.execute("BEGIN")
        tables = [_copied(old, new, name) for name in _tables(new)]
        _keep_numbers_used(new)
        new.execute("COMMIT")
    for suffix in ("", "-wal", "-shm"):
        _beside(copy, suffix).unlink(missing_ok=True)
    sync(draft)
    return tables


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    return [name for (name,) in rows]


def _copied(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> SalvagedTable:
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    keys = [row[1] for row in sorted(new.execute(f"PRAGMA table_info({table})"), key=lambda row: row[5]) if row[5]] or ["rowid"]
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"  # noqa: S608 - names of our own schema
    damage = ""
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{key} {direction}" for key in keys)
        read = _Reading(old, f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")  # noqa: S608 - the same
        new.executemany(insert, read.rows())
        if not read.damage:
            break
        damage = damage or read.damage
    (count,) = new.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - the same
    return SalvagedTable(table, count, damage)


class _Reading:
    """Reads rows until one cannot be read."""

    def __init__(self, connection: sqlite3.Connection, query: str) -> None:
        self._connection = connection
        self._query = query
        self.damage = ""

    def rows(self) -> Iterator[Sequence[Any]]:
        try:
            yield from self._connection.execute(self._query)
        except sqlite3.DatabaseError as error:
            self.damage = str(error)


def _keep_numbers_used(connection: sqlite3.Connection) -> None:
    """Has the journal go on behind every number that was ever given, also to entries that are pruned."""
    (last,) = connection.execute(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM journal), (SELECT coalesce(max(seq), 0) FROM memory))"
    ).fetchone()
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'journal'")
    connection.execute("INSERT INTO sqlite_sequence VALUES ('journal', ?)", (last,))
