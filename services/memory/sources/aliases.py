"""The ids behind sources: functions on a connection, the caller owns the transaction.

A source is its own id until it moves. Then its new name has the old id, and the old name gets a fresh one, so that what is stored there
next is something else. No id is ever behind two names.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

SCHEMA = """
CREATE TABLE IF NOT EXISTS source_alias (
  tenant TEXT NOT NULL, collection TEXT NOT NULL, source TEXT NOT NULL, source_id TEXT NOT NULL,
  PRIMARY KEY (tenant, collection, source)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source_move (tenant TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""
"""Made where they are missing, at every start."""


def source_ids(connection: sqlite3.Connection, tenant: str, collection: str, sources: Sequence[str]) -> dict[str, str]:
    """Reads the ids of those sources that have another id than themselves."""
    rows = connection.execute(
        "SELECT source, source_id FROM source_alias WHERE tenant = ? AND collection = ? AND source IN (SELECT value FROM json_each(?))",
        (tenant, collection, json.dumps(list(sources))),
    )
    return dict(rows.fetchall())


def last_move(connection: sqlite3.Connection, tenant: str) -> int:
    """Reads the number of a tenant's last move; 0 if there was none."""
    row = connection.execute("SELECT seq FROM source_move WHERE tenant = ?", (tenant,)).fetchone()
    return 0 if row is None else int(row[0])


def record_moves(connection: sqlite3.Connection, tenant: str, collection: str, moves: Mapping[str, str], seq: int) -> None:
    """Gives each new name the id of its old one, and each old name a fresh id; `seq` is the number of the move."""
    known = source_ids(connection, tenant, collection, list(moves))
    rows = [(tenant, collection, new, known.get(old, old)) for old, new in moves.items()]
    rows += [(tenant, collection, old, f"{old}\n{seq}") for old in moves if old not in moves.values()]
    connection.executemany("INSERT OR REPLACE INTO source_alias VALUES (?, ?, ?, ?)", rows)
    connection.execute("DELETE FROM source_alias WHERE tenant = ? AND collection = ? AND source = source_id", (tenant, collection))
    connection.execute("INSERT OR REPLACE INTO source_move VALUES (?, ?)", (tenant, seq))


def forget_sources(connection: sqlite3.Connection, tenant: str, collection: str) -> None:
    """Drops the ids of a collection that goes away."""
    connection.execute("DELETE FROM source_alias WHERE tenant = ? AND collection = ?", (tenant, collection))
