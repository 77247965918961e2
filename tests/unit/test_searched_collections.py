"""What queries need of the catalog is remembered for exactly as long as the catalog is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from atlas.errors import ConflictError, NotFoundError
from services.memory.catalog import collections as catalog
from services.memory.catalog.collections import Collection, GenerationState
from services.memory.catalog.spaces import DenseSpace, LexicalSpace, Spaces
from services.memory.persistence.database import Database, Work, open_database
from services.memory.persistence.durability import Durability
from services.memory.scopes import Scope
from services.memory.search.candidates import Query, SearchedCollections
from services.memory.store import Equals

T = TypeVar("T")

CRASH = Durability.PROCESS_CRASH
SPACES = Spaces(DenseSpace("dense", 4, "encoder/1"), LexicalSpace("lexical", "bm25/1", 85.0))


class CountingDatabase(Database):
    """A database that counts how often it is read."""

    read_count = 0

    async def read(self, work: Work[T]) -> T:
        self.read_count += 1
        return await super().read(work)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[CountingDatabase]:
    database = CountingDatabase(tmp_path / "memory.sqlite3")
    await database.write(lambda connection: catalog.insert_collection(connection, collection("notes")), durability=CRASH)
    yield database
    database.close()


def collection(name: str) -> Collection:
    return Collection("acme", name, True, 1, f"g-{name}", GenerationState.ACTIVE, 1, SPACES, SPACES.index.name)


def query(*names: str, domain: str = "", tenant: str = "acme") -> Query:
    condition = Equals("domain", domain) if domain else None
    return Query(Scope(tenant, "", frozenset()), names, "words", None, 0.0, condition, 20)


def counting(change: int, *, language: str = "en", domain: str = "home") -> Work[None]:
    def work(connection: sqlite3.Connection) -> None:
        catalog.add_to_tallies(connection, {("g-notes", "language", language): change, ("g-notes", "domain", domain): change})

    return work


async def test_the_same_query_is_answered_without_a_second_read(database: CountingDatabase) -> None:
    collections = SearchedCollections(database)
    first = await collections.of(query("notes"))
    assert [one.collection for one in first] == [collection("notes")]
    assert await collections.of(query("notes")) == first
    assert database.read_count == 1


async def test_a_commit_that_changes_a_count_is_seen_by_the_next_query(database: CountingDatabase) -> None:
    collections = SearchedCollections(database)
    assert (await collections.of(query("notes")))[0].memory_count == 0
    await database.write(counting(3), durability=CRASH)
    assert (await collections.of(query("notes")))[0].memory_count == 3
    await database.write(counting(-1), durability=CRASH)
    assert (await collections.of(query("notes")))[0].memory_count == 2


async def test_a_new_a_deleted_and_an_unknown_collection_are_seen_at_once(database: CountingDatabase) -> None:
    collections = SearchedCollections(database)
    assert [one.collection.name for one in await collections.of(query())] == ["notes"]
    with pytest.raises(NotFoundError):
        await collections.of(query("later"))
    await database.write(lambda connection: catalog.insert_collection(connection, collection("later")), durability=CRASH)
    assert [one.collection.name for one in await collections.of(query())] == ["later", "notes"]
    assert [one.collection.name for one in await collections.of(query("later"))] == ["later"]
    await database.write(lambda connection: catalog.delete_collection(connection, collection("later")), durability=CRASH)
    assert [one.collection.name for one in await collections.of(query())] == ["notes"]


async def test_an_update_of_a_row_by_anybody_is_seen(database: CountingDatabase) -> None:
    collections = SearchedCollections(database)
    await collections.of(query())
    hide = "UPDATE collection SET in_search_all = 0 WHERE name = 'notes'"
    await database.write(lambda connection: connection.execute(hide).rowcount, durability=CRASH)
    assert await collections.of(query()) == []


async def test_domains_and_tenants_do_not_share_an_answer(database: CountingDatabase) -> None:
    await database.write(counting(1), durability=CRASH)
    collections = SearchedCollections(database)
    assert (await collections.of(query("notes", domain="home")))[0].domain_known
    assert not (await collections.of(query("notes", domain="work")))[0].domain_known
    with pytest.raises(NotFoundError):
        await collections.of(query("notes", tenant="other"))


async def test_evidence_changes_no_catalog(database: CountingDatabase) -> None:
    before = database.catalog_version
    await database.write(lambda connection: connection.execute("UPDATE sync_mark SET count = count + 1").rowcount, durability=CRASH)
    assert database.catalog_version == before


async def test_a_change_that_is_undone_leaves_what_was(database: CountingDatabase) -> None:
    collections = SearchedCollections(database)

    def refused(connection: sqlite3.Connection) -> None:
        counting(5)(connection)
        raise ConflictError("lost")

    with pytest.raises(ConflictError):
        await database.write(refused, durability=CRASH)
    assert (await collections.of(query("notes")))[0].memory_count == 0


async def test_no_more_kinds_of_query_are_remembered_than_allowed(database: CountingDatabase) -> None:
    collections = SearchedCollections(database, capacity=2)
    for domain in ("a", "b", "c", "c"):
        await collections.of(query("notes", domain=domain))
    assert database.read_count == 4


async def test_a_reopened_database_is_watched_too(tmp_path: Path) -> None:
    path = tmp_path / "again.sqlite3"
    async with open_database(path) as first:
        await first.write(lambda connection: catalog.insert_collection(connection, collection("notes")), durability=CRASH)
    async with open_database(path) as second:
        before = second.catalog_version
        await second.write(counting(1), durability=CRASH)
        assert second.catalog_version == before + 1
