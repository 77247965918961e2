"""Folds events that are older than the retention into checkpoints, page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from atlas.failpoints import failpoint
from atlas.salience import EventKind, SalienceRule, sums_of

from . import facts, sums
from .records import Part

PAGE_EVENTS = 2_000
"""Events that one transaction looks at: a search's write waits a few milliseconds for it."""
EventKey = tuple[str, str, str, int]
"""Tenant, memory id, search id, kind."""
FIRST: EventKey = ("", "", "", 0)
"""Lies before every event."""
_Key = tuple[Any, ...]


def fold_page(connection: sqlite3.Connection, *, before_us: int, after: EventKey, rule: SalienceRule) -> EventKey | None:
    """Folds those of the next events that are older than `before_us`; in one transaction that is the caller's.

    The sums stay as they are: what an event gave them, its checkpoint holds now. Pins stay events for good: the one that counts must be
    found again when a newer one is revoked. Revoked events are dropped; from now on their age keeps them from coming again.

    Returns:
        The last event that was looked at; None at the end.
    """
    _remember(connection, before_us)
    rows = connection.execute(
        "SELECT tenant, memory_id, search_id, kind, value, weight, principal, source_class, space, bucket, calibration_version, time_us,"
        " revoked FROM event WHERE (tenant, memory_id, search_id, kind) > (?, ?, ?, ?) ORDER BY tenant, memory_id, search_id, kind LIMIT ?",
        (*after, PAGE_EVENTS),
    ).fetchall()
    old = [row for row in rows if row[11] < before_us and row[3] != EventKind.PIN]
    for key, part in _folded(old, rule).items():
        _add(connection, key, part)
        failpoint("ledger.checkpoint.added")
    connection.executemany("DELETE FROM event WHERE tenant = ? AND memory_id = ? AND search_id = ? AND kind = ?", [row[:4] for row in old])
    failpoint("ledger.checkpoint.dropped")
    if len(rows) < PAGE_EVENTS:
        return None
    tenant, memory_id, search_id, kind = rows[-1][:4]
    return tenant, memory_id, search_id, kind


def _remember(connection: sqlite3.Connection, before_us: int) -> None:
    # A clock that is set back must not open the time that is folded to events that it may hold already.
    if before_us > facts.read(connection, facts.COMPACTED_UNTIL, default=0.0):
        facts.write(connection, facts.COMPACTED_UNTIL, float(before_us))


def _folded(rows: Iterable[Sequence[Any]], rule: SalienceRule) -> dict[_Key, Part]:
    parts: dict[_Key, Part] = {}
    for tenant, memory_id, _, number, value, weight, principal, source_class, space, bucket, version, time_us, revoked in rows:
        channel = EventKind(number).channel
        if revoked or channel is None:
            continue
        key = (tenant, memory_id, int(channel), space, bucket, principal, source_class, number, version)
        part = Part(sums_of(value, weight, time_us / 1e6, rule.of(channel)), time_us)
        parts[key] = parts[key] + part if key in parts else part
    return parts


def _add(connection: sqlite3.Connection, key: _Key, part: Part) -> None:
    row = connection.execute(
        "SELECT positive, negative, event_count, last_us FROM checkpoint WHERE tenant = ? AND memory_id = ? AND channel = ? AND space = ?"
        " AND bucket = ? AND principal = ? AND source_class = ? AND kind = ? AND calibration_version = ?",
        key,
    ).fetchone()
    if row is not None:
        *columns, last_us = row
        part += Part(sums.to_sums(*columns), last_us)
    total = part.sums
    connection.execute(
        "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, sums.to_bytes(total.positive), sums.to_bytes(total.negative), total.event_count, part.last_us),
    )
