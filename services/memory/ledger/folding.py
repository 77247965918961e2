"""Folds the whole ledger anew, memory by memory, and compares the sums with what it gives."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from atlas.errors import SchemaMismatchError
from atlas.failpoints import failpoint
from atlas.ranking import Calibration, relevance_of
from atlas.salience import NOTHING, Channel, EventKind, SalienceRule, Sums, sums_of

from ..scopes import Scope
from . import marks, pins, sums
from .pins import Pin
from .policy import LedgerPolicy
from .records import Part, Place

_EVENT, _CHECKPOINT, _STATE, _PIN = range(4)
_Row = tuple[str, str, int, tuple[Any, ...]]
"""Memory id, domain, source of the row, the rest of it."""


@dataclass(slots=True)
class Difference:
    """Where the sums of one memory are not what the ledger says."""

    memory_id: str
    parts: dict[Place, Part] = field(default_factory=dict)
    """What the ledger says, of each place that differs; nothing at all where the sums have a place that it does not know."""
    pin_differs: bool = False
    pin: Pin | None = None
    """What the ledger says, if the pin differs."""


@dataclass(slots=True)
class Fold:
    """What a whole ledger adds up to."""

    event_count: int = 0
    """Events that count, those in checkpoints included."""
    state_count: int = 0
    """Places with evidence."""
    differences: list[Difference] = field(default_factory=list)
    bases: dict[tuple[str, Channel], Sums] = field(default_factory=dict)
    """What the ledger says of every base rate, by domain and channel."""
    changed_bases: list[tuple[str, Channel]] = field(default_factory=list)
    """Base rates that differ."""

    @property
    def changed_count(self) -> int:
        """Sums and pins that are not exactly what the ledger says."""
        return sum(len(one.parts) + one.pin_differs for one in self.differences) + len(self.changed_bases)


def fold(connection: sqlite3.Connection, scope: Scope, rule: SalienceRule) -> Fold:
    """Folds what a scope covers and compares; changes nothing, and holds one memory at a time."""
    result = Fold()
    for (memory_id, domain), rows in groupby(_rows(connection, scope.tenant), key=itemgetter(0, 1)):
        if scope.covers(domain):
            _fold_memory(result, memory_id, domain, rows, rule)
    stored = {key: total for key, total in sums.bases(connection, scope.tenant).items() if scope.covers(key[0])}
    changed = {key for key in {*stored, *result.bases} if stored.get(key, NOTHING) != result.bases.get(key, NOTHING)}
    result.changed_bases = sorted(changed)
    return result


def rebuild(connection: sqlite3.Connection, scope: Scope, policy: LedgerPolicy, *, recalibrate: bool) -> Fold:
    """Folds anew and writes what differs, in one transaction that is the caller's.

    Raises:
        SchemaMismatchError: An event has a calibration that this version does not know.
    """
    if recalibrate:
        _recalibrate(connection, scope, policy)
    result = fold(connection, scope, policy.rule)
    failpoint("ledger.rebuild.folded")
    for one in result.differences:
        for place, part in one.parts.items():
            sums.put(connection, scope.tenant, one.memory_id, place, part)
        if one.pin_differs:
            pins.restore(connection, scope.tenant, one.memory_id, one.pin)
    for domain, channel in result.changed_bases:
        sums.put_base(connection, scope.tenant, domain, channel, result.bases.get((domain, channel), NOTHING))
    marks.mark(connection, scope.tenant, (one.memory_id for one in result.differences))
    failpoint("ledger.rebuild.written")
    return result


def _fold_memory(result: Fold, memory_id: str, domain: str, rows: Iterable[_Row], rule: SalienceRule) -> None:
    told: dict[Place, Part] = {}
    stored: dict[Place, Part] = {}
    pin: Pin | None = None
    stored_pin: Pin | None = None
    for _, _, source, row in rows:
        if source == _PIN:
            stored_pin = row
        elif source == _EVENT and row[0] == EventKind.PIN:
            told_pin = (row[5], row[6], row[1])
            pin = max(pin, told_pin) if pin else told_pin
            result.event_count += 1
        else:
            place, part = _part(source, row, rule)
            target = stored if source == _STATE else told
            target[place] = target[place] + part if place in target else part
    difference = Difference(memory_id, pin_differs=pin != stored_pin, pin=pin)
    for place in {*told, *stored}:
        part = told.get(place, Part(NOTHING, 0))
        if part != stored.get(place):
            difference.parts[place] = part
        result.event_count += part.sums.event_count
        key = domain, place.channel
        result.bases[key] = result.bases.get(key, NOTHING) + part.sums
    result.state_count += len(told)
    if difference.parts or difference.pin_differs:
        result.differences.append(difference)


def _part(source: int, row: tuple[Any, ...], rule: SalienceRule) -> tuple[Place, Part]:
    if source == _EVENT:
        kind, value, weight, space, bucket, time_us, _ = row
        channel = EventKind(kind).channel
        assert channel is not None, "pins are not summed"  # noqa: S101 - sorted out by the caller
        return Place(channel, space, bucket), Part(sums_of(value, weight, time_us / 1e6, rule.of(channel)), time_us)
    channel_number, space, bucket, positive, negative, event_count, last_us = row
    return Place(Channel(channel_number), space, bucket), Part(sums.to_sums(positive, negative, event_count), last_us)


def _rows(connection: sqlite3.Connection, tenant: str) -> Iterator[_Row]:
    """Reads all four tables side by side in the order of their keys, with the domain that each memory has."""
    selects = (
        (_EVENT, "e.kind, e.value, e.weight, e.space, e.bucket, e.time_us, e.search_id", "event e", "AND NOT e.revoked"),
        (_CHECKPOINT, "e.channel, e.space, e.bucket, e.positive, e.negative, e.event_count, e.last_us", "checkpoint e", ""),
        (_STATE, "e.channel, e.space, e.bucket, e.positive, e.negative, e.event_count, e.last_us", "salience_state e", ""),
        (_PIN, "e.time_us, e.search_id, e.value", "salience_pin e", ""),
    )
    streams = [
        _tagged(
            source,
            connection.execute(
                f"SELECT e.memory_id, m.domain, {columns} FROM {table} JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id"
                f" WHERE e.tenant = ? {condition} ORDER BY e.memory_id",
                (tenant,),
            ),
        )
        for source, columns, table, condition in selects
    ]
    return heapq.merge(*streams, key=itemgetter(0))


def _tagged(source: int, rows: sqlite3.Cursor) -> Iterator[_Row]:
    return ((row[0], row[1], source, row[2:]) for row in rows)


def _recalibrate(connection: sqlite3.Connection, scope: Scope, policy: LedgerPolicy) -> None:
    current = policy.calibrations[policy.current_calibration]
    rows = connection.execute(
        "SELECT e.memory_id, e.search_id, e.raw_score, e.calibration_version, m.domain FROM event e"
        " JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id"
        " WHERE e.tenant = ? AND e.kind = ? ORDER BY e.memory_id",
        (scope.tenant, EventKind.RERANK),
    ).fetchall()
    changes = []
    for memory_id, search_id, raw_score, version, domain in rows:
        if scope.covers(domain):
            _check_calibration(version, policy.calibrations)
            changes.append((relevance_of(raw_score, current), current.version, scope.tenant, memory_id, search_id, EventKind.RERANK))
    connection.executemany(
        "UPDATE event SET value = ?, calibration_version = ? WHERE tenant = ? AND memory_id = ? AND search_id = ? AND kind = ?", changes
    )


def _check_calibration(version: str, known: Mapping[str, Calibration]) -> None:
    if version not in known:
        raise SchemaMismatchError(
            f"an event has the calibration {version!r}; this version knows {', '.join(sorted(known))}",
            reason="UNKNOWN_CALIBRATION",
            calibration_version=version,
            known=", ".join(sorted(known)),
        )
