"""All generations of a collection and what they are for: functions on a connection, the caller owns the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..catalog.collections import Collection, GenerationState
from ..catalog.spaces import Spaces, decode_spaces, encode_spaces
from .due import count_due, forget_due


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of a collection."""

    generation: str
    tenant: str
    collection: str
    state: GenerationState
    spaces: Spaces
    index: str
    """Name of the physical index."""
    create_time_us: int
    embedder_address: str
    """Where the embedder is that makes its vectors; empty if unknown."""
    verified: bool
    """Whether it may take over."""
    change_time_us: int | None
    """When it became what it is; None if no migration touched it."""


_OTHERS = (
    "SELECT g.generation, r.tenant, r.collection, g.state, g.spaces, g.index_name, g.create_time_us, r.embedder_address, r.verified,"
    " r.change_time_us FROM generation_role r JOIN generation g ON g.generation = r.generation WHERE g.state != 1"
)


def other_generations(connection: sqlite3.Connection, tenant: str, collection: str) -> list[Generation]:
    """Reads the generations of a collection beside the one that serves, the one that changed last first."""
    rows = connection.execute(
        f"{_OTHERS} AND r.tenant = ? AND r.collection = ? ORDER BY r.change_time_us DESC, g.generation", (tenant, collection)
    )
    return [_generation(row) for row in rows]


def retired_before(connection: sqlite3.Connection, time_us: int) -> list[Generation]:
    """Reads the generations of all tenants that were retired before a time."""
    retired = int(GenerationState.RETIRED)
    return [_generation(row) for row in connection.execute(f"{_OTHERS} AND g.state = ? AND r.change_time_us < ?", (retired, time_us))]


def every_other_generation(connection: sqlite3.Connection) -> list[Generation]:
    """Reads the generations of all tenants that do not serve."""
    return [_generation(row) for row in connection.execute(_OTHERS)]


def find_other(connection: sqlite3.Connection, generation: str) -> Generation | None:
    """Reads a generation that does not serve; None if there is none of that id."""
    row = connection.execute(f"{_OTHERS} AND g.generation = ?", (generation,)).fetchone()
    return None if row is None else _generation(row)


def serving_generation(connection: sqlite3.Connection, collection: Collection) -> Generation:
    """Reads the generation that serves, with what a migration noted of it."""
    row = connection.execute(
        "SELECT embedder_address, verified, change_time_us FROM generation_role WHERE generation = ?", (collection.generation,)
    ).fetchone()
    address, verified, change_time_us = ("", False, None) if row is None else row
    return Generation(
        collection.generation,
        collection.tenant,
        collection.name,
        collection.state,
        collection.spaces,
        collection.index,
        collection.generation_time_us,
        str(address),
        bool(verified),
        change_time_us,
    )


def insert_generation(connection: sqlite3.Connection, generation: Generation) -> None:
    """Writes a new generation, with its physical index if that is new."""
    spec = generation.spaces.index
    connection.execute(
        "INSERT OR IGNORE INTO vector_index VALUES (?, ?, ?, ?)",
        (spec.name, spec.dimension, spec.dense_fingerprint, spec.lexical_fingerprint),
    )
    connection.execute(
        "INSERT INTO generation VALUES (?, ?, ?, ?, ?)",
        (generation.generation, generation.state, spec.name, encode_spaces(generation.spaces), generation.create_time_us),
    )
    write_role(connection, generation)


def write_role(connection: sqlite3.Connection, generation: Generation) -> None:
    """Writes what a migration makes of a generation, and its state."""
    connection.execute("UPDATE generation SET state = ? WHERE generation = ?", (int(generation.state), generation.generation))
    connection.execute(
        "INSERT OR REPLACE INTO generation_role VALUES (?, ?, ?, ?, ?, ?)",
        (
            generation.generation,
            generation.tenant,
            generation.collection,
            generation.embedder_address,
            generation.verified,
            generation.change_time_us,
        ),
    )


def mark_verified(connection: sqlite3.Connection, generation: str, *, verified: bool) -> None:
    """Notes whether a generation may take over."""
    connection.execute("UPDATE generation_role SET verified = ? WHERE generation = ?", (verified, generation))


def point_to(connection: sqlite3.Connection, collection: Collection, generation: str) -> None:
    """Lets a collection, its memories and their tallies point to another of its generations."""
    connection.execute(
        "UPDATE collection SET generation = ? WHERE tenant = ? AND name = ?", (generation, collection.tenant, collection.name)
    )
    for table in ("memory", "tally"):
        connection.execute(f"UPDATE {table} SET generation = ? WHERE generation = ?", (generation, collection.generation))  # noqa: S608 - constant names


def drop_generation(connection: sqlite3.Connection, generation: str) -> None:
    """Deletes the rows of a generation that does not serve."""
    forget_due(connection, generation)
    for table in ("generation_role", "generation"):
        connection.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))  # noqa: S608 - constant names


def due_counts(connection: sqlite3.Connection, generations: Sequence[Generation]) -> dict[str, int]:
    """Counts what each generation lacks, by its id."""
    return {one.generation: count_due(connection, one.generation).due for one in generations}


def _generation(row: Sequence[object]) -> Generation:
    generation, tenant, collection, state, spaces, index, create_time_us, address, verified, change_time_us = row
    assert isinstance(spaces, bytes)  # noqa: S101 - the column is a BLOB
    return Generation(
        str(generation),
        str(tenant),
        str(collection),
        GenerationState(int(str(state))),
        decode_spaces(spaces),
        str(index),
        int(str(create_time_us)),
        str(address),
        bool(verified),
        int(str(change_time_us)),
    )
