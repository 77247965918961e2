"""Takes evidence back: the sums lose exactly what the events gave them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas.failpoints import failpoint
from atlas.salience import Channel, EventKind, SalienceRule, Sums, sums_of

from ..scopes import Scope
from . import impressions, marks, pins, reading, sums
from .records import Part, Place

MAX_CHANGES = 20
"""Most changed memories that are named."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which events to take back; all conditions that are set must hold."""

    principals: Sequence[str] = ()
    source_classes: Sequence[int] = ()
    search_ids: Sequence[str] = ()
    memory_ids: Sequence[str] = ()
    kinds: Sequence[int] = ()
    begin_us: int | None = None
    end_us: int | None = None

    @property
    def reaches_checkpoints(self) -> bool:
        """Whether it selects by nothing that checkpoints have lost."""
        return not self.search_ids and self.begin_us is None and self.end_us is None

    def conditions(self, table: str) -> tuple[str, list[Any]]:
        """Returns SQL conditions on `table` with their values."""
        lists = {
            "principal": self.principals,
            "source_class": self.source_classes,
            "search_id": self.search_ids,
            "memory_id": self.memory_ids,
            "kind": self.kinds,
        }
        words = [f"{table}.{name} IN (SELECT value FROM json_each(?))" for name, values in lists.items() if values]
        bound: list[Any] = [json.dumps(list(values)) for values in lists.values() if values]
        for word, limit in ((">=", self.begin_us), ("<", self.end_us)):
            if limit is not None:
                words.append(f"{table}.time_us {word} ?")
                bound.append(limit)
        return "".join(f" AND {word}" for word in words), bound


@dataclass(frozen=True, slots=True)
class Change:
    """How far the worth of a memory moved."""

    memory_id: str
    old_log_odds: float
    new_log_odds: float


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was taken back."""

    event_count: int
    checkpointed_count: int
    """Of those, events in checkpoints."""
    memory_count: int
    changes: tuple[Change, ...]
    """Those that moved farthest, first."""


@dataclass(slots=True)
class _Taken:
    """What a selector takes, by memory."""

    parts: dict[tuple[str, Place], Sums] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    """Memories of which a pin is taken."""
    event_count: int = 0
    checkpointed_count: int = 0

    def add(self, memory_id: str, place: Place, part: Sums) -> None:
        key = memory_id, place
        self.parts[key] = self.parts[key] + part if key in self.parts else part

    @property
    def memory_ids(self) -> set[str]:
        return {memory_id for memory_id, _ in self.parts} | self.pinned


def revoke(connection: sqlite3.Connection, scope: Scope, selector: Selector, rule: SalienceRule, *, time_s: float) -> Revocation:
    """Takes events back, in one transaction that is the caller's; they stay in the ledger, so that a repetition counts nothing.

    Raises:
        SchemaMismatchError: The sums do not hold what the events say; nothing is changed.
    """
    taken = _select(connection, scope, selector, rule)
    memory_ids = sorted(taken.memory_ids)
    before = reading.read(connection, scope.tenant, memory_ids, time_s, rule)
    _mark_revoked(connection, scope, selector)
    failpoint("ledger.revoke.marked")
    subtract(connection, scope.tenant, taken.parts)
    failpoint("ledger.revoke.taken")
    for memory_id in taken.pinned:
        pins.restore(connection, scope.tenant, memory_id, pins.newest(connection, scope.tenant, memory_id))
    marks.mark(connection, scope.tenant, memory_ids)
    after = reading.read(connection, scope.tenant, memory_ids, time_s, rule)
    changes = [Change(one, before[one].reading.log_odds, after[one].reading.log_odds) for one in memory_ids]
    changes.sort(key=lambda change: (-abs(change.old_log_odds - change.new_log_odds), change.memory_id))
    return Revocation(taken.event_count + taken.checkpointed_count, taken.checkpointed_count, len(memory_ids), tuple(changes[:MAX_CHANGES]))


def subtract(connection: sqlite3.Connection, tenant: str, parts: dict[tuple[str, Place], Sums]) -> None:
    """Takes evidence out of the sums and base rates; the events and checkpoints it came from must be out of the ledger already."""
    memory_ids = {memory_id for memory_id, _ in parts}
    stored = sums.of_memories(connection, tenant, memory_ids)
    last = _last_times(connection, tenant, memory_ids)
    domains = impressions.domains_of(connection, tenant, list(memory_ids))
    for (memory_id, place), part in parts.items():
        found = stored.get((memory_id, place))
        rest = sums.taken(found.sums if found else Sums(), part)
        sums.put(connection, tenant, memory_id, place, Part(rest, last.get((memory_id, place), 0)))
    base = sums.by_domain((domains[memory_id], place.channel, part) for (memory_id, place), part in parts.items())
    sums.change_base(connection, tenant, base, sign=-1)


def _select(connection: sqlite3.Connection, scope: Scope, selector: Selector, rule: SalienceRule) -> _Taken:
    taken = _Taken()
    for memory_id, number, value, weight, space, bucket, time_us in _events(connection, scope, selector):
        channel = EventKind(number).channel
        if channel is None:
            taken.pinned.add(memory_id)
        else:
            taken.add(memory_id, Place(channel, space, bucket), sums_of(value, weight, time_us / 1e6, rule.of(channel)))
        taken.event_count += 1
    if selector.reaches_checkpoints:
        for memory_id, number, space, bucket, *columns in _checkpoints(connection, scope, selector):
            part = sums.to_sums(*columns)
            taken.add(memory_id, Place(Channel(number), space, bucket), part)
            taken.checkpointed_count += part.event_count
    return taken


def _events(connection: sqlite3.Connection, scope: Scope, selector: Selector) -> Iterator[Sequence[Any]]:
    condition, bound = selector.conditions("e")
    rows = connection.execute(
        "SELECT m.domain, e.memory_id, e.kind, e.value, e.weight, e.space, e.bucket, e.time_us"
        " FROM event e JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id"
        f" WHERE e.tenant = ? AND NOT e.revoked{condition}",
        (scope.tenant, *bound),
    )
    return (row[1:] for row in rows if scope.covers(row[0]))


def _checkpoints(connection: sqlite3.Connection, scope: Scope, selector: Selector) -> Iterator[Sequence[Any]]:
    condition, bound = selector.conditions("e")
    rows = connection.execute(
        "SELECT m.domain, e.memory_id, e.channel, e.space, e.bucket, e.positive, e.negative, e.event_count"
        f" FROM checkpoint e JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id WHERE e.tenant = ?{condition}",
        (scope.tenant, *bound),
    )
    return (row[1:] for row in rows if scope.covers(row[0]))


def _mark_revoked(connection: sqlite3.Connection, scope: Scope, selector: Selector) -> None:
    within, domains = "", []
    if scope.domains:
        within = " AND memory_id IN (SELECT memory_id FROM memory WHERE tenant = ? AND domain IN (SELECT value FROM json_each(?)))"
        domains = [scope.tenant, json.dumps(sorted(scope.domains))]
    condition, bound = selector.conditions("event")
    connection.execute(
        f"UPDATE event SET revoked = 1 WHERE tenant = ? AND NOT revoked{condition}{within}", (scope.tenant, *bound, *domains)
    )
    if selector.reaches_checkpoints:
        condition, bound = selector.conditions("checkpoint")
        connection.execute(f"DELETE FROM checkpoint WHERE tenant = ?{condition}{within}", (scope.tenant, *bound, *domains))


def _last_times(connection: sqlite3.Connection, tenant: str, memory_ids: Iterable[str]) -> dict[tuple[str, Place], int]:
    """Reads the time of the newest event that still counts, of each place of some memories."""
    ids = json.dumps(list(memory_ids))
    rows = connection.execute(
        "SELECT memory_id, CASE kind WHEN 1 THEN 1 ELSE 2 END AS channel, space, bucket, max(time_us) FROM event"
        " WHERE tenant = :tenant AND memory_id IN (SELECT value FROM json_each(:ids)) AND kind <> :pin AND NOT revoked GROUP BY 1, 2, 3, 4"
        " UNION ALL SELECT memory_id, channel, space, bucket, max(last_us) FROM checkpoint"
        " WHERE tenant = :tenant AND memory_id IN (SELECT value FROM json_each(:ids)) GROUP BY 1, 2, 3, 4",
        {"tenant": tenant, "ids": ids, "pin": EventKind.PIN},
    )
    last: dict[tuple[str, Place], int] = {}
    for memory_id, channel, space, bucket, time_us in rows:
        key = memory_id, Place(Channel(channel), space, bucket)
        last[key] = max(last.get(key, 0), time_us)
    return last
