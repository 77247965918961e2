"""Collections and their generations: functions on a connection, the caller owns the transaction."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from atlas.errors import NotFoundError

from ..store import IndexSpec
from .spaces import Spaces, decode_spaces, encode_spaces

LANGUAGE = "language"
DOMAIN = "domain"


_WATCHED = ("collection", "generation", "tally")


class GenerationState(IntEnum):
    """State of a generation; the numbers are those of the contract."""

    ACTIVE = 1
    BUILDING = 2
    RETIRED = 3


@dataclass(frozen=True, slots=True)
class Collection:
    """A name in a tenant with the generation that it points to."""

    tenant: str
    name: str
    in_search_all: bool
    create_time_us: int
    """Microseconds since the epoch."""
    generation: str
    state: GenerationState
    generation_time_us: int
    """When the generation was created, in microseconds since the epoch."""
    spaces: Spaces
    index: str
    """Name of the physical index."""


_COLLECTION = (
    "SELECT c.tenant, c.name, c.in_search_all, c.create_time_us, g.generation, g.state, g.create_time_us, g.spaces, g.index_name"
    " FROM collection c JOIN generation g ON g.generation = c.generation WHERE c.tenant = ?"
)


def watch(connection: sqlite3.Connection, changed: Callable[[], None]) -> None:
    """Has `changed` called, in the writing thread, whenever this connection writes a row that `Collection` or a count is made of.

    SQLite itself watches: whoever writes to the catalog, now or later, cannot forget to say so.
    """
    connection.create_function("catalog_changed", 0, changed)
    for table in _WATCHED:
        for event in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TEMP TRIGGER {table}_{event.lower()} AFTER {event} ON main.{table} BEGIN SELECT catalog_changed(); END"
            )


def find_collection(connection: sqlite3.Connection, tenant: str, name: str) -> Collection | None:
    """Reads one collection; None if there is none of that name."""
    row = connection.execute(f"{_COLLECTION} AND c.name = ?", (tenant, name)).fetchone()
    return None if row is None else _collection(row)


def get_collection(connection: sqlite3.Connection, tenant: str, name: str, *, field: str) -> Collection:
    """Reads one collection.

    Raises:
        NotFoundError: There is none of that name.
    """
    found = find_collection(connection, tenant, name)
    if found is None:
        raise NotFoundError(f"collection {name!r} does not exist", reason="COLLECTION_NOT_FOUND", field=field, collection=name)
    return found


def list_collections(connection: sqlite3.Connection, tenant: str, *, after: str, limit: int) -> list[Collection]:
    """Reads collections by name, those behind `after`."""
    rows = connection.execute(f"{_COLLECTION} AND c.name > ? ORDER BY c.name LIMIT ?", (tenant, after, limit))
    return [_collection(row) for row in rows]


def searchable_collections(connection: sqlite3.Connection, tenant: str) -> list[Collection]:
    """Reads the collections that "search all" includes, by name."""
    return [_collection(row) for row in connection.execute(f"{_COLLECTION} AND c.in_search_all ORDER BY c.name", (tenant,))]


def every_collection(connection: sqlite3.Connection) -> list[Collection]:
    """Reads the collections of all tenants."""
    tenants = connection.execute("SELECT DISTINCT tenant FROM collection ORDER BY tenant").fetchall()
    return [_collection(row) for (tenant,) in tenants for row in connection.execute(f"{_COLLECTION} ORDER BY c.name", (tenant,))]


def insert_collection(connection: sqlite3.Connection, collection: Collection) -> None:
    """Writes a collection and its generation."""
    spec = collection.spaces.index
    connection.execute(
        "INSERT OR IGNORE INTO vector_index VALUES (?, ?, ?, ?)",
        (spec.name, spec.dimension, spec.dense_fingerprint, spec.lexical_fingerprint),
    )
    connection.execute(
        "INSERT INTO generation VALUES (?, ?, ?, ?, ?)",
        (collection.generation, collection.state, spec.name, encode_spaces(collection.spaces), collection.generation_time_us),
    )
    connection.execute(
        "INSERT INTO collection VALUES (?, ?, ?, ?, ?)",
        (collection.tenant, collection.name, collection.generation, collection.in_search_all, collection.create_time_us),
    )


def delete_collection(connection: sqlite3.Connection, collection: Collection) -> None:
    """Deletes a collection with its generation, its memory rows and their tallies."""
    connection.execute("DELETE FROM collection WHERE tenant = ? AND name = ?", (collection.tenant, collection.name))
    for table in ("memory", "tally", "generation"):
        connection.execute(f"DELETE FROM {table} WHERE generation = ?", (collection.generation,))  # noqa: S608 - constant names


def index_specs(connection: sqlite3.Connection) -> list[IndexSpec]:
    """Reads every physical index that ever held a generation: the journal may still write to one without any."""
    return [IndexSpec(*row) for row in connection.execute("SELECT * FROM vector_index ORDER BY name")]


def index_of(connection: sqlite3.Connection, generation: str) -> str:
    """Reads the name of the physical index of a generation that exists."""
    (name,) = connection.execute("SELECT index_name FROM generation WHERE generation = ?", (generation,)).fetchone()
    return str(name)


def add_to_tallies(connection: sqlite3.Connection, changes: Mapping[tuple[str, str, str], int]) -> None:
    """Adds to the counts of memories by (generation, field, value); a count of 0 is dropped."""
    rows = [(*key, change) for key, change in changes.items() if change]
    connection.executemany(
        "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET memory_count = memory_count + excluded.memory_count", rows
    )
    connection.executemany(
        "DELETE FROM tally WHERE generation = ? AND field = ? AND value = ? AND memory_count = 0", [row[:3] for row in rows]
    )


def tally_changes(added: Iterable[tuple[str, str, str]], removed: Iterable[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """Counts what rows of (generation, language, domain) add to and take from the tallies."""
    changes: Counter[tuple[str, str, str]] = Counter()
    for sign, rows in ((1, added), (-1, removed)):
        for generation, language, domain in rows:
            changes[generation, LANGUAGE, language] += sign
            changes[generation, DOMAIN, domain] += sign
    return changes


def languages_of(connection: sqlite3.Connection, generation: str, domains: Iterable[str] = ()) -> dict[str, int]:
    """Counts a generation's memories by language, or only those in `domains` where any are given; the sum is all of them."""
    if not domains:
        rows = connection.execute("SELECT value, memory_count FROM tally WHERE generation = ? AND field = ?", (generation, LANGUAGE))
    else:
        rows = connection.execute(
            "SELECT language, count(*) FROM memory WHERE generation = ? AND domain IN (SELECT value FROM json_each(?)) GROUP BY language",
            (generation, json.dumps(sorted(domains))),
        )
    return dict(rows.fetchall())


def count_in(connection: sqlite3.Connection, generation: str, domains: Iterable[str]) -> int:
    """Counts a generation's memories in `domains`."""
    rows = connection.execute(
        "SELECT sum(memory_count) FROM tally WHERE generation = ? AND field = ? AND value IN (SELECT value FROM json_each(?))",
        (generation, DOMAIN, json.dumps(sorted(domains))),
    )
    return int(rows.fetchone()[0] or 0)


def _collection(row: Sequence[object]) -> Collection:
    tenant, name, in_search_all, create_time_us, generation, state, generation_time_us, spaces, index = row
    assert isinstance(spaces, bytes)  # noqa: S101 - the column is a BLOB
    return Collection(
        tenant=str(tenant),
        name=str(name),
        in_search_all=bool(in_search_all),
        create_time_us=int(str(create_time_us)),
        generation=str(generation),
        state=GenerationState(int(str(state))),
        generation_time_us=int(str(generation_time_us)),
        spaces=decode_spaces(spaces),
        index=str(index),
    )
