"""Reads and writes the running sums: exact whole numbers by memory and place, and by domain."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from atlas.errors import SchemaMismatchError
from atlas.failpoints import failpoint
from atlas.salience import NOTHING, Channel, Sums

from .records import Part, Place


def to_bytes(number: int) -> bytes:
    """Writes a whole number of 0 or more."""
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def to_sums(positive: bytes, negative: bytes, event_count: int) -> Sums:
    """Reads the sums of a row."""
    return Sums(int.from_bytes(positive, "little"), int.from_bytes(negative, "little"), event_count)


def add(connection: sqlite3.Connection, tenant: str, place: Place, parts: Mapping[str, Part], domains: Mapping[str, str]) -> None:
    """Adds evidence about memories in one place, by memory id; `domains` has the domain of each."""
    key = (place.channel, place.space, place.bucket)
    rows = connection.execute(
        "SELECT memory_id, positive, negative, event_count, last_us FROM salience_state WHERE tenant = ?"
        " AND memory_id IN (SELECT value FROM json_each(?)) AND channel = ? AND space = ? AND bucket = ?",
        (tenant, json.dumps(list(parts)), *key),
    )
    totals = dict(parts)
    for memory_id, positive, negative, event_count, last_us in rows:
        totals[memory_id] += Part(to_sums(positive, negative, event_count), last_us)
    connection.executemany(
        "INSERT OR REPLACE INTO salience_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(tenant, memory_id, *key, *_columns(total.sums), total.last_us) for memory_id, total in totals.items()],
    )
    failpoint("ledger.sums.states")
    change_base(connection, tenant, by_domain((domains[memory_id], place.channel, part.sums) for memory_id, part in parts.items()))
    failpoint("ledger.sums.after")


def by_domain(parts: Iterable[tuple[str, Channel, Sums]]) -> dict[tuple[str, Channel], Sums]:
    """Adds up sums by domain and channel."""
    totals: dict[tuple[str, Channel], Sums] = {}
    for domain, channel, sums in parts:
        totals[domain, channel] = totals.get((domain, channel), NOTHING) + sums
    return totals


def change_base(connection: sqlite3.Connection, tenant: str, parts: Mapping[tuple[str, Channel], Sums], *, sign: int = 1) -> None:
    """Adds sums to the base rates of domains, or with `sign` -1 takes them out."""
    for (domain, channel), part in parts.items():
        row = connection.execute(
            "SELECT positive, negative, event_count FROM salience_base WHERE tenant = ? AND domain = ? AND channel = ?",
            (tenant, domain, channel),
        ).fetchone()
        before = NOTHING if row is None else to_sums(*row)
        put_base(connection, tenant, domain, channel, before + part if sign > 0 else taken(before, part))


def put_base(connection: sqlite3.Connection, tenant: str, domain: str, channel: Channel, sums: Sums) -> None:
    """Writes the sums of a base rate; nothing at all leaves no row."""
    if sums == NOTHING:
        connection.execute("DELETE FROM salience_base WHERE tenant = ? AND domain = ? AND channel = ?", (tenant, domain, channel))
    else:
        connection.execute("INSERT OR REPLACE INTO salience_base VALUES (?, ?, ?, ?, ?, ?)", (tenant, domain, channel, *_columns(sums)))


def put(connection: sqlite3.Connection, tenant: str, memory_id: str, place: Place, part: Part) -> None:
    """Writes the sums of a place; nothing at all leaves no row."""
    key = (tenant, memory_id, place.channel, place.space, place.bucket)
    if part.sums == NOTHING:
        connection.execute(
            "DELETE FROM salience_state WHERE tenant = ? AND memory_id = ? AND channel = ? AND space = ? AND bucket = ?", key
        )
    else:
        row = (*key, *_columns(part.sums), part.last_us)
        connection.execute("INSERT OR REPLACE INTO salience_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def of_memories(connection: sqlite3.Connection, tenant: str, memory_ids: Iterable[str]) -> dict[tuple[str, Place], Part]:
    """Reads all sums of memories."""
    rows = connection.execute(
        "SELECT memory_id, channel, space, bucket, positive, negative, event_count, last_us FROM salience_state"
        " WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))",
        (tenant, json.dumps(list(memory_ids))),
    )
    return {
        (memory_id, Place(Channel(channel), space, bucket)): Part(to_sums(*sums), last_us)
        for memory_id, channel, space, bucket, *sums, last_us in rows
    }


def bases(connection: sqlite3.Connection, tenant: str) -> dict[tuple[str, Channel], Sums]:
    """Reads the sums of all base rates of a tenant, by domain and channel."""
    rows = connection.execute("SELECT domain, channel, positive, negative, event_count FROM salience_base WHERE tenant = ?", (tenant,))
    return {(domain, Channel(channel)): to_sums(*sums) for domain, channel, *sums in rows}


def taken(total: Sums, part: Sums) -> Sums:
    """Takes a part out of a total.

    Raises:
        SchemaMismatchError: The total never held it.
    """
    try:
        return total - part
    except ValueError as error:
        raise SchemaMismatchError(
            "the sums of the ledger do not hold what its events say; nothing was changed: call RebuildSalience", reason="LEDGER_DAMAGED"
        ) from error


def _columns(sums: Sums) -> tuple[bytes, bytes, int]:
    return to_bytes(sums.positive), to_bytes(sums.negative), sums.event_count
