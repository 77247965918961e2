"""The journal of writes: what the engine gets again when it comes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..store import Operation, decode_operations, encode_operations

PART_BYTES = 8 * 1024 * 1024
"""About how much of the journal is read at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One journalled write."""

    seq: int
    """Its place in the order of all writes; never used again."""
    operations: tuple[Operation, ...]


def next_seq(connection: sqlite3.Connection) -> int:
    """Returns the number that the next entry will have, 1 or more; call it in the transaction that appends."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
    return 1 if row is None else int(row[0]) + 1


def last_seq(connection: sqlite3.Connection) -> int:
    """Returns the number of the last entry; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0])


def append(connection: sqlite3.Connection, entry: Entry) -> None:
    """Writes an entry behind all others."""
    connection.execute("INSERT INTO journal VALUES (?, ?)", (entry.seq, encode_operations(entry.operations)))


def part(connection: sqlite3.Connection, *, after_seq: int, part_bytes: int = PART_BYTES) -> list[Entry]:
    """Reads entries behind `after_seq` in order: at least one where there is one, about `part_bytes` in all."""
    entries: list[Entry] = []
    size_bytes = 0
    for seq, body in connection.execute("SELECT seq, body FROM journal WHERE seq > ? ORDER BY seq", (after_seq,)):
        entries.append(Entry(seq, tuple(decode_operations(body))))
        size_bytes += len(body)
        if size_bytes >= part_bytes:
            break
    return entries


def prune(connection: sqlite3.Connection, *, through_seq: int) -> int:
    """Deletes entries up to `through_seq`, which the engine has on disk, and says how many."""
    return connection.execute("DELETE FROM journal WHERE seq <= ?", (through_seq,)).rowcount


def operations_of(entries: Sequence[Entry]) -> list[Operation]:
    """Returns the operations of entries, in order."""
    return [operation for entry in entries for operation in entry.operations]
