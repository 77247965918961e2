"""Counts what a principal has had counted in a day, so that nobody outvotes everybody else."""

from __future__ import annotations

import sqlite3

from atlas.salience import Channel

from .records import US_PER_DAY


def left(connection: sqlite3.Connection, tenant: str, principal: str, channel: Channel, *, now_us: int, budget: int) -> int:
    """Says how many events of a principal may still count today (UTC, by the clock of this process and not by the caller's)."""
    row = connection.execute(
        "SELECT used FROM salience_budget WHERE tenant = ? AND principal = ? AND channel = ? AND day = ?",
        (tenant, principal, channel, now_us // US_PER_DAY),
    ).fetchone()
    return max(0, budget - (row[0] if row else 0))


def spend(connection: sqlite3.Connection, tenant: str, principal: str, channel: Channel, *, now_us: int, count: int) -> None:
    """Counts events of a principal, in the transaction that appends them."""
    connection.execute(
        "INSERT INTO salience_budget VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET used = used + excluded.used",
        (tenant, principal, channel, now_us // US_PER_DAY, count),
    )


def prune(connection: sqlite3.Connection, *, now_us: int) -> int:
    """Deletes the counts of days before yesterday and says how many."""
    return connection.execute("DELETE FROM salience_budget WHERE day < ?", (now_us // US_PER_DAY - 1,)).rowcount


def retry_after_ms(now_us: int) -> int:
    """Milliseconds until the next day begins."""
    return (US_PER_DAY - now_us % US_PER_DAY) // 1000 + 1
