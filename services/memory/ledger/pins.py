"""Keeps which memories are pinned: the newest pin that counts decides."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from atlas.salience import EventKind

Pin = tuple[int, str, float]
"""Time in microseconds, id, and 1 for a pin or 0 for none; a later one, then a higher id, is newer."""


def put(connection: sqlite3.Connection, tenant: str, memory_id: str, pin: Pin) -> None:
    """Lets a pin count unless there is a newer one."""
    connection.execute(
        "INSERT INTO salience_pin VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET time_us = excluded.time_us,"
        " search_id = excluded.search_id, value = excluded.value"
        " WHERE (excluded.time_us, excluded.search_id) > (time_us, search_id)",
        (tenant, memory_id, *pin),
    )


def pinned(connection: sqlite3.Connection, tenant: str, memory_ids: Iterable[str]) -> set[str]:
    """Reads which memories are pinned."""
    rows = connection.execute(
        "SELECT memory_id FROM salience_pin WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?)) AND value > 0",
        (tenant, json.dumps(list(memory_ids))),
    )
    return {memory_id for (memory_id,) in rows}


def newest(connection: sqlite3.Connection, tenant: str, memory_id: str) -> Pin | None:
    """Reads the newest pin of a memory from the events."""
    row: Pin | None = connection.execute(
        "SELECT time_us, search_id, value FROM event WHERE tenant = ? AND memory_id = ? AND kind = ? AND NOT revoked"
        " ORDER BY time_us DESC, search_id DESC LIMIT 1",
        (tenant, memory_id, EventKind.PIN),
    ).fetchone()
    return row


def restore(connection: sqlite3.Connection, tenant: str, memory_id: str, pin: Pin | None) -> None:
    """Writes what the events say about the pin of a memory."""
    connection.execute("DELETE FROM salience_pin WHERE tenant = ? AND memory_id = ?", (tenant, memory_id))
    if pin is not None:
        put(connection, tenant, memory_id, pin)
