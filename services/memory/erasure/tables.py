"""Erases rows for good: of memories, or of a principal; and looks whether any are left."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec

from atlas.salience import SalienceRule

from ..ledger import impressions, marks, pins, revoking
from ..ledger.forgetting import forget
from ..ledger.revoking import Selector
from ..scopes import Scope

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OF_MEMORY = ("event", "checkpoint", "salience_state", "salience_pin", "memory")
_FEW = 8


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows there were, and are gone."""

    event_count: int
    checkpoint_count: int
    impression_count: int
    replay_count: int


def erase_memories(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> Erased:
    """Erases what is known about memories, in one transaction that is the caller's; to be called while they are in the catalog."""
    ids = json.dumps(list(memory_ids))
    events, checkpoints = _count(connection, "event", tenant, ids), _count(connection, "checkpoint", tenant, ids)
    forget(connection, tenant, list(memory_ids))
    marks.drop(connection, tenant, memory_ids)
    return Erased(events, checkpoints, _take_out_of_pools(connection, tenant, memory_ids), _drop_answers(connection, tenant, memory_ids))


def erase_principal(connection: sqlite3.Connection, scope: Scope, principal: str, rule: SalienceRule, *, time_s: float) -> Erased:
    """Erases all evidence and impressions of a principal that a scope covers, in one transaction that is the caller's."""
    selector = Selector(principals=(principal,))
    checkpoints = _checkpoint_count(connection, scope, principal)
    # First the sums lose it, then the rows go, those that were revoked before too.
    revoking.revoke(connection, scope, selector, rule, time_s=time_s)
    revoked = _rows_of(connection, scope, principal)
    connection.executemany("DELETE FROM event WHERE tenant = ? AND memory_id = ? AND search_id = ? AND kind = ?", revoked)
    for memory_id in {row[1] for row in revoked}:
        pins.restore(connection, scope.tenant, memory_id, pins.newest(connection, scope.tenant, memory_id))
    shown = [
        search_id
        for (search_id,) in connection.execute(
            "SELECT search_id FROM impression WHERE tenant = ? AND principal = ?", (scope.tenant, principal)
        ).fetchall()
        if not scope.domains or impressions.find(connection, scope, search_id) is not None
    ]
    connection.executemany("DELETE FROM impression WHERE tenant = ? AND search_id = ?", [(scope.tenant, one) for one in shown])
    if not scope.domains:
        connection.execute("DELETE FROM salience_budget WHERE tenant = ? AND principal = ?", (scope.tenant, principal))
    return Erased(len(revoked), checkpoints, len(shown), 0)


def memories_remain(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> bool:
    """Whether any row, pool, kept answer or journal entry still names one of the memories."""
    if rows_remain(connection, tenant, memory_ids) or marks.any_of(connection, tenant, memory_ids):
        return True
    keys = {marks.packed(one) for one in memory_ids}
    pools = connection.execute("SELECT pool FROM impression WHERE tenant = ?", (tenant,))
    if any(_names(pool, keys) for (pool,) in pools):
        return True
    return _any_named(connection.execute("SELECT answer FROM replay WHERE tenant = ?", (tenant,)), memory_ids)


def rows_remain(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> bool:
    """Whether any row or journal entry is still about one of the memories.

    Marks, pools and kept answers may name what was deleted, and not erased, before.
    """
    ids = json.dumps(list(memory_ids))
    if any(_count(connection, table, tenant, ids) for table in _OF_MEMORY):
        return True
    return _any_named(connection.execute("SELECT body FROM journal"), memory_ids)


def principal_remains(connection: sqlite3.Connection, scope: Scope, principal: str) -> bool:
    """Whether an event, checkpoint or impression of a principal that the scope covers is left."""
    if _rows_of(connection, scope, principal):
        return True
    if _checkpoint_count(connection, scope, principal):
        return True
    shown = connection.execute("SELECT search_id FROM impression WHERE tenant = ? AND principal = ?", (scope.tenant, principal)).fetchall()
    return any(impressions.find(connection, scope, search_id) is not None for (search_id,) in shown)


def _rows_of(connection: sqlite3.Connection, scope: Scope, principal: str) -> list[tuple[str, str, str, int]]:
    rows = connection.execute(
        "SELECT m.domain, e.tenant, e.memory_id, e.search_id, e.kind FROM event e"
        " JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id WHERE e.tenant = ? AND e.principal = ?",
        (scope.tenant, principal),
    )
    return [(tenant, memory_id, search_id, kind) for domain, tenant, memory_id, search_id, kind in rows if scope.covers(domain)]


def _checkpoint_count(connection: sqlite3.Connection, scope: Scope, principal: str) -> int:
    rows = connection.execute(
        "SELECT m.domain FROM checkpoint e JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id"
        " WHERE e.tenant = ? AND e.principal = ?",
        (scope.tenant, principal),
    )
    return sum(scope.covers(domain) for (domain,) in rows)


def _count(connection: sqlite3.Connection, table: str, tenant: str, ids: str) -> int:
    (count,) = connection.execute(
        f"SELECT count(*) FROM {table} WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, ids),
    ).fetchone()
    return int(count)


def _take_out_of_pools(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> int:
    keys = {marks.packed(one) for one in memory_ids}
    gone = set(memory_ids)
    rows = connection.execute("SELECT search_id, pool FROM impression WHERE tenant = ?", (tenant,))
    changed = [
        (impressions.packed(impressions.without(impressions.unpacked(pool), gone)), tenant, search_id)
        for search_id, pool in rows
        if _names(pool, keys)
    ]
    connection.executemany("UPDATE impression SET pool = ? WHERE tenant = ? AND search_id = ?", changed)
    return len(changed)


def _any_named(bodies: Iterable[tuple[bytes]], memory_ids: Collection[str]) -> bool:
    wanted = {one.encode() for one in memory_ids}
    return any(not wanted.isdisjoint(_UUID.findall(body)) for (body,) in bodies)


def _names(pool: bytes, keys: set[bytes]) -> bool:
    if len(keys) <= _FEW and not any(key in pool for key in keys):
        return False
    _, members = msgspec.msgpack.decode(pool)
    return any(member[0] in keys for member in members)


def _drop_answers(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> int:
    wanted = {one.encode() for one in memory_ids}
    rows = connection.execute("SELECT tenant, method, request_id, answer FROM replay WHERE tenant = ?", (tenant,))
    named = [key for *key, answer in rows if not wanted.isdisjoint(_UUID.findall(answer))]
    connection.executemany("DELETE FROM replay WHERE tenant = ? AND method = ? AND request_id = ?", named)
    return len(named)
