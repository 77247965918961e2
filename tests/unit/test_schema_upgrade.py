"""A data folder of the first released schema opens with this version, and has every table that a new one has."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from services.memory.catalog import collections as catalog
from services.memory.catalog.collections import Collection, GenerationState
from services.memory.catalog.spaces import DenseSpace, LexicalSpace, Spaces
from services.memory.persistence import schema
from services.memory.persistence.database import open_database

VERSION_1_LEDGER = """
CREATE TABLE impression (
  tenant TEXT NOT NULL, search_id TEXT NOT NULL, principal TEXT NOT NULL, time_s REAL NOT NULL, bucket INTEGER,
  fingerprint TEXT NOT NULL, pool BLOB NOT NULL,
  PRIMARY KEY (tenant, search_id)) WITHOUT ROWID;
CREATE INDEX impression_time ON impression (time_s);
CREATE TABLE event (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, search_id TEXT NOT NULL, kind INTEGER NOT NULL,
  domain TEXT NOT NULL, principal TEXT NOT NULL,
  raw_score REAL NOT NULL, score_kind INTEGER NOT NULL, relevance REAL NOT NULL, calibration_version TEXT NOT NULL,
  rank_before_salience INTEGER NOT NULL, weight REAL NOT NULL, bucket INTEGER NOT NULL, time_s REAL NOT NULL,
  PRIMARY KEY (tenant, memory_id, search_id, kind)) WITHOUT ROWID;
CREATE TABLE salience_state (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, bucket INTEGER NOT NULL,
  positive REAL NOT NULL, negative REAL NOT NULL, time_s REAL NOT NULL, event_count INTEGER NOT NULL,
  PRIMARY KEY (tenant, memory_id, bucket)) WITHOUT ROWID;
CREATE TABLE salience_prior (
  tenant TEXT NOT NULL, domain TEXT NOT NULL, positive REAL NOT NULL, negative REAL NOT NULL, time_s REAL NOT NULL,
  PRIMARY KEY (tenant, domain)) WITHOUT ROWID;
"""
"""Tables of the first ledger, as that version made them."""
CATALOG = {"sync_mark", "journal", "vector_index", "generation", "collection", "memory", "tally", "replay", "sqlite_sequence"}
"""What version 1 had besides, and every version since."""
SPACES = Spaces(DenseSpace("dense", 4, "encoder/1"), LexicalSpace("lexical", "bm25/1", 85.0))
NOTES = Collection("acme", "notes", True, 1, "g-notes", GenerationState.ACTIVE, 1, SPACES, SPACES.index.name)


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")}


async def test_a_file_of_version_1_gets_every_table_of_a_new_one_and_keeps_its_collections(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.sqlite3", isolation_level=None)
    schema.create(old)
    for name in {name for name, kind in old.execute("SELECT name, type FROM sqlite_schema") if kind == "table"} - CATALOG:
        old.execute(f"DROP TABLE {name}")
    old.executescript(f"{VERSION_1_LEDGER} PRAGMA user_version = 1;")
    catalog.insert_collection(old, NOTES)
    old.close()
    async with open_database(tmp_path / "old.sqlite3") as upgraded, open_database(tmp_path / "new.sqlite3") as made:
        assert await upgraded.read(tables) == await made.read(tables)
        assert await upgraded.read(lambda connection: catalog.find_collection(connection, "acme", "notes")) == NOTES
