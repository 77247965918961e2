"""The tables of the store as a snapshot compares and copies them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec

_NOT_COPIED = ("journal", "sync_mark", "staged_generation", "erasure_due")
"""Tables about this store's own engine, not about what is stored."""
_MERGED = "vector_index"
"""Table whose rows are added to those that are there: the engine keeps its indexes."""
_ENCODER = msgspec.msgpack.Encoder()


def copied_tables(connection: sqlite3.Connection) -> list[str]:
    """Reads the names of all tables that a snapshot is about."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    return sorted(name for (name,) in rows if name not in _NOT_COPIED)


def tables_sha256(connection: sqlite3.Connection) -> str:
    """Digest of the columns of all tables: a store can only take over what has the same.

    Their order does not count: a file that was brought up from an older version may have another.
    """
    described = [
        (name, sorted((column, kind, key) for _, column, kind, _, _, key in connection.execute(f"PRAGMA table_info({name})")))
        for name in copied_tables(connection)
    ]
    return hashlib.sha256(_ENCODER.encode(described)).hexdigest()


def table_digests(connection: sqlite3.Connection, generations: Mapping[str, str] | None = None) -> dict[str, str]:
    """Digests of the rows of each table, but of those of the engine's indexes; `generations` renames generations before."""
    names = [name for name in copied_tables(connection) if name != _MERGED]
    return {name: _digest(_rows(connection, name, generations or {})) for name in names}


def replace_tables(connection: sqlite3.Connection, source: sqlite3.Connection, generations: Mapping[str, str]) -> None:
    """Replaces the rows of all tables by those of `source`, with its generations under new ids."""
    for name in copied_tables(source):
        if name != _MERGED:
            connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a name of the schema
        columns = _columns(source, name)
        marks = ", ".join("?" * len(columns))
        into = f"{name} ({', '.join(columns)})"
        verb = "INSERT OR IGNORE" if name == _MERGED else "INSERT"
        connection.executemany(f"{verb} INTO {into} VALUES ({marks})", _rows(source, name, generations))


def _rows(connection: sqlite3.Connection, name: str, generations: Mapping[str, str]) -> Iterator[Sequence[object]]:
    columns = _columns(connection, name)
    place = columns.index("generation") if "generation" in columns else None
    # A renamed generation sorts elsewhere: rows are compared as a set, by their digests.
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM {name}"):  # noqa: S608 - names of the schema
        if place is None or row[place] not in generations:
            yield row
        else:
            yield (*row[:place], generations[row[place]], *row[place + 1 :])


def _columns(connection: sqlite3.Connection, name: str) -> list[str]:
    return sorted(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))


def _digest(rows: Iterator[Sequence[object]]) -> str:
    total = count = 0
    for row in rows:
        total += int.from_bytes(hashlib.sha256(_ENCODER.encode(row)).digest(), "big")
        count += 1
    return f"{count}:{total % (1 << 256):064x}"
