"""Reads what follows from the ledger: salience of memories, and how it came about. Changes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas.salience import (
    NOTHING,
    Channel,
    ChannelReading,
    EventKind,
    Evidence,
    SalienceRule,
    Worth,
    base_rate,
    channel_log_odds,
    evidence_at,
    read_channel,
    read_salience,
    worth,
)

from . import pins, sums
from .impressions import domains_of
from .records import KnownSalience, Place

MAX_EXPLAINED_EVENTS = 100
"""Most events that an explanation shows."""
_Bucket = tuple[Evidence, int, int]
"""Evidence now, number of events, time of the newest."""
_Evidence = dict[Channel, list[Evidence]]
"""Evidence now, by channel, an item a bucket; channels without any are left out."""


@dataclass(frozen=True, slots=True)
class ExplainedBucket:
    """One place of a memory's sums, read."""

    place: Place
    fingerprint: str
    """Of the query space; empty where it is not known."""
    evidence: Evidence
    share: float
    """Share that saturation leaves, (0, 1]."""
    event_count: int


@dataclass(frozen=True, slots=True)
class ExplainedEvent:
    """One event of a memory, read."""

    search_id: str
    kind: EventKind
    value: float
    weight: float
    decay: float
    """Share of the weight that is left, (0, 1]; 1 for a pin."""
    raw_score: float | None
    calibration_version: str
    principal: str
    source_class: int
    time_us: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """How the salience of a memory came about."""

    known: KnownSalience
    buckets: tuple[ExplainedBucket, ...]
    events: tuple[ExplainedEvent, ...]
    """Newest first."""
    checkpointed_count: int


def read(
    connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str], time_s: float, rule: SalienceRule
) -> dict[str, KnownSalience]:
    """Reads the salience of memories that are stored, at a time in seconds since the epoch; unknown ids are left out."""
    domains = domains_of(connection, tenant, memory_ids)
    buckets: dict[str, dict[Channel, list[_Bucket]]] = {}
    rows = connection.execute(
        "SELECT memory_id, channel, positive, negative, event_count, last_us FROM salience_state"
        " WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, json.dumps(list(domains))),
    )
    for memory_id, number, *columns, last_us in rows:
        channel, total = Channel(number), sums.to_sums(*columns)
        bucket = evidence_at(total, time_s, rule.of(channel)), total.event_count, last_us
        buckets.setdefault(memory_id, {}).setdefault(channel, []).append(bucket)
    pinned = pins.pinned(connection, tenant, domains)
    readings = _Readings(connection, tenant, time_s, rule)
    return {one: readings.known(domains[one], buckets.get(one, {}), pinned=one in pinned) for one in memory_ids if one in domains}


def worths(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str], time_s: float, rule: SalienceRule) -> dict[str, Worth]:
    """Reads what stored memories are worth, to the last bit what `read` says, without what it rests on; unknown ids are left out."""
    rows = connection.execute(
        "SELECT m.memory_id, m.domain, s.channel, s.positive, s.negative, s.event_count FROM json_each(:ids) AS one"
        " CROSS JOIN memory AS m ON m.tenant = :tenant AND m.memory_id = one.value"
        " LEFT JOIN salience_state AS s ON s.tenant = :tenant AND s.memory_id = one.value",
        {"tenant": tenant, "ids": json.dumps(list(dict.fromkeys(memory_ids)))},
    )
    found = _weighed(rows, time_s, rule)
    pinned = pins.pinned(connection, tenant, found)
    readings = _Readings(connection, tenant, time_s, rule)
    return {memory_id: readings.worth(*one, pinned=memory_id in pinned) for memory_id, one in found.items()}


def last_retrievals(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str]) -> dict[str, int]:
    """Reads when memories were last retrieved, in microseconds since the epoch; one of which that is not known is left out."""
    rows = connection.execute(
        "SELECT memory_id, max(last_us) FROM salience_state WHERE tenant = :tenant AND memory_id IN (SELECT value FROM json_each(:ids))"
        " GROUP BY memory_id",
        {"tenant": tenant, "ids": json.dumps(list(memory_ids))},
    )
    return dict(rows.fetchall())


def log_odds(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str], time_s: float, rule: SalienceRule) -> dict[str, float]:
    """Reads the log-odds of stored memories, those of `read`; a memory about which nothing was learnt is left out: its are 0.

    A search asks about hundreds of memories, to bring in a few.
    """
    rows = connection.execute(
        "SELECT s.memory_id, m.domain, s.channel, s.positive, s.negative, s.event_count FROM json_each(:ids) AS one"
        " CROSS JOIN salience_state AS s ON s.tenant = :tenant AND s.memory_id = one.value"
        " CROSS JOIN memory AS m ON m.tenant = :tenant AND m.memory_id = one.value",
        {"tenant": tenant, "ids": json.dumps(list(memory_ids))},
    )
    found = _weighed(rows, time_s, rule)
    pinned = domains_of(connection, tenant, list(pins.pinned(connection, tenant, memory_ids)))
    readings = _Readings(connection, tenant, time_s, rule)
    return {
        memory_id: readings.worth(*found.get(memory_id, (pinned.get(memory_id, ""), {})), pinned=memory_id in pinned).log_odds
        for memory_id in dict.fromkeys([*found, *pinned])
    }


def _weighed(rows: Iterable[tuple[Any, ...]], time_s: float, rule: SalienceRule) -> dict[str, tuple[str, _Evidence]]:
    """Weighs the buckets of memories: domain and evidence by memory id, of rows (id, domain, channel, positive, negative, event count)."""
    rules = {int(channel): rule.of(channel) for channel in Channel}
    found: dict[str, tuple[str, _Evidence]] = {}
    for memory_id, domain, channel, positive, negative, event_count in rows:
        _, evidence = found.setdefault(memory_id, (domain, {}))
        if channel is not None:
            weighed = evidence_at(sums.to_sums(positive, negative, event_count), time_s, rules[channel])
            # An integer finds what its channel was put under.
            evidence.setdefault(channel, []).append(weighed)
    return found


class _Readings:
    """Reads memories of one tenant at one time; what nothing is known of is read once a domain."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, time_s: float, rule: SalienceRule) -> None:
        self._connection = connection
        self._tenant = tenant
        self._time_s = time_s
        self._rule = rule
        self._empty: dict[str, Mapping[Channel, ChannelReading]] = {}
        self._unknown: dict[str, KnownSalience] = {}

    def known(self, domain: str, buckets: Mapping[Channel, Sequence[_Bucket]], *, pinned: bool) -> KnownSalience:
        """Reads one memory."""
        empty = self._base_of(domain)
        if domain not in self._unknown:
            reading = read_salience(empty[Channel.PASSIVE], empty[Channel.OUTSIDE], pinned=False, rule=self._rule)
            self._unknown[domain] = KnownSalience(reading, domain, {}, None)
        if not buckets and not pinned:
            return self._unknown[domain]
        channels = {
            channel: read_channel([evidence for evidence, _, _ in buckets[channel]], base.prior, self._rule.of(channel))
            if channel in buckets
            else base
            for channel, base in empty.items()
        }
        return KnownSalience(
            reading=read_salience(channels[Channel.PASSIVE], channels[Channel.OUTSIDE], pinned=pinned, rule=self._rule),
            domain=domain,
            counts={channel: sum(count for _, count, _ in buckets[channel]) for channel in buckets},
            last_retrieved_us=max((last_us for ones in buckets.values() for _, _, last_us in ones), default=None),
        )

    def worth(self, domain: str, evidence: _Evidence, *, pinned: bool) -> Worth:
        """Reads what one memory is worth."""
        base = self._base_of(domain)
        passive, outside = (
            channel_log_odds(evidence[channel], base[channel].prior, self._rule.of(channel)) if channel in evidence else 0.0
            for channel in (Channel.PASSIVE, Channel.OUTSIDE)
        )
        return worth(passive, outside, prior=base[Channel.PASSIVE].prior, pinned=pinned, rule=self._rule)

    def _base_of(self, domain: str) -> Mapping[Channel, ChannelReading]:
        base = self._empty.get(domain)
        if base is None:
            base = self._empty[domain] = self._without_evidence(domain)
        return base

    def _without_evidence(self, domain: str) -> Mapping[Channel, ChannelReading]:
        rows = self._connection.execute(
            "SELECT channel, positive, negative, event_count FROM salience_base WHERE tenant = ? AND domain = ?", (self._tenant, domain)
        )
        bases = {channel: sums.to_sums(*columns) for channel, *columns in rows}
        empty = {}
        for channel in Channel:
            rule = self._rule.of(channel)
            prior = base_rate(evidence_at(bases.get(channel, NOTHING), self._time_s, rule), rule)
            empty[channel] = read_channel((), prior, rule)
        return empty


def explain(connection: sqlite3.Connection, tenant: str, memory_id: str, time_s: float, rule: SalienceRule) -> Explanation | None:
    """Reads how the salience of a memory came about; None if it is not stored."""
    known = read(connection, tenant, [memory_id], time_s, rule).get(memory_id)
    if known is None:
        return None
    (checkpointed,) = connection.execute(
        "SELECT coalesce(sum(event_count), 0) FROM checkpoint WHERE tenant = ? AND memory_id = ?", (tenant, memory_id)
    ).fetchone()
    rows = connection.execute(
        "SELECT search_id, kind, value, weight, raw_score, calibration_version, principal, source_class, time_us, revoked FROM event"
        " WHERE tenant = ? AND memory_id = ? ORDER BY time_us DESC, search_id, kind LIMIT ?",
        (tenant, memory_id, MAX_EXPLAINED_EVENTS),
    )
    events = tuple(_event(row, time_s, rule) for row in rows)
    return Explanation(known, tuple(_explained_buckets(connection, tenant, memory_id, known, time_s, rule)), events, checkpointed)


def _explained_buckets(
    connection: sqlite3.Connection, tenant: str, memory_id: str, known: KnownSalience, time_s: float, rule: SalienceRule
) -> Iterable[ExplainedBucket]:
    parts = sorted(sums.of_memories(connection, tenant, [memory_id]).items(), key=lambda item: _order(item[0][1]))
    fingerprints = dict(connection.execute("SELECT space, fingerprint FROM query_space").fetchall())
    # `read` took the buckets in the same order, that of the table's key.
    shares = {Channel.PASSIVE: iter(known.reading.passive.shares), Channel.OUTSIDE: iter(known.reading.outside.shares)}
    for (_, place), part in parts:
        evidence = evidence_at(part.sums, time_s, rule.of(place.channel))
        yield ExplainedBucket(place, fingerprints.get(place.space, ""), evidence, next(shares[place.channel]), part.sums.event_count)


def _order(place: Place) -> tuple[int, int, int]:
    return place.channel, place.space, place.bucket


def _event(row: Sequence[Any], time_s: float, rule: SalienceRule) -> ExplainedEvent:
    search_id, number, value, weight, raw_score, calibration_version, principal, source_class, time_us, revoked = row
    kind = EventKind(number)
    decay = 1.0
    if kind.channel is not None:
        age_days = max(0.0, time_s - time_us / 1e6) / 86_400
        decay = 2.0 ** (-age_days / rule.of(kind.channel).half_life_days)
    return ExplainedEvent(
        search_id, kind, value, weight, decay, raw_score, calibration_version, principal, source_class, time_us, bool(revoked)
    )
