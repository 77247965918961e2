"""Marks memories whose payload in the store is behind what the ledger says of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping

from atlas.failpoints import failpoint

from ..generations.siblings import siblings_of

ID_BYTES = 16
"""Length of a packed memory id."""
_LARGEST = 256
"""Most memories of one mark."""


def mark(connection: sqlite3.Connection, tenant: str, memory_ids: Iterable[str]) -> None:
    """Marks memories, in the transaction that changed what is known about them: one row for a search."""
    keys = [packed(one) for one in memory_ids]
    for begin in range(0, len(keys), _LARGEST):
        body = b"".join(keys[begin : begin + _LARGEST])
        connection.execute("INSERT INTO salience_mark (tenant, memory_ids) VALUES (?, ?)", (tenant, body))
        failpoint("ledger.mark.after")


def mark_learnt(connection: sqlite3.Connection, generation: str) -> None:
    """Marks every memory of a generation of which anything is known: its points may say something older."""
    by_tenant: dict[str, list[str]] = {}
    rows = connection.execute(
        "SELECT m.tenant, m.memory_id FROM memory m WHERE m.generation = ? AND ("
        "EXISTS (SELECT 1 FROM salience_state s WHERE s.tenant = m.tenant AND s.memory_id = m.memory_id)"
        " OR EXISTS (SELECT 1 FROM salience_pin p WHERE p.tenant = m.tenant AND p.memory_id = m.memory_id))",
        (generation,),
    )
    for tenant, memory_id in rows:
        by_tenant.setdefault(tenant, []).append(memory_id)
    for tenant, memory_ids in by_tenant.items():
        mark(connection, tenant, memory_ids)


def marked(connection: sqlite3.Connection, *, after: int, limit: int) -> tuple[dict[tuple[str, str], int], int]:
    """Reads the next marks: at least one where there is one, else at most `limit` memories.

    Returns:
        The sequence of each memory's newest mark by (tenant, memory id), and the last sequence that was read (`after` if there is none).
    """
    found: dict[tuple[str, str], int] = {}
    last = after
    rows = connection.execute("SELECT sequence, tenant, memory_ids FROM salience_mark WHERE sequence > ? ORDER BY sequence", (after,))
    for sequence, tenant, body in rows:
        new = {(tenant, memory_id): sequence for memory_id in unpacked(body)}
        if found and len(found.keys() | new.keys()) > limit:
            break
        found |= new
        last = sequence
    return found, last


def clear(connection: sqlite3.Connection, *, through: int) -> int:
    """Deletes the marks up to a sequence, which the store has on disk, and says how many."""
    return connection.execute("DELETE FROM salience_mark WHERE sequence <= ?", (through,)).rowcount


def drop(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> None:
    """Takes memories out of the marks."""
    gone = set(memory_ids)
    for sequence, body in connection.execute("SELECT sequence, memory_ids FROM salience_mark WHERE tenant = ?", (tenant,)).fetchall():
        left = b"".join(packed(one) for one in unpacked(body) if one not in gone)
        if not left:
            connection.execute("DELETE FROM salience_mark WHERE sequence = ?", (sequence,))
        elif left != body:
            connection.execute("UPDATE salience_mark SET memory_ids = ? WHERE sequence = ?", (left, sequence))


def any_of(connection: sqlite3.Connection, tenant: str, memory_ids: Collection[str]) -> bool:
    """Whether one of the memories is marked."""
    wanted = set(memory_ids)
    rows = connection.execute("SELECT memory_ids FROM salience_mark WHERE tenant = ?", (tenant,))
    return any(not wanted.isdisjoint(unpacked(body)) for (body,) in rows)


def places(connection: sqlite3.Connection, memories: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
    """Reads where memories may be stored: index and generation, first of the one that serves, by (tenant, memory id).

    The other generations of their collection may serve again, and then say what was learnt or taken back meanwhile. Memories that are
    gone are left out.
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    others: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for tenant, memory_id in memories:
        row = connection.execute(
            "SELECT m.collection, g.index_name, m.generation FROM memory m JOIN generation g ON g.generation = m.generation"
            " WHERE m.tenant = ? AND m.memory_id = ?",
            (tenant, memory_id),
        ).fetchone()
        if row is not None:
            collection, *serving = row
            if (tenant, collection) not in others:
                others[tenant, collection] = [(one.index, one.generation) for one in siblings_of(connection, tenant, collection)]
            found[tenant, memory_id] = [tuple(serving), *others[tenant, collection]]
    return found


def packed(memory_id: str) -> bytes:
    """Returns a memory id in 16 bytes."""
    return bytes.fromhex(memory_id.replace("-", ""))


def unpacked(body: bytes) -> Iterator[str]:
    """Returns the ids of 16 bytes each in text."""
    digits = body.hex()
    for begin in range(0, len(digits), 2 * ID_BYTES):
        one = digits[begin : begin + 2 * ID_BYTES]
        yield f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}"
