"""Which memories lack their vector in a generation: functions on a connection, the caller owns the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many memories a generation lacks."""

    due: int
    """All of them."""
    failed: int
    """Of these, those whose text could not be embedded."""


def mark_due(connection: sqlite3.Connection, generation: str, memory_ids: Iterable[str]) -> None:
    """Notes that the generation's vectors of these memories are missing or of an older text."""
    connection.executemany("INSERT OR REPLACE INTO generation_due VALUES (?, ?, 0)", [(generation, one) for one in memory_ids])


def mark_all_due(connection: sqlite3.Connection, generation: str, *, tenant: str, active: str) -> None:
    """Notes that the generation lacks every memory of the generation `active`."""
    connection.execute(
        "INSERT OR REPLACE INTO generation_due SELECT ?, memory_id, 0 FROM memory WHERE tenant = ? AND generation = ?",
        (generation, tenant, active),
    )


def mark_failed(connection: sqlite3.Connection, generation: str, memory_ids: Iterable[str]) -> None:
    """Notes that due memories could not be embedded: they come last, and only when they are written again."""
    connection.executemany(
        "UPDATE generation_due SET failed = 1 WHERE generation = ? AND memory_id = ?", [(generation, one) for one in memory_ids]
    )


def try_failed_again(connection: sqlite3.Connection, generation: str) -> None:
    """Has the memories that could not be embedded tried once more."""
    connection.execute("UPDATE generation_due SET failed = 0 WHERE generation = ? AND failed", (generation,))


def mark_filled(connection: sqlite3.Connection, generation: str, memory_ids: Iterable[str]) -> None:
    """Notes that the generation has the current vectors of these memories, or that they are gone."""
    connection.executemany("DELETE FROM generation_due WHERE generation = ? AND memory_id = ?", [(generation, one) for one in memory_ids])


def forget_due(connection: sqlite3.Connection, generation: str) -> None:
    """Drops all notes of a generation that is deleted."""
    connection.execute("DELETE FROM generation_due WHERE generation = ?", (generation,))


def due_ids(connection: sqlite3.Connection, generation: str, *, limit: int) -> list[str]:
    """Reads ids of due memories, without those that failed."""
    rows = connection.execute("SELECT memory_id FROM generation_due WHERE generation = ? AND NOT failed LIMIT ?", (generation, limit))
    return [memory_id for (memory_id,) in rows]


def due_among(connection: sqlite3.Connection, generation: str, memory_ids: Sequence[str]) -> set[str]:
    """Reads which of these memories are due."""
    rows = connection.execute(
        "SELECT memory_id FROM generation_due WHERE generation = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (generation, json.dumps(list(memory_ids))),
    )
    return {memory_id for (memory_id,) in rows}


def count_due(connection: sqlite3.Connection, generation: str) -> DueCount:
    """Counts due memories."""
    row = connection.execute("SELECT count(*), coalesce(sum(failed), 0) FROM generation_due WHERE generation = ?", (generation,)).fetchone()
    return DueCount(*row)
