"""Turns a ledger of schema version 1 into one of version 2."""

from __future__ import annotations

import sqlite3

import msgspec

from atlas.salience import EventKind

from .impressions import packed
from .marks import unpacked
from .records import Pool, PoolMember, SourceClass, space_of
from .schema import TABLES

_OLD = ("impression", "event", "salience_state", "salience_prior")


def from_version_1(connection: sqlite3.Connection) -> None:
    """Takes over impressions and events, in one transaction that is the caller's; the sums follow from them at the next start.

    Events of version 1 were the evidence of reranked clean candidates, each of weight 1 and of nobody but users. Their query space is that
    of their impression; where that is gone it is a space of its own, without a name.
    """
    connection.execute("DROP INDEX IF EXISTS impression_time")
    for table in _OLD:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    _impressions(connection)
    _events(connection)
    for table in _OLD:
        connection.execute(f"DROP TABLE old_{table}")


def _impressions(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT tenant, search_id, principal, time_s, bucket, fingerprint, pool FROM old_impression").fetchall()
    connection.executemany(
        "INSERT INTO impression VALUES (?, ?, ?, ?, '[]', ?, ?, ?, ?)",
        [
            (tenant, search_id, principal, SourceClass.USER, _us(time_s), bucket, fingerprint, _repacked(pool))
            for tenant, search_id, principal, time_s, bucket, fingerprint, pool in rows
        ],
    )
    fingerprints = {row[5] for row in rows} | {""}
    connection.executemany("INSERT INTO query_space VALUES (?, ?)", [(space_of(one), one) for one in sorted(fingerprints)])


def _repacked(body: bytes) -> bytes:
    places, members = msgspec.msgpack.decode(body)
    pool = []
    for key, place, clean, rank, propensity in members:
        collection, generation = places[place]
        kind = Pool.CLEAN if clean else Pool.EXTENDED
        pool.append(PoolMember(next(unpacked(key)), collection, generation, kind, rank, float(propensity), 0))
    return packed(pool)


def _events(connection: sqlite3.Connection) -> None:
    rows = connection.execute(
        "SELECT e.tenant, e.memory_id, e.search_id, e.kind, e.relevance, e.raw_score, e.score_kind, e.calibration_version,"
        " e.rank_before_salience, e.weight, e.principal, e.bucket, e.time_s, coalesce(i.fingerprint, '')"
        " FROM old_event e LEFT JOIN old_impression i ON i.tenant = e.tenant AND i.search_id = e.search_id"
    )
    for *key, value, raw_score, score_kind, version, rank, weight, principal, bucket, time_s, fingerprint in rows.fetchall():
        assert key[3] == EventKind.RERANK, "version 1 took no other kind"  # noqa: S101 - a fact about the old program
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                *key,
                value,
                raw_score,
                score_kind,
                version,
                rank,
                Pool.CLEAN,
                1.0,
                weight,
                principal,
                SourceClass.USER,
                space_of(fingerprint),
                bucket,
                _us(time_s),
            ),
        )


def _us(time_s: float) -> int:
    return round(time_s * 1e6)
