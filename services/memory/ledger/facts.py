"""Single numbers that the ledger remembers about itself."""

from __future__ import annotations

import sqlite3

COMPACTED_UNTIL = "compacted_until_us"
"""Events before this time, in microseconds since the epoch, may live in checkpoints alone."""


def read(connection: sqlite3.Connection, name: str, *, default: float) -> float:
    """Reads a number."""
    row = connection.execute("SELECT value FROM ledger_fact WHERE name = ?", (name,)).fetchone()
    return default if row is None else float(row[0])


def write(connection: sqlite3.Connection, name: str, value: float) -> None:
    """Writes a number."""
    connection.execute("INSERT OR REPLACE INTO ledger_fact VALUES (?, ?)", (name, value))
