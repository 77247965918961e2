"""Lets the other generations of a collection follow its writes and deletions, in the transaction that makes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atlas.failpoints import failpoint

from ..catalog.memory_rows import MemoryRow
from ..store import DeleteGeneration, DeletePoints, Operation, Payload, ReplacePayloads
from .due import mark_due, mark_filled
from .roles import drop_generation


@dataclass(frozen=True, slots=True)
class Sibling:
    """A generation beside the one that serves."""

    generation: str
    index: str


def siblings_of(connection: sqlite3.Connection, tenant: str, collection: str) -> list[Sibling]:
    """Reads the generations of a collection that do not serve."""
    rows = connection.execute(
        "SELECT r.generation, g.index_name FROM generation_role r JOIN generation g ON g.generation = r.generation"
        " WHERE r.tenant = ? AND r.collection = ? AND g.state != 1",
        (tenant, collection),
    )
    return [Sibling(*row) for row in rows]


def follow_writes(
    connection: sqlite3.Connection, tenant: str, rows: Iterable[MemoryRow], payloads: Mapping[str, Payload]
) -> tuple[Operation, ...]:
    """Returns what a write means to the other generations, and notes which vectors they lack now.

    Args:
        connection: Where the rows were written.
        tenant: Whose they are.
        rows: What was written.
        payloads: Of these, by memory id, those that kept their vectors: they belong to the text, which is the same in every generation.
    """
    operations: list[Operation] = []
    for collection, memory_ids in _by_collection(rows).items():
        kept = {memory_id: payloads[memory_id] for memory_id in memory_ids if memory_id in payloads}
        for sibling in siblings_of(connection, tenant, collection):
            mark_due(connection, sibling.generation, (memory_id for memory_id in memory_ids if memory_id not in kept))
            failpoint("generation.follow.due")
            if kept:
                operations.append(ReplacePayloads(sibling.index, sibling.generation, kept))
    return tuple(operations)


def follow_deletions(connection: sqlite3.Connection, tenant: str, rows: Iterable[MemoryRow]) -> tuple[Operation, ...]:
    """Returns what a deletion means to the other generations."""
    operations: list[Operation] = []
    for collection, memory_ids in _by_collection(rows).items():
        for sibling in siblings_of(connection, tenant, collection):
            mark_filled(connection, sibling.generation, memory_ids)
            operations.append(DeletePoints(sibling.index, sibling.generation, tuple(memory_ids)))
    return tuple(operations)


def drop_siblings(connection: sqlite3.Connection, tenant: str, collection: str) -> tuple[Operation, ...]:
    """Deletes the generations beside the one that serves, for a collection that goes away."""
    siblings = siblings_of(connection, tenant, collection)
    for sibling in siblings:
        drop_generation(connection, sibling.generation)
    connection.execute("DELETE FROM generation_role WHERE tenant = ? AND collection = ?", (tenant, collection))
    return tuple(DeleteGeneration(sibling.index, sibling.generation) for sibling in siblings)


def _by_collection(rows: Iterable[MemoryRow]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.collection, []).append(row.memory_id)
    return found
