"""Keeps what searches showed, so that feedback on them can be checked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from atlas.errors import ConflictError, SchemaMismatchError

from ..scopes import Scope
from .marks import packed as packed_id
from .marks import unpacked as unpacked_ids
from .records import Impression, Pool, PoolMember, SourceClass

_COLUMNS = "principal, source_class, domains, time_us, bucket, fingerprint, pool"


def put(connection: sqlite3.Connection, impression: Impression) -> Impression:
    """Writes an impression and returns the one that stands: that of the first report.

    Raises:
        ConflictError: The search was recorded with another pool.
        SchemaMismatchError: A member of the pool has a generation that its collection does not have.
    """
    pool = packed(impression.pool)
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM impression WHERE tenant = ? AND search_id = ?",
        (impression.tenant, impression.search_id),
    ).fetchone()
    if row is not None:
        if row[-1] != pool:
            raise ConflictError(
                f"search_id {impression.search_id} was recorded with another pool", field="search_id", search_id=impression.search_id
            )
        # A retry cannot make the search younger, nor anybody else's.
        return replace(_impression(impression.tenant, impression.search_id, row), pool=impression.pool)
    _check_generations(connection, impression)
    connection.execute("INSERT OR IGNORE INTO query_space VALUES (?, ?)", (impression.space, impression.fingerprint))
    connection.execute(
        "INSERT INTO impression VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            impression.tenant,
            impression.search_id,
            impression.principal,
            impression.source_class,
            json.dumps(impression.domains),
            impression.time_us,
            impression.bucket,
            impression.fingerprint,
            pool,
        ),
    )
    return impression


def find(connection: sqlite3.Connection, scope: Scope, search_id: str) -> Impression | None:
    """Reads an impression that a scope may see, with those members that it may see; None if there is none.

    A scope sees the searches of scopes within it, and those that found a memory of its own.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM impression WHERE tenant = ? AND search_id = ?",
        (scope.tenant, search_id),
    ).fetchone()
    if row is None:
        return None
    impression = _impression(scope.tenant, search_id, row)
    domains = domains_of(connection, scope.tenant, [member.memory_id for member in impression.pool])
    seen = tuple(one for one in impression.pool if one.memory_id in domains and scope.covers(domains[one.memory_id]))
    within = not scope.domains or (impression.domains and scope.domains.issuperset(impression.domains))
    return replace(impression, pool=seen) if within or seen else None


def domains_of(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str]) -> dict[str, str]:
    """Reads the domains of those memories that are stored."""
    rows = connection.execute(
        "SELECT memory_id, domain FROM memory WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, json.dumps(list(memory_ids))),
    )
    return dict(rows.fetchall())


def prune(connection: sqlite3.Connection, *, before_us: int) -> int:
    """Deletes impressions older than a time and says how many; evidence stays."""
    return connection.execute("DELETE FROM impression WHERE time_us < ?", (before_us,)).rowcount


def packed(pool: Sequence[PoolMember]) -> bytes:
    """Writes a pool."""
    places: dict[tuple[str, str], int] = {}
    members = [
        (
            packed_id(member.memory_id),
            places.setdefault((member.collection, member.generation), len(places)),
            int(member.pool),
            member.rank,
            member.propensity,
            member.result_rank,
        )
        for member in pool
    ]
    return msgspec.msgpack.encode((list(places), members))


def unpacked(body: bytes) -> tuple[PoolMember, ...]:
    """Reads a pool."""
    places, members = msgspec.msgpack.decode(body)
    return tuple(
        PoolMember(next(unpacked_ids(key)), places[place][0], places[place][1], Pool(pool), rank, float(propensity), result_rank)
        for key, place, pool, rank, propensity, result_rank in members
    )


def generations_of(connection: sqlite3.Connection, tenant: str, collection: str) -> set[str]:
    """Reads every generation that a collection has, building and retired ones too; with an empty name, those of all of the tenant's."""
    rows = connection.execute(
        "SELECT generation FROM collection WHERE tenant = :tenant AND :collection IN ('', name)"
        " UNION SELECT generation FROM generation_role WHERE tenant = :tenant AND :collection IN ('', collection)",
        {"tenant": tenant, "collection": collection},
    )
    return {generation for (generation,) in rows}


def _impression(tenant: str, search_id: str, row: Sequence[Any]) -> Impression:
    principal, source_class, domains, time_us, bucket, fingerprint, pool = row
    return Impression(
        tenant,
        search_id,
        principal,
        SourceClass(source_class),
        tuple(json.loads(domains)),
        time_us,
        bucket,
        fingerprint,
        unpacked(pool),
    )


def _check_generations(connection: sqlite3.Connection, impression: Impression) -> None:
    known: dict[str, set[str]] = {}
    for index, member in enumerate(impression.pool):
        if not member.generation:
            continue
        if member.collection not in known:
            known[member.collection] = generations_of(connection, impression.tenant, member.collection)
        if member.generation not in known[member.collection]:
            raise SchemaMismatchError(
                f"pool[{index}].generation is {member.generation[:64]!r}; collection {member.collection!r} does not have it",
                reason="FOREIGN_GENERATION",
                field=f"pool[{index}].generation",
                generation=member.generation[:64],
                collection=member.collection,
            )


def without(pool: Sequence[PoolMember], memory_ids: Mapping[str, object] | set[str]) -> tuple[PoolMember, ...]:
    """Returns a pool without some members."""
    return tuple(member for member in pool if member.memory_id not in memory_ids)
