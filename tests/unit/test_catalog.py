"""The catalog: collections, slim memory rows and the counts that are kept in step with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from atlas.errors import NotFoundError
from services.memory.catalog import collections as catalog
from services.memory.catalog import memory_rows
from services.memory.catalog.collections import Collection, GenerationState
from services.memory.catalog.memory_rows import MemoryRow
from services.memory.catalog.spaces import DenseSpace, LexicalSpace, Spaces
from services.memory.memories.deletions import DeleteFound, DeleteIds, DeleteSource
from services.memory.persistence import schema
from services.memory.scopes import Scope
from services.memory.store import DeletePoints

SPACES = Spaces(DenseSpace("dense", 4, "encoder/1"), LexicalSpace("lexical", "bm25/1", 85.0))
ALL = Scope("acme", "", frozenset())


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema.TABLES)
    yield connection
    connection.close()


def collection(name: str, *, tenant: str = "acme", in_search_all: bool = True) -> Collection:
    return Collection(tenant, name, in_search_all, 1, f"g-{tenant}-{name}", GenerationState.ACTIVE, 1, SPACES, SPACES.index.name)


def row(name: str, **fields: object) -> MemoryRow:
    base = MemoryRow("acme", name, "notes", "g-acme-notes", "home", "file://h/a", "a", "00", b"0", "en", "TEXT", 1, 1)
    return replace(base, **fields)  # type: ignore[arg-type]


def store(connection: sqlite3.Connection, *rows: MemoryRow) -> None:
    memory_rows.put_rows(connection, rows)
    catalog.add_to_tallies(connection, catalog.tally_changes((one.tally_key for one in rows), ()))


def forget(forgotten: list[str]):
    return lambda connection, tenant, memory_ids: forgotten.extend(memory_ids)


def test_a_collection_comes_back_as_it_was_written(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    assert catalog.find_collection(connection, "acme", "notes") == collection("notes")


def test_collections_of_other_tenants_are_not_seen(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    catalog.insert_collection(connection, collection("notes", tenant="other"))
    assert [one.tenant for one in catalog.list_collections(connection, "acme", after="", limit=9)] == ["acme"]
    with pytest.raises(NotFoundError):
        catalog.get_collection(connection, "third", "notes", field="name")


def test_search_all_leaves_out_those_that_say_so(connection: sqlite3.Connection) -> None:
    for name, in_search_all in (("b", True), ("a", True), ("c", False)):
        catalog.insert_collection(connection, collection(name, in_search_all=in_search_all))
    assert [one.name for one in catalog.searchable_collections(connection, "acme")] == ["a", "b"]


def test_equal_spaces_share_an_index_and_other_ones_do_not() -> None:
    assert SPACES.index.name == Spaces(SPACES.dense, LexicalSpace("words", "bm25/1", 85.0)).index.name
    assert SPACES.index.name != Spaces(DenseSpace("dense", 4, "encoder/2"), SPACES.lexical).index.name


def test_tallies_follow_the_rows(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1"), row("m2", domain="work"), row("m3", language="de"))
    assert catalog.languages_of(connection, "g-acme-notes") == {"en": 2, "de": 1}
    assert catalog.languages_of(connection, "g-acme-notes", {"work"}) == {"en": 1}
    assert catalog.count_in(connection, "g-acme-notes", {"work", "away"}) == 1
    DeleteIds(ALL, "", ["m3", "m2", "unknown"], forget([])).run(connection)
    assert catalog.languages_of(connection, "g-acme-notes") == {"en": 1}
    assert catalog.count_in(connection, "g-acme-notes", {"work"}) == 0


def test_a_deletion_forgets_what_was_learnt_and_tells_the_engine(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1"), row("m2"))
    forgotten: list[str] = []
    deleted = DeleteIds(ALL, "", ["m1", "m1"], forget(forgotten)).run(connection)
    assert deleted.count == 1
    assert deleted.operations == (DeletePoints(SPACES.index.name, "g-acme-notes", ("m1",)),)
    assert forgotten == ["m1"]


def test_a_source_is_deleted_within_scope_only(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1"), row("m2", domain="work"), row("m3", source="file://h/b"))
    narrow = Scope("acme", "", frozenset({"work"}))
    assert DeleteSource(narrow, "notes", "file://h/a", forget([])).run(connection).count == 1
    assert sorted(memory_rows.find_rows(connection, "acme", ["m1", "m2", "m3"])) == ["m1", "m3"]


def test_what_a_filter_found_is_kept_if_it_was_written_since(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1", seq=1), row("m2", seq=5))
    assert DeleteFound(ALL, {"m1": 1, "m2": 2}, forget([])).run(connection).count == 1
    assert list(memory_rows.find_rows(connection, "acme", ["m1", "m2"])) == ["m2"]


def test_ids_of_another_collection_stay_when_a_collection_is_named(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1"))
    assert DeleteIds(ALL, "mail", ["m1"], forget([])).run(connection).count == 0
    assert DeleteIds(ALL, "notes", ["m1"], forget([])).run(connection).count == 1


def test_deleting_a_collection_keeps_its_index_for_the_journal(connection: sqlite3.Connection) -> None:
    catalog.insert_collection(connection, collection("notes"))
    store(connection, row("m1"))
    catalog.delete_collection(connection, collection("notes"))
    assert catalog.find_collection(connection, "acme", "notes") is None
    assert memory_rows.find_rows(connection, "acme", ["m1"]) == {}
    assert catalog.languages_of(connection, "g-acme-notes") == {}
    assert catalog.index_specs(connection) == [SPACES.index]
