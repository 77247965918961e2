"""A data file that schema version 1 wrote is taken over: its evidence counts as before, exactly and revocably."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atlas.errors import StartupError
from atlas.salience import sums_of
from services.memory.ledger import digests, impressions, reading, revoking, startup, sums
from services.memory.ledger.policy import LedgerPolicy
from services.memory.ledger.records import Pool
from services.memory.ledger.revoking import Selector
from services.memory.persistence import schema
from services.memory.persistence.database import open_database
from services.memory.persistence.durability import Durability
from services.memory.scopes import Scope

GOLDEN = Path(__file__).parent / "golden" / "memory-v1.sqlite3.gz"
"""Written by the service of version 1: two tenants, eight searches each, of six candidates with evidence about five."""
NOW_S = 1_790_700_000.0
ACME = Scope("acme", "", frozenset())
POLICY = LedgerPolicy()


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "memory.sqlite3"
    path.write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    return path


def old_events(path: Path) -> list[tuple[str, float, float, int]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute("SELECT memory_id, relevance, time_s, bucket FROM event WHERE tenant = 'acme'").fetchall()
    connection.close()
    return rows


async def test_old_events_count_as_evidence_of_the_reranker_and_add_up_exactly(old_file: Path) -> None:
    events = old_events(old_file)
    expected = {}
    for memory_id, relevance, time_s, bucket in events:
        part = sums_of(relevance, 1.0, round(time_s * 1e6) / 1e6, POLICY.rule.passive)
        key = memory_id, bucket
        expected[key] = expected[key] + part if key in expected else part
    async with open_database(old_file) as database:
        await database.write(lambda c: startup.fit_rule(c, POLICY, now_s=NOW_S), durability=Durability.POWER_LOSS)
        found = await database.read(lambda c: sums.of_memories(c, "acme", {memory_id for memory_id, *_ in events}))
        digest = await database.read(lambda c: digests.digest(c, ACME, POLICY.rule, verify=True))
        known = await database.read(lambda c: reading.read(c, "acme", [events[0][0]], NOW_S, POLICY.rule))
    assert {(memory_id, place.bucket): part.sums for (memory_id, place), part in found.items()} == expected
    assert (digest.event_count, digest.memory_count, digest.impression_count, digest.consistent) == (40, 6, 8, True)
    assert known[events[0][0]].event_count == 8


async def test_old_impressions_keep_their_pool_and_old_evidence_can_be_revoked(old_file: Path) -> None:
    async with open_database(old_file) as database:
        await database.write(lambda c: startup.fit_rule(c, POLICY, now_s=NOW_S), durability=Durability.POWER_LOSS)
        found = await database.read(lambda c: impressions.find(c, ACME, "acme-s3"))
        taken = await database.write(
            lambda c: revoking.revoke(c, ACME, Selector(principals=("p1",)), POLICY.rule, time_s=NOW_S), durability=Durability.POWER_LOSS
        )
        digest = await database.read(lambda c: digests.digest(c, ACME, POLICY.rule, verify=True))
    assert found is not None
    assert [member.pool for member in found.pool] == [Pool.CLEAN] * 5 + [Pool.EXTENDED]
    assert (found.principal, found.time_us) == ("p1", 1_790_000_000_000_000 + 3 * 86_400_000_000)
    assert (taken.event_count, digest.event_count, digest.consistent) == (20, 20, True)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection, connection:
        connection.execute("UPDATE impression SET pool = x'c1'")
    connection.close()
    with pytest.raises(StartupError, match="it is as it was"):
        async with open_database(old_file):
            pass
    with closing(sqlite3.connect(old_file)) as connection, connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (80,)
    connection.close()


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(StartupError, match=f"version {schema.VERSION + 1}"):
        async with open_database(path):
            pass
