"""Tables of memory's SQLite file. The vectors themselves are the engine's."""

from __future__ import annotations

import sqlite3

from ..erasure.due import SCHEMA as ERASURES
from ..generations.schema import SCHEMA as GENERATIONS
from ..ledger import migration
from ..ledger import schema as ledger_schema
from ..sources.aliases import SCHEMA as SOURCES

VERSION = 2
"""Kept in `PRAGMA user_version`; counts up whenever an older program could not read the file."""

TABLES = (
    """
CREATE TABLE sync_mark (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL);
INSERT INTO sync_mark VALUES (1, 0);

-- Writes that the engine may not have on disk yet.
CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);

CREATE TABLE vector_index (
  name TEXT PRIMARY KEY, dimension INTEGER NOT NULL, dense_fingerprint TEXT NOT NULL, lexical_fingerprint TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE generation (
  generation TEXT PRIMARY KEY, state INTEGER NOT NULL, index_name TEXT NOT NULL REFERENCES vector_index,
  spaces BLOB NOT NULL, create_time_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE collection (
  tenant TEXT NOT NULL, name TEXT NOT NULL, generation TEXT NOT NULL REFERENCES generation,
  in_search_all INTEGER NOT NULL, create_time_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE TABLE memory (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, collection TEXT NOT NULL, generation TEXT NOT NULL,
  domain TEXT NOT NULL, source TEXT NOT NULL, document_id TEXT NOT NULL, content_sha256 TEXT NOT NULL,
  fields_sha256 BLOB NOT NULL, language TEXT NOT NULL, content_kind TEXT NOT NULL, seq INTEGER NOT NULL,
  create_time_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, memory_id)
) WITHOUT ROWID;
CREATE INDEX memory_source ON memory (generation, source);

-- Memories of a generation by language and by domain, kept in step with `memory`.
CREATE TABLE tally (
  generation TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, memory_count INTEGER NOT NULL,
  PRIMARY KEY (generation, field, value)
) WITHOUT ROWID;

CREATE TABLE replay (
  tenant TEXT NOT NULL, method TEXT NOT NULL, request_id TEXT NOT NULL, request_sha256 BLOB NOT NULL,
  answer BLOB NOT NULL, time_s REAL NOT NULL,
  PRIMARY KEY (tenant, method, request_id)
) WITHOUT ROWID;
CREATE INDEX replay_time ON replay (time_s);
"""
    + ledger_schema.TABLES
    + GENERATIONS
    + SOURCES
    + ERASURES
)
"""Tables of journal, catalog, replays, ledger, generations and sources."""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file."""
    connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def complete(connection: sqlite3.Connection) -> None:
    """Makes the tables that came later without a new version, since an older program does not miss them."""
    connection.executescript(ERASURES)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Brings a file of an older version up to this one, whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version == 1:
            migration.from_version_1(connection)
            # A semicolon in a comment ends no statement; one at the end of a line does.
            for statement in (GENERATIONS + SOURCES).split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    # Rows that older versions deleted may still be read in the slack of pages.
    connection.execute("VACUUM")
