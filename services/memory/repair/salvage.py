"""Copies what can be read of a damaged database into a new one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..persistence import integrity
from ..persistence.database import Database

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


def set_aside(path: Path, folder: Path) -> None:
    """Moves the files of a database into a folder, which is made and must not exist."""
    folder.mkdir()
    for suffix in _SUFFIXES:
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(folder / file.name)


def salvage(damaged: Path, path: Path) -> list[SalvagedTable]:
    """Writes a new database at `path` with all rows of `damaged` that can be read. The damaged files are left as they are.

    A table is read from its beginning and from its end until something in the way cannot be read, so one damaged page costs the
    rows on it and those that lie between two damaged pages.
    """
    draft = path.with_name(f"{path.name}-draft")
    for file in (draft, draft.with_name(f"{draft.name}-wal"), draft.with_name(f"{draft.name}-shm")):
        file.unlink(missing_ok=True)
    Database(draft).close()
    copy = damaged.with_name(f"{damaged.name}-read")
    for suffix in ("", "-wal"):
        if (source := damaged.with_name(damaged.name + suffix)).exists():
            shutil.copy(source, copy.with_name(copy.name + suffix))
    with closing(sqlite3.connect(draft, isolation_level=None)) as new, closing(sqlite3.connect(copy, isolation_level=None)) as old:
        # Without it SQLite reads nothing of a file that is shorter than its first page says.
        old.execute("PRAGMA writable_schema = ON")
        new.execute("BEGIN")
        tables = [_copied(old, new, name) for name in _tables(new)]
        _keep_numbers_used(new)
        new.execute("COMMIT")
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    draft.rename(path)
    integrity.mark_closed(path)
    return tables


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
