"""The transactions of deletions: memories by id, by source or as found by a filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.memory_rows import MemoryRow
from ..generations.siblings import follow_deletions
from ..scopes import Scope
from ..store import DeletePoints, Operation

Forget = Callable[[sqlite3.Connection, str, Sequence[str]], None]
"""Drops what was learnt about memories of a tenant; runs in the transaction that deletes them."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """Outcome of a deletion."""

    count: int
    """Memories that were there."""
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class DeleteIds:
    """Deletes memories by id; ids that are not stored, or not in scope, count nothing."""

    scope: Scope
    collection: str
    """Where they must be; empty = anywhere in the tenant."""
    memory_ids: Sequence[str]
    forget: Forget

    def run(self, connection: sqlite3.Connection) -> Deleted:
        """Deletes the rows and returns what the engine must do."""
        rows = memory_rows.find_rows(connection, self.scope.tenant, self.memory_ids).values()
        wanted = [row for row in rows if self.collection in {"", row.collection}]
        return _deleted(connection, self.scope, wanted, self.forget)


@dataclass(frozen=True, slots=True)
class DeleteSource:
    """Deletes all memories of a source in a collection."""

    scope: Scope
    collection: str
    source: str
    forget: Forget

    def run(self, connection: sqlite3.Connection) -> Deleted:
        """Deletes the rows and returns what the engine must do.

        Raises:
            NotFoundError: The collection does not exist.
        """
        collection = catalog.get_collection(connection, self.scope.tenant, self.collection, field="collection")
        rows = memory_rows.rows_of_source(connection, collection.generation, self.source)
        return _deleted(connection, self.scope, rows, self.forget)


@dataclass(frozen=True, slots=True)
class DeleteFound:
    """Deletes memories that a filter found, but not those that were written since: they may no longer match."""

    scope: Scope
    found: Mapping[str, int]
    """Journal entry that had written each memory when it was found, by id."""
    forget: Forget

    def run(self, connection: sqlite3.Connection) -> Deleted:
        """Deletes the rows and returns what the engine must do."""
        rows = memory_rows.find_rows(connection, self.scope.tenant, list(self.found)).values()
        return _deleted(connection, self.scope, [row for row in rows if row.seq == self.found[row.memory_id]], self.forget)


Deletion = DeleteIds | DeleteSource | DeleteFound
"""A checked request; runs inside the writer's transaction."""


def delete_rows(connection: sqlite3.Connection, tenant: str, rows: Sequence[MemoryRow], forget: Forget) -> tuple[Operation, ...]:
    """Deletes rows with what was learnt about them, and returns what the engine must do."""
    if not rows:
        return ()
    forget(connection, tenant, [row.memory_id for row in rows])
    memory_rows.delete_rows(connection, rows)
    catalog.add_to_tallies(connection, catalog.tally_changes((), (row.tally_key for row in rows)))
    by_generation: dict[str, list[str]] = {}
    for row in rows:
        by_generation.setdefault(row.generation, []).append(row.memory_id)
    deletions = tuple(
        DeletePoints(catalog.index_of(connection, generation), generation, tuple(memory_ids))
        for generation, memory_ids in by_generation.items()
    )
    return (*deletions, *follow_deletions(connection, tenant, rows))


def _deleted(connection: sqlite3.Connection, scope: Scope, rows: Sequence[MemoryRow], forget: Forget) -> Deleted:
    covered = memory_rows.within(scope, rows)
    return Deleted(len(covered), delete_rows(connection, scope.tenant, covered, forget))
