"""Tables of the ledger; `memory` (tenant, memory_id, domain) is the catalog's."""

from __future__ import annotations

TABLES = """
CREATE TABLE impression (
  tenant TEXT NOT NULL, search_id TEXT NOT NULL, principal TEXT NOT NULL, source_class INTEGER NOT NULL, domains TEXT NOT NULL,
  time_us INTEGER NOT NULL, bucket INTEGER, fingerprint TEXT NOT NULL, pool BLOB NOT NULL,
  PRIMARY KEY (tenant, search_id)
) WITHOUT ROWID;
CREATE INDEX impression_time ON impression (time_us);

-- Append-only. `revoked` events count nothing, and stay so that a repetition cannot revive them.
CREATE TABLE event (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, search_id TEXT NOT NULL, kind INTEGER NOT NULL,
  value REAL NOT NULL, raw_score REAL, score_kind INTEGER NOT NULL, calibration_version TEXT NOT NULL,
  rank_before_salience INTEGER NOT NULL, pool INTEGER NOT NULL, propensity REAL NOT NULL, weight REAL NOT NULL,
  principal TEXT NOT NULL, source_class INTEGER NOT NULL, space INTEGER NOT NULL, bucket INTEGER NOT NULL,
  time_us INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, memory_id, search_id, kind)
) WITHOUT ROWID;

-- What events older than the retention added up to.
CREATE TABLE checkpoint (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, channel INTEGER NOT NULL, space INTEGER NOT NULL, bucket INTEGER NOT NULL,
  principal TEXT NOT NULL, source_class INTEGER NOT NULL, kind INTEGER NOT NULL, calibration_version TEXT NOT NULL,
  positive BLOB NOT NULL, negative BLOB NOT NULL, event_count INTEGER NOT NULL, last_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, memory_id, channel, space, bucket, principal, source_class, kind, calibration_version)
) WITHOUT ROWID;

-- Sums of the two tables above.
CREATE TABLE salience_state (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, channel INTEGER NOT NULL, space INTEGER NOT NULL, bucket INTEGER NOT NULL,
  positive BLOB NOT NULL, negative BLOB NOT NULL, event_count INTEGER NOT NULL, last_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, memory_id, channel, space, bucket)
) WITHOUT ROWID;
CREATE TABLE salience_pin (
  tenant TEXT NOT NULL, memory_id TEXT NOT NULL, time_us INTEGER NOT NULL, search_id TEXT NOT NULL, value REAL NOT NULL,
  PRIMARY KEY (tenant, memory_id)
) WITHOUT ROWID;
CREATE TABLE salience_base (
  tenant TEXT NOT NULL, domain TEXT NOT NULL, channel INTEGER NOT NULL,
  positive BLOB NOT NULL, negative BLOB NOT NULL, event_count INTEGER NOT NULL,
  PRIMARY KEY (tenant, domain, channel)
) WITHOUT ROWID;

CREATE TABLE query_space (space INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL);

CREATE TABLE salience_budget (
  tenant TEXT NOT NULL, principal TEXT NOT NULL, channel INTEGER NOT NULL, day INTEGER NOT NULL, used INTEGER NOT NULL,
  PRIMARY KEY (tenant, principal, channel, day)
) WITHOUT ROWID;

-- Memories whose payload in the store does not say yet what the sums say.
CREATE TABLE salience_mark (sequence INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, memory_ids BLOB NOT NULL);

CREATE TABLE ledger_fact (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;

CREATE TABLE erasure (
  tenant TEXT NOT NULL, receipt_id TEXT NOT NULL, time_us INTEGER NOT NULL, receipt BLOB NOT NULL,
  PRIMARY KEY (tenant, receipt_id)
) WITHOUT ROWID;
"""
"""An event is known by its key, and stands beside all others about its memory: what forgets or explains a memory reads one place, without
a second index. Sums are whole numbers as little-endian bytes without leading zeros. A pool is a MessagePack of its places (collection,
generation) and its members, small enough to stay in its row's page.
"""
