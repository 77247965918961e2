"""The SQLite file: grouped commits, works that fail alone, and what a commit brings to disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from atlas import failpoints
from atlas.errors import ConflictError, DependencyDownError, DiskFullError, StartupError
from services.memory.failpoints import FAILPOINTS
from services.memory.persistence.database import Database, open_database
from services.memory.persistence.durability import Durability

CRASH, POWER = Durability.PROCESS_CRASH, Durability.POWER_LOSS


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "memory.sqlite3") as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE seen (value TEXT)"), durability=CRASH)
        yield database


def inserting(value: str):
    return lambda connection: connection.execute("INSERT INTO seen VALUES (?)", (value,)).rowcount


async def values(database: Database) -> list[str]:
    return await database.read(lambda connection: [value for (value,) in connection.execute("SELECT value FROM seen ORDER BY rowid")])


async def sync_count(database: Database) -> int:
    return await database.read(lambda connection: connection.execute("SELECT count FROM sync_mark").fetchone()[0])


async def test_a_write_is_visible_to_the_next_read(database: Database) -> None:
    assert await database.write(inserting("a"), durability=CRASH) == 1
    assert await values(database) == ["a"]


async def test_works_that_wait_are_committed_together_in_order(database: Database) -> None:
    statements: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(10)
        connection.set_trace_callback(statements.append)

    first = asyncio.ensure_future(database.write(hold, durability=CRASH))
    await asyncio.to_thread(begun.wait, 10)
    rest = [asyncio.ensure_future(database.write(inserting(value), durability=CRASH)) for value in "abc"]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *rest)
    assert await values(database) == ["a", "b", "c"]
    assert statements.count("COMMIT") == 2  # one ends the transaction of `hold`, one that of all three


async def test_a_work_that_raises_undoes_its_own_changes_only(database: Database) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO seen VALUES ('half')")
        raise ConflictError("no")

    outcomes = await asyncio.gather(*database.submit([inserting("a"), fail, inserting("b")], durability=CRASH), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ConflictError, int]
    assert await values(database) == ["a", "b"]


async def test_a_work_that_is_cancelled_before_it_begins_does_not_run(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(10)

    first = asyncio.ensure_future(database.write(hold, durability=CRASH))
    await asyncio.to_thread(begun.wait, 10)
    (second,) = database.submit([inserting("never")], durability=CRASH)
    second.cancel()
    await asyncio.sleep(0)  # the cancellation reaches the queued work with the loop's next turn
    go_on.set()
    await first
    await database.write(inserting("a"), durability=CRASH)
    assert await values(database) == ["a"]


async def test_a_read_sees_one_state_from_begin_to_end(database: Database) -> None:
    loop = asyncio.get_running_loop()

    def twice(connection: sqlite3.Connection) -> tuple[int, int]:
        before = connection.execute("SELECT count(*) FROM seen").fetchone()[0]
        asyncio.run_coroutine_threadsafe(database.write(inserting("a"), durability=CRASH), loop).result(10)
        return before, connection.execute("SELECT count(*) FROM seen").fetchone()[0]

    assert await database.read(twice) == (0, 0)
    assert await values(database) == ["a"]


async def test_an_unchanged_answer_for_power_loss_brings_earlier_commits_to_disk(database: Database) -> None:
    await database.write(inserting("a"), durability=CRASH)
    begin = await sync_count(database)
    await database.write(lambda connection: None, durability=POWER)
    assert await sync_count(database) == begin + 1
    await database.write(lambda connection: None, durability=POWER)
    assert await sync_count(database) == begin + 1  # nothing is left to bring there


async def test_a_commit_for_power_loss_is_synced(database: Database) -> None:
    def level(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    normal, full = 1, 2
    assert await database.write(level, durability=CRASH) == normal
    assert await database.write(level, durability=POWER) == full


async def test_a_full_disk_fails_the_write_and_leaves_the_rest(database: Database) -> None:
    await database.write(inserting("a"), durability=CRASH)

    def bound(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.write(bound, durability=CRASH)
    with pytest.raises(DiskFullError):
        await database.write(inserting("x" * 1_000_000), durability=CRASH)
    assert await values(database) == ["a"]
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"), durability=CRASH)
    await database.write(inserting("b"), durability=CRASH)
    assert await values(database) == ["a", "b"]


async def test_what_is_queued_at_the_end_is_written(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    async with open_database(path) as database:
        await database.write(lambda connection: connection.execute("CREATE TABLE seen (value TEXT)"), durability=CRASH)
        waiting = database.submit([inserting("a"), inserting("b")], durability=CRASH)
    assert await asyncio.gather(*waiting) == [1, 1]
    async with open_database(path) as database:
        assert await values(database) == ["a", "b"]


async def test_a_newer_schema_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StartupError, match=r"schema version 999.*newer ATLAS"):
        async with open_database(path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite3"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StartupError, match="cannot be read"):
        async with open_database(path):
            pass


async def test_a_checkpoint_empties_the_write_ahead_log(database: Database, tmp_path: Path) -> None:
    await database.write(inserting("x" * 100_000), durability=CRASH)
    await database.checkpoint()
    assert (tmp_path / "memory.sqlite3").stat().st_size > 100_000


async def test_a_commit_that_fails_has_synced_nothing(database: Database) -> None:
    await database.write(inserting("a"), durability=CRASH)
    begin = await sync_count(database)
    database._writing.execute("PRAGMA foreign_keys = ON")

    def break_at_the_commit(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE child (parent INTEGER REFERENCES sync_mark (one) DEFERRABLE INITIALLY DEFERRED)")
        connection.execute("INSERT INTO child VALUES (7)")

    with pytest.raises(sqlite3.IntegrityError):
        await database.write(break_at_the_commit, durability=POWER)
    await database.write(lambda connection: None, durability=POWER)
    assert await sync_count(database) == begin + 1


async def test_a_disk_that_fails_takes_no_further_write_and_ends_the_watch(database: Database, tmp_path: Path) -> None:
    await database.write(inserting("a"), durability=POWER)
    watch = asyncio.ensure_future(database.watch())
    failpoints.arm({failpoints.VARIABLE: "database.commit.before=error:EIO"}, FAILPOINTS)
    try:
        for value in "bc":
            with pytest.raises(DependencyDownError, match="send it again") as caught:
                await database.write(inserting(value), durability=POWER)
            assert caught.value.reason == "DISK_FAILED"
    finally:
        failpoints.arm({}, FAILPOINTS)
    with pytest.raises(StartupError, match="Input/output error"):
        await watch
    assert await values(database) == ["a"]
    async with open_database(tmp_path / "memory.sqlite3") as again:
        await again.write(inserting("d"), durability=POWER)
        assert await values(again) == ["a", "d"]
