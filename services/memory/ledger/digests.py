"""Digests of what a tenant has: equal content gives equal digests, in whatever order it came."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from atlas.salience import SalienceRule

from ..scopes import Scope
from . import impressions
from .folding import fold

_PAGE = 500
_MEMORY = (
    "SELECT domain, memory_id, collection, source, document_id, content_sha256, fields_sha256 FROM memory WHERE tenant = ?"
    " ORDER BY memory_id"
)
_OF_MEMORIES = (
    "SELECT m.domain, e.* FROM {table} e JOIN memory m ON m.tenant = e.tenant AND m.memory_id = e.memory_id"
    " WHERE e.tenant = ? ORDER BY {key}"
)
_STATE_KEY = "e.memory_id, e.channel, e.space, e.bucket"


@dataclass(frozen=True, slots=True)
class Digest:
    """Digests with what they are over; SHA-256 in 64 hexadecimal digits."""

    memory_sha256: str
    ledger_sha256: str
    state_sha256: str
    impression_sha256: str
    memory_count: int
    event_count: int
    """Events that count, those in checkpoints included."""
    state_count: int
    impression_count: int
    consistent: bool | None
    """Whether the sums are what a fold of the ledger gives; None unless it was asked."""


def digest(connection: sqlite3.Connection, scope: Scope, rule: SalienceRule, *, verify: bool) -> Digest:
    """Digests what a scope covers, on one snapshot; changes nothing.

    Tables are read in the order of their keys, which are the same whatever the order of the writes was.
    """
    memories, events, state, shown = _Stream(), _Stream(), _Stream(), _Stream()
    tenant = scope.tenant
    memories.add(_covered(connection.execute(_MEMORY, (tenant,)), scope))
    events.add(_table(connection, "event", "e.memory_id, e.search_id, e.kind", scope))
    events.add(_table(connection, "checkpoint", f"{_STATE_KEY}, e.principal, e.source_class, e.kind, e.calibration_version", scope))
    state.add(_table(connection, "salience_state", _STATE_KEY, scope))
    state_count = state.count
    state.add(_table(connection, "salience_pin", "e.memory_id", scope))
    base = "SELECT domain, domain, channel, positive, negative, event_count FROM salience_base WHERE tenant = ? ORDER BY domain, channel"
    state.add(_covered(connection.execute(base, (tenant,)), scope))
    shown.add(_impressions(connection, scope))
    return Digest(
        memory_sha256=memories.hexdigest(),
        ledger_sha256=events.hexdigest(),
        state_sha256=state.hexdigest(),
        impression_sha256=shown.hexdigest(),
        memory_count=memories.count,
        event_count=_event_count(connection, scope),
        state_count=state_count,
        impression_count=shown.count,
        consistent=fold(connection, scope, rule).changed_count == 0 if verify else None,
    )


class _Stream:
    """Hashes rows; hashes of long pieces leave the interpreter's lock to others."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
        self.count = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Adds the rows of a table, in their order."""
        page: list[bytes] = []
        for row in rows:
            page.append(self._encode(row))
            if len(page) == _PAGE:
                self._take(page)
                page = []
        self._take(page)
        # What ends one table cannot begin the next.
        self._hash.update(b"\0")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def _take(self, page: list[bytes]) -> None:
        self.count += len(page)
        self._hash.update(b"".join(page))


def _table(connection: sqlite3.Connection, table: str, key: str, scope: Scope) -> Iterator[Sequence[Any]]:
    rows = _covered(connection.execute(_OF_MEMORIES.format(table=table, key=key), (scope.tenant,)), scope)
    # Without the tenant: two tenants with the same content have the same digests.
    return (row[1:] for row in rows)


def _covered(rows: Iterable[Sequence[Any]], scope: Scope) -> Iterator[Sequence[Any]]:
    """Returns the rows, without their first column, whose first column is a domain in scope."""
    return (row[1:] for row in rows if scope.covers(row[0]))


def _impressions(connection: sqlite3.Connection, scope: Scope) -> Iterator[Sequence[Any]]:
    columns = "search_id, principal, source_class, domains, time_us, bucket, fingerprint, pool"
    rows = connection.execute(f"SELECT {columns} FROM impression WHERE tenant = ? ORDER BY search_id", (scope.tenant,))
    if not scope.domains:
        yield from rows
        return
    for row in rows.fetchall():
        seen = impressions.find(connection, scope, row[0])
        if seen is not None:
            yield (*row[:-1], impressions.packed(seen.pool))


def _event_count(connection: sqlite3.Connection, scope: Scope) -> int:
    within = " AND domain IN (SELECT value FROM json_each(:domains))" if scope.domains else ""
    (count,) = connection.execute(
        "WITH mine AS (SELECT memory_id FROM memory WHERE tenant = :tenant" + within + ")"
        " SELECT (SELECT count(*) FROM event WHERE tenant = :tenant AND NOT revoked AND memory_id IN mine)"
        " + (SELECT coalesce(sum(event_count), 0) FROM checkpoint WHERE tenant = :tenant AND memory_id IN mine)",
        {"tenant": scope.tenant, "domains": json.dumps(sorted(scope.domains))},
    ).fetchone()
    return int(count)
