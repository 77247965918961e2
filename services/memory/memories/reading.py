"""Reads memories back: the catalog says where they are, the store has them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from atlas.errors import InvalidInputError

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.collections import Collection
from ..catalog.memory_rows import MemoryRow
from ..generations import roles
from ..persistence.database import Database
from ..scopes import Scope
from ..store import Page, Store, StoredPoint, StoreFilter


@dataclass(frozen=True, slots=True)
class StoredMemory:
    """A memory with where it is."""

    row: MemoryRow
    point: StoredPoint


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing goes on."""

    generation: str
    """Generation in whose order it is read."""
    after: str | None
    """The store's own cursor; None at the beginning."""


class MemoryReader:
    """Reads memories within a scope."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    async def by_ids(self, scope: Scope, memory_ids: Sequence[str], *, timeout_s: float) -> dict[str, StoredMemory]:
        """Reads memories of a tenant by id; those that are not stored, or not in scope, are left out."""
        rows, indexes = await self._database.read(lambda connection: _rows(connection, scope, memory_ids))
        by_generation: dict[str, list[MemoryRow]] = {}
        for row in rows:
            by_generation.setdefault(row.generation, []).append(row)
        answers = await asyncio.gather(
            *(
                self._store.retrieve(indexes[generation], generation, [row.memory_id for row in listed], timeout_s=timeout_s)
                for generation, listed in by_generation.items()
            )
        )
        points = {memory_id: point for answer in answers for memory_id, point in answer.items()}
        return {row.memory_id: StoredMemory(row, points[row.memory_id]) for row in rows if row.memory_id in points}

    async def collection(self, scope: Scope, name: str) -> Collection:
        """Reads a collection.

        Raises:
            NotFoundError: It does not exist.
        """
        return await self._database.read(lambda connection: catalog.get_collection(connection, scope.tenant, name, field="collection"))

    async def page(
        self, scope: Scope, collection: Collection, condition: StoreFilter | None, *, limit: int, after: str | None, timeout_s: float
    ) -> Page:
        """Reads a page of a collection's memories in the store's own order."""
        return await self._store.scroll(
            collection.index, collection.generation, scope.narrowed(condition), limit=limit, after=after, timeout_s=timeout_s
        )

    async def listed(
        self, scope: Scope, collection: Collection, condition: StoreFilter | None, *, limit: int, place: Place, timeout_s: float
    ) -> Page:
        """Reads a page of a listing. One that began before a switch goes on in the order of its generation, with what serves now.

        Raises:
            InvalidInputError: That generation is not kept any more.
        """
        if place.generation == collection.generation:
            return await self.page(scope, collection, condition, limit=limit, after=place.after, timeout_s=timeout_s)
        kept = await self._database.read(lambda connection: roles.find_other(connection, place.generation))
        if kept is None or (kept.tenant, kept.collection) != (collection.tenant, collection.name):
            raise InvalidInputError(
                "page_token belongs to a generation that is not kept any more; begin again without it",
                reason="FOREIGN_PAGE_TOKEN",
                field="page_token",
            )
        before = replace(collection, generation=kept.generation, index=kept.index)
        page = await self.page(scope, before, condition, limit=limit, after=place.after, timeout_s=timeout_s)
        current = await self.by_ids(scope, [point.memory_id for point in page.points], timeout_s=timeout_s)
        return Page(tuple(current[point.memory_id].point for point in page.points if point.memory_id in current), page.next)

    async def count(self, scope: Scope, collection: Collection, condition: StoreFilter | None, *, timeout_s: float) -> int:
        """Counts a collection's memories."""
        return await self._store.count(collection.index, collection.generation, scope.narrowed(condition), timeout_s=timeout_s)

    async def found(self, scope: Scope, collection: Collection, condition: StoreFilter, *, timeout_s: float) -> dict[str, int]:
        """Reads the ids of all memories that match, each with the journal entry that wrote it."""
        found: dict[str, int] = {}
        after: str | None = None
        while True:
            page = await self.page(scope, collection, condition, limit=_FOUND_PAGE, after=after, timeout_s=timeout_s)
            found.update((point.memory_id, point.payload["seq"]) for point in page.points)
            if page.next is None:
                return found
            after = page.next


_FOUND_PAGE = 1_000


def checked_place(token: str | None, collection: Collection) -> Place:
    """Returns where a listing goes on; without a token, at the beginning of what serves."""
    if token is None:
        return Place(collection.generation, None)
    generation, _, after = token.partition(" ")
    return Place(generation, after)


def _rows(connection: sqlite3.Connection, scope: Scope, memory_ids: Sequence[str]) -> tuple[list[MemoryRow], dict[str, str]]:
    rows = memory_rows.within(scope, memory_rows.find_rows(connection, scope.tenant, memory_ids).values())
    return rows, {generation: catalog.index_of(connection, generation) for generation in {row.generation for row in rows}}
