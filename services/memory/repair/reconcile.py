"""Makes catalog and engine agree: lists what only the engine has, and says what only the catalog has."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.collections import Collection
from ..catalog.memory_rows import MemoryRow
from ..persistence.database import Database, Work
from ..persistence.durability import Durability
from ..store import Store, StoredPoint

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of one collection."""

    collection: Collection
    listed_again: int
    """Memories that the engine had and the catalog did not."""
    without_vectors: tuple[str, ...]
    """Ids that the catalog lists and the engine does not hold: their texts are gone."""


async def reconcile(database: Database, store: Store, *, accept_loss: bool) -> list[Reconciled]:
    """Compares every collection; with `accept_loss`, memories without text and vectors leave the catalog."""
    return [await _reconciled(database, store, one, accept_loss=accept_loss) for one in await database.read(catalog.every_collection)]


async def _reconciled(database: Database, store: Store, collection: Collection, *, accept_loss: bool) -> Reconciled:
    listed = await database.read(lambda connection: _ids_of(connection, collection))
    again, after = 0, None
    while True:
        page = await store.scroll(collection.index, collection.generation, None, limit=_PAGE, after=after)
        strange = [row_of(point, collection) for point in page.points if point.memory_id not in listed]
        listed.difference_update(point.memory_id for point in page.points)
        if strange:
            await database.write(_adding(strange), durability=Durability.POWER_LOSS)
        again += len(strange)
        if page.next is None:
            break
        after = page.next
    if listed and accept_loss:
        await database.write(_dropping(collection, sorted(listed)), durability=Durability.POWER_LOSS)
    await database.write(_recount(collection.generation), durability=Durability.POWER_LOSS)
    return Reconciled(collection, again, tuple(sorted(listed)))


def row_of(point: StoredPoint, collection: Collection) -> MemoryRow:
    """Makes the catalog's row of a stored point.

    What the caller stated is not known any more, so the next write of it counts as a change.
    """
    payload = point.payload
    return MemoryRow(
        tenant=collection.tenant,
        memory_id=point.memory_id,
        collection=collection.name,
        generation=collection.generation,
        domain=payload.get("domain", ""),
        source=payload.get("source", ""),
        document_id=payload.get("document_id", ""),
        content_sha256=payload["memory"]["content_sha256"],
        fields_sha256=b"",
        language=payload.get("language", ""),
        content_kind=payload["content_kind"],
        seq=payload["seq"],
        create_time_us=payload["memory"]["create_time"],
    )


def _ids_of(connection: sqlite3.Connection, collection: Collection) -> set[str]:
    return set(memory_rows.ids_of_generation(connection, collection.tenant, collection.generation))


def _adding(rows: Sequence[MemoryRow]) -> Work[None]:
    return lambda connection: memory_rows.put_rows(connection, rows)


def _dropping(collection: Collection, memory_ids: Sequence[str]) -> Work[None]:
    def drop(connection: sqlite3.Connection) -> None:
        memory_rows.delete_rows(connection, list(memory_rows.find_rows(connection, collection.tenant, memory_ids).values()))

    return drop


def _recount(generation: str) -> Work[None]:
    def recount(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM tally WHERE generation = ?", (generation,))
        for field in (catalog.LANGUAGE, catalog.DOMAIN):
            connection.execute(
                f"INSERT INTO tally SELECT generation, ?, {field}, count(*) FROM memory WHERE generation = ? GROUP BY {field}",  # noqa: S608 - two constant names
                (field, generation),
            )

    return recount
