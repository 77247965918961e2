"""Marks memories whose payload in the store is behind what the ledger says of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping


def mark(connection: sqlite3.Connection, tenant: str, memory_ids: Iterable[str]) -> None:
    """Marks memories, in the transaction that changed what is known about them."""
    connection.executemany("INSERT INTO salience_mark (tenant, memory_id) VALUES (?, ?)", [(tenant, one) for one in memory_ids])


def marked(connection: sqlite3.Connection, *, after: int, limit: int) -> tuple[dict[tuple[str, str], int], int]:
    """Reads the next marks.

    Returns:
        The sequence of each memory's newest mark by (tenant, memory id), and the last sequence that was read (`after` if there is none).
    """
    rows = connection.execute(
        "SELECT sequence, tenant, memory_id FROM salience_mark WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit)
    ).fetchall()
    return {(tenant, memory_id): sequence for sequence, tenant, memory_id in rows}, rows[-1][0] if rows else after


def clear(connection: sqlite3.Connection, *, through: int) -> int:
    """Deletes the marks up to a sequence, which the store has on disk, and says how many."""
    return connection.execute("DELETE FROM salience_mark WHERE sequence <= ?", (through,)).rowcount


def drop(connection: sqlite3.Connection, tenant: str, memory_ids: str) -> None:
    """Deletes the marks of memories that are gone; `memory_ids` is a JSON list."""
    connection.execute("DELETE FROM salience_mark WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))", (tenant, memory_ids))


def places(connection: sqlite3.Connection, memories: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[str, str]]:
    """Reads where memories are stored: index and generation, by (tenant, memory id); those that are gone are left out."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for tenant, memory_id in memories:
        row = connection.execute(
            "SELECT g.index_name, m.generation FROM memory m JOIN generation g ON g.generation = m.generation"
            " WHERE m.tenant = ? AND m.memory_id = ?",
            (tenant, memory_id),
        ).fetchone()
        if row is not None:
            found[tenant, memory_id] = (row[0], row[1])
    return found
