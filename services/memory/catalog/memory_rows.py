"""One slim row a memory: what decides about writes, without its text and vectors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

from ..scopes import Scope


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A stored memory; the fields are the columns of `memory`, in their order."""

    tenant: str
    memory_id: str
    collection: str
    generation: str
    domain: str
    source: str
    document_id: str
    content_sha256: str
    fields_sha256: bytes
    """Digest of all that the caller stated."""
    language: str
    content_kind: str
    seq: int
    """Journal entry that wrote it last."""
    create_time_us: int

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return etag_of(self.seq)

    @property
    def tally_key(self) -> tuple[str, str, str]:
        """What the tallies count it by: generation, language, domain."""
        return self.generation, self.language, self.domain


# `dataclasses.astuple` copies each value, which takes longer than SQLite takes to write the row.
_columns = attrgetter(*(field.name for field in fields(MemoryRow)))


def etag_of(seq: int) -> str:
    """Returns the etag that a memory has after the write `seq`."""
    return f"{seq:x}"


def find_rows(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str]) -> dict[str, MemoryRow]:
    """Reads rows by id; ids that are not stored are left out."""
    rows = connection.execute(
        "SELECT * FROM memory WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?))", (tenant, json.dumps(list(memory_ids)))
    )
    return {row[1]: MemoryRow(*row) for row in rows}


def rows_of_source(connection: sqlite3.Connection, generation: str, source: str) -> list[MemoryRow]:
    """Reads the rows of one source."""
    rows = connection.execute("SELECT * FROM memory WHERE generation = ? AND source = ?", (generation, source))
    return [MemoryRow(*row) for row in rows]


def ids_of_generation(connection: sqlite3.Connection, tenant: str, generation: str) -> list[str]:
    """Reads the ids of all memories of a generation."""
    rows = connection.execute("SELECT memory_id FROM memory WHERE tenant = ? AND generation = ?", (tenant, generation))
    return [memory_id for (memory_id,) in rows]


def put_rows(connection: sqlite3.Connection, rows: Iterable[MemoryRow]) -> None:
    """Writes rows, replacing those of the same ids."""
    connection.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_columns, rows))


def delete_rows(connection: sqlite3.Connection, rows: Iterable[MemoryRow]) -> None:
    """Deletes rows."""
    connection.executemany("DELETE FROM memory WHERE tenant = ? AND memory_id = ?", [(row.tenant, row.memory_id) for row in rows])


def within(scope: Scope, rows: Iterable[MemoryRow]) -> list[MemoryRow]:
    """Returns the rows that the scope covers."""
    return [row for row in rows if row.tenant == scope.tenant and scope.covers(row.domain)]
