"""Keeps the evidence of searches in an append-only ledger, and the sums that follow from it.

Functions on a connection: the caller decides in which transaction they run. The ledger holds ids, numbers and hashes, never a text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from atlas.errors import ConflictError

from .salience import NO_EVIDENCE, Evidence, SalienceReading, SalienceRule, evidence_of, merged, prior_of, read_salience, without

SCHEMA = """
CREATE TABLE IF NOT EXISTS impression (
  tenant TEXT NOT NULL, search_id TEXT NOT NULL, principal TEXT NOT NULL, time_s REAL NOT NULL, bucket INTEGER,
  fingerprint TEXT NOT NULL, pool BLOB NOT NULL,
  PRIMARY KEY (tenant, search_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS impression_time ON impression (time_s);
CREATE TABLE IF NOT EXISTS event (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, search_id TEXT NOT NULL, kind INTEGER NOT NULL,
  domain TEXT NOT NULL, principal TEXT NOT NULL,
  raw_score REAL NOT NULL, score_kind INTEGER NOT NULL, relevance REAL NOT NULL, calibration_version TEXT NOT NULL,
  rank_before_salience INTEGER NOT NULL, weight REAL NOT NULL, bucket INTEGER NOT NULL, time_s REAL NOT NULL,
  PRIMARY KEY (tenant, memory_id, search_id, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS salience_state (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, bucket INTEGER NOT NULL,
  positive REAL NOT NULL, negative REAL NOT NULL, time_s REAL NOT NULL, event_count INTEGER NOT NULL,
  PRIMARY KEY (tenant, memory_id, bucket)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS salience_prior (
  tenant TEXT NOT NULL, domain TEXT NOT NULL, positive REAL NOT NULL, negative REAL NOT NULL, time_s REAL NOT NULL,
  PRIMARY KEY (tenant, domain)) WITHOUT ROWID;
"""
"""Tables of the ledger; `memory` (tenant, memory_id, domain) is the catalog's.

An event is known by its key: what forgets a memory reads its events in one place, without a second index. A pool is a
MessagePack of its places (collection, generation) and its members (id in 16 bytes, place, clean, rank, propensity),
small enough to stay in its row's page.
"""

RERANK_WEIGHT = 1.0
"""Evidence of one reranked candidate, in events: the unit that all other weights are measured in."""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A candidate of a search."""

    memory_id: str
    collection: str
    generation: str
    clean: bool
    rank: int
    propensity: float


@dataclass(frozen=True, slots=True)
class Impression:
    """A search that was shown."""

    tenant: str
    search_id: str
    principal: str
    time_s: float
    bucket: int | None
    """Query bucket; None where the query has no vector, and then no event may come."""
    fingerprint: str
    pool: tuple[PoolMember, ...]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Evidence that somebody reports, already checked to be finite and in range."""

    memory_id: str
    kind: int
    raw_score: float
    score_kind: int
    relevance: float
    calibration_version: str
    rank_before_salience: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of reported evidence."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Pairs of memory id and reason."""


@dataclass(frozen=True, slots=True)
class KnownSalience:
    """Salience of one stored memory, with what it rests on."""

    reading: SalienceReading
    domain: str
    """Domain of the memory."""
    event_count: int
    last_retrieved_s: float | None


def record(connection: sqlite3.Connection, impression: Impression, events: Sequence[NewEvent], rule: SalienceRule) -> Recorded:
    """Writes an impression with its evidence; what was written before counts as duplicate.

    Raises:
        ConflictError: The search was recorded with another pool.
    """
    _record_impression(connection, impression)
    clean = {member.memory_id: member.clean for member in impression.pool}
    memory_ids = json.dumps([event.memory_id for event in events])
    domains = _domains(connection, impression.tenant, memory_ids)
    counted = _counted(connection, impression, memory_ids)
    accepted: list[tuple[NewEvent, str]] = []
    rejected: list[tuple[str, str]] = []
    for event in events:
        reason = _refusal(event.memory_id, clean, domains)
        if reason:
            rejected.append((event.memory_id, reason))
        elif (event.memory_id, event.kind) not in counted:
            counted.add((event.memory_id, event.kind))
            accepted.append((event, domains[event.memory_id]))
    _append(connection, impression, accepted)
    _fold(connection, impression, accepted, rule)
    return Recorded(len(accepted), len(events) - len(accepted) - len(rejected), tuple(rejected))


def read(
    connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str], time_s: float, rule: SalienceRule
) -> dict[str, KnownSalience]:
    """Reads the salience of memories that are stored; unknown ids are left out."""
    domains = _domains(connection, tenant, json.dumps(list(memory_ids)))
    priors = {domain: prior_of(_prior(connection, tenant, domain), time_s, rule) for domain in set(domains.values())}
    buckets: dict[str, list[tuple[Evidence, int]]] = {}
    rows = connection.execute(
        "SELECT memory_id, positive, negative, time_s, event_count FROM salience_state"
        " WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, json.dumps(list(domains))),
    )
    for memory_id, positive, negative, state_time_s, event_count in rows:
        buckets.setdefault(memory_id, []).append((Evidence(positive, negative, state_time_s), event_count))
    return {
        memory_id: _known(buckets.get(memory_id, []), domains[memory_id], priors[domains[memory_id]], time_s, rule)
        for memory_id in memory_ids
        if memory_id in domains
    }


def forget(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str], rule: SalienceRule) -> None:
    """Drops all evidence about memories, also from the base rates that it went into."""
    ids = json.dumps(list(memory_ids))
    by_domain: dict[str, Evidence] = {}
    rows = connection.execute(
        "SELECT domain, relevance, weight, time_s FROM event WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, ids),
    )
    for domain, relevance, weight, time_s in rows:
        by_domain[domain] = merged(by_domain.get(domain, NO_EVIDENCE), evidence_of(relevance, weight, time_s), rule)
    for domain, part in by_domain.items():
        _store_prior(connection, tenant, domain, without(_prior(connection, tenant, domain), part, rule))
    for table in ("event", "salience_state"):
        connection.execute(f"DELETE FROM {table} WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))", (tenant, ids))  # noqa: S608 - two constant names


def prune_impressions(connection: sqlite3.Connection, before_s: float) -> int:
    """Deletes impressions older than a time and says how many; evidence stays."""
    return connection.execute("DELETE FROM impression WHERE time_s < ?", (before_s,)).rowcount


def _record_impression(connection: sqlite3.Connection, impression: Impression) -> None:
    pool = _packed(impression.pool)
    row = connection.execute(
        "SELECT pool FROM impression WHERE tenant = ? AND search_id = ?", (impression.tenant, impression.search_id)
    ).fetchone()
    if row is not None:
        if row[0] != pool:
            raise ConflictError(
                f"search_id {impression.search_id} was recorded with another pool", field="search_id", search_id=impression.search_id
            )
        return
    connection.execute(
        "INSERT INTO impression VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            impression.tenant,
            impression.search_id,
            impression.principal,
            impression.time_s,
            impression.bucket,
            impression.fingerprint,
            pool,
        ),
    )


def _packed(pool: Sequence[PoolMember]) -> bytes:
    places: dict[tuple[str, str], int] = {}
    members = [
        (
            bytes.fromhex(member.memory_id.replace("-", "")),
            places.setdefault((member.collection, member.generation), len(places)),
            member.clean,
            member.rank,
            member.propensity,
        )
        for member in pool
    ]
    return msgspec.msgpack.encode((list(places), members))


def _refusal(memory_id: str, clean: Mapping[str, bool], domains: Mapping[str, str]) -> str:
    if memory_id not in clean:
        return "NOT_IN_POOL"
    if not clean[memory_id]:
        return "NOT_CLEAN"
    return "" if memory_id in domains else "UNKNOWN_MEMORY"


def _counted(connection: sqlite3.Connection, impression: Impression, memory_ids: str) -> set[tuple[str, int]]:
    """Reads which events of a search are in the ledger, by memory id and kind; `memory_ids` is a JSON list."""
    rows = connection.execute(
        "SELECT memory_id, kind FROM event WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?)) AND search_id = ?",
        (impression.tenant, memory_ids, impression.search_id),
    )
    return set(rows.fetchall())


def _append(connection: sqlite3.Connection, impression: Impression, accepted: Iterable[tuple[NewEvent, str]]) -> None:
    connection.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                impression.tenant,
                event.memory_id,
                impression.search_id,
                event.kind,
                domain,
                impression.principal,
                event.raw_score,
                event.score_kind,
                event.relevance,
                event.calibration_version,
                event.rank_before_salience,
                RERANK_WEIGHT,
                impression.bucket,
                impression.time_s,
            )
            for event, domain in accepted
        ],
    )


def _fold(connection: sqlite3.Connection, impression: Impression, accepted: Sequence[tuple[NewEvent, str]], rule: SalienceRule) -> None:
    tenant, time_s = impression.tenant, impression.time_s
    by_domain: dict[str, Evidence] = {}
    states = _states(connection, impression, [event.memory_id for event, _ in accepted])
    for event, domain in accepted:
        evidence = evidence_of(event.relevance, RERANK_WEIGHT, time_s)
        by_domain[domain] = merged(by_domain.get(domain, NO_EVIDENCE), evidence, rule)
        total, event_count = states.get(event.memory_id, (NO_EVIDENCE, 0))
        states[event.memory_id] = (merged(total, evidence, rule), event_count + 1)
    connection.executemany(
        "INSERT OR REPLACE INTO salience_state VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (tenant, memory_id, impression.bucket, total.positive, total.negative, total.time_s, event_count)
            for memory_id, (total, event_count) in states.items()
        ],
    )
    for domain, evidence in by_domain.items():
        _store_prior(connection, tenant, domain, merged(_prior(connection, tenant, domain), evidence, rule))


def _states(connection: sqlite3.Connection, impression: Impression, memory_ids: Sequence[str]) -> dict[str, tuple[Evidence, int]]:
    """Reads what is summed up in the impression's bucket, with its number of events, by memory id."""
    rows = connection.execute(
        "SELECT memory_id, positive, negative, time_s, event_count FROM salience_state"
        " WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?)) AND bucket = ?",
        (impression.tenant, json.dumps(list(memory_ids)), impression.bucket),
    )
    return {memory_id: (Evidence(*sums), event_count) for memory_id, *sums, event_count in rows}


def _prior(connection: sqlite3.Connection, tenant: str, domain: str) -> Evidence:
    row = connection.execute(
        "SELECT positive, negative, time_s FROM salience_prior WHERE tenant = ? AND domain = ?", (tenant, domain)
    ).fetchone()
    return Evidence(*row) if row else NO_EVIDENCE


def _store_prior(connection: sqlite3.Connection, tenant: str, domain: str, evidence: Evidence) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO salience_prior VALUES (?, ?, ?, ?, ?)",
        (tenant, domain, evidence.positive, evidence.negative, evidence.time_s),
    )


def _domains(connection: sqlite3.Connection, tenant: str, memory_ids: str) -> dict[str, str]:
    """Reads the domains of those memories of a JSON list that are stored."""
    rows = connection.execute(
        "SELECT memory_id, domain FROM memory WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))", (tenant, memory_ids)
    )
    return dict(rows.fetchall())


def _known(buckets: Sequence[tuple[Evidence, int]], domain: str, prior: float, time_s: float, rule: SalienceRule) -> KnownSalience:
    return KnownSalience(
        reading=read_salience([evidence for evidence, _ in buckets], prior, time_s, rule),
        domain=domain,
        event_count=sum(count for _, count in buckets),
        last_retrieved_s=max((evidence.time_s for evidence, _ in buckets), default=None),
    )
