"""Tables of generations and operations; `generation` and `collection` are the catalog's."""

from __future__ import annotations

SCHEMA = """
-- What a migration made of a generation; a collection that none touched has no row.
CREATE TABLE IF NOT EXISTS generation_role (
  generation TEXT PRIMARY KEY REFERENCES generation, tenant TEXT NOT NULL, collection TEXT NOT NULL,
  embedder_address TEXT NOT NULL, verified INTEGER NOT NULL, change_time_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS generation_role_collection ON generation_role (tenant, collection);

-- Memories whose vector a generation lacks, or has of an older text. What is not here is there: the checkpoint of a migration.
CREATE TABLE IF NOT EXISTS generation_due (
  generation TEXT NOT NULL, memory_id TEXT NOT NULL, failed INTEGER NOT NULL,
  PRIMARY KEY (generation, memory_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS operation (
  tenant TEXT NOT NULL, operation_id TEXT NOT NULL, kind TEXT NOT NULL, state INTEGER NOT NULL, collection TEXT NOT NULL,
  generation TEXT NOT NULL, embedder_address TEXT NOT NULL, truncated INTEGER NOT NULL,
  total INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL, begin_due INTEGER NOT NULL, begin_time_us INTEGER NOT NULL,
  errors BLOB NOT NULL, error BLOB, driver TEXT NOT NULL, lease_time_us INTEGER NOT NULL,
  create_time_us INTEGER NOT NULL, update_time_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, operation_id)
) WITHOUT ROWID;

-- Generations that a restore is loading; nobody can find their vectors before they take over.
CREATE TABLE IF NOT EXISTS staged_generation (generation TEXT PRIMARY KEY, index_name TEXT NOT NULL) WITHOUT ROWID;
"""
"""Made where they are missing, at every start."""
