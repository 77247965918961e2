"""The writer over the real engine: one order, nothing lost between journal and engine, nothing half done."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, ConflictError, DeadlineError, DependencyDownError, OverloadedError
from services.memory.admission import Admission
from services.memory.background import background
from services.memory.persistence import journal
from services.memory.persistence.database import Database, open_database
from services.memory.persistence.durability import Durability
from services.memory.persistence.writer import Transaction, Writer, Written
from services.memory.store import DeletePoints, IndexSpec, Operation, Point, Store, UpsertPoints
from services.memory.stores import StoreSettings, open_store

SPEC = IndexSpec("atlas-000000000001", 4, "encoder/1", "bm25/1")
GENERATION = "g1"
CRASH, POWER = Durability.PROCESS_CRASH, Durability.POWER_LOSS


@dataclass
class Part:
    database: Database
    store: Any
    writer: Writer


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Part]:
    settings = StoreSettings(free_space_watermark_bytes=128 << 20, engine_restart_wait_ms=30_000)
    async with open_database(folder / "memory.sqlite3") as database, open_store(settings, data_dir=folder) as store:
        await store.ensure_index(SPEC)
        yield Part(database, store, Writer(database, store))


@pytest.fixture
async def part(tmp_path: Path) -> AsyncIterator[Part]:
    async with opened(tmp_path) as part:
        await part.writer.recover()
        async with part.writer.running():
            yield part


def upserting(name: str, value: float = 1.0) -> Operation:
    dense = np.array([1, value, 0, 0], np.float32)
    nothing = np.zeros(0, np.uint32), np.zeros(0, np.float32)
    payload = {"content_kind": "TEXT", "value": value}
    return UpsertPoints(SPEC.name, (Point(name, GENERATION, dense / np.linalg.norm(dense), *nothing, payload),))


def deleting(name: str) -> Operation:
    return DeletePoints(SPEC.name, GENERATION, (name,))


def saying(answer: str, *operations: Operation) -> Transaction[str]:
    return lambda connection, seq: Written(answer, operations)


async def submit(
    part: Part, transaction: Transaction[Any], *, durability: Durability = CRASH, seconds: float = 30.0, items: int = 1
) -> Any:
    done = await part.writer.submit(transaction, durability=durability, deadline=Deadline.after(seconds))
    return done.answer


async def stored(store: Store) -> dict[str, float]:
    page = await store.scroll(SPEC.name, GENERATION, None, limit=1000)
    return {point.memory_id: point.payload["value"] for point in page.points}


async def entries(database: Database) -> list[int]:
    return [entry.seq for entry in await database.read(lambda connection: journal.part(connection, after_seq=0))]


async def test_a_write_is_findable_when_it_is_acknowledged(part: Part) -> None:
    assert await submit(part, saying("done", upserting("a")), durability=POWER) == "done"
    assert await stored(part.store) == {"a": 1.0}


async def test_writes_are_applied_in_the_order_they_came(part: Part) -> None:
    steps = [upserting("a", 1.0), deleting("a"), upserting("a", 2.0), upserting("b"), deleting("b"), upserting("a", 3.0)]
    await asyncio.gather(*(submit(part, saying(str(index), step)) for index, step in enumerate(steps)))
    assert await stored(part.store) == {"a": 3.0}
    assert await entries(part.database) == [1, 2, 3, 4, 5, 6]


async def test_a_write_that_raises_fails_alone(part: Part) -> None:
    def refuse(connection: sqlite3.Connection, seq: int) -> Written[str]:
        raise ConflictError("no")

    answers = await asyncio.gather(
        submit(part, saying("a", upserting("a"))), submit(part, refuse), submit(part, saying("b", upserting("b"))), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [str, ConflictError, str]
    assert await entries(part.database) == [1, 2]


async def test_an_expired_deadline_writes_nothing(part: Part) -> None:
    with pytest.raises(DeadlineError):
        await submit(part, saying("late", upserting("a")), seconds=0.0)
    assert await entries(part.database) == []


async def test_a_caller_that_leaves_before_its_turn_has_written_nothing(part: Part) -> None:
    waiting = asyncio.ensure_future(submit(part, saying("gone", upserting("a"))))
    await asyncio.sleep(0)  # queued, but the journal's task has not run
    waiting.cancel()
    await submit(part, saying("stays", upserting("b")))
    assert await stored(part.store) == {"b": 1.0}


async def test_a_caller_that_leaves_after_its_turn_has_written_all_of_it(part: Part) -> None:
    waiting = asyncio.ensure_future(submit(part, lambda connection, seq: leave() or Written("gone", [upserting("a")])))
    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.call_soon_threadsafe(waiting.cancel)

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await submit(part, saying("next", upserting("b")))
    assert await stored(part.store) == {"a": 1.0, "b": 1.0}


def test_writes_beyond_the_bound_are_refused_at_once_and_room_comes_back() -> None:
    admission = Admission(max_bytes=100)
    with admission.admitted(60):
        with pytest.raises(OverloadedError) as caught, admission.admitted(50):
            pass
        assert caught.value.retry_after_ms
        with admission.admitted(40):
            pass
    with admission.admitted(1000):  # larger than the bound, but alone
        pass


async def test_a_write_outlives_the_engine_that_dies_under_it(part: Part) -> None:
    await submit(part, saying("a", upserting("a")))
    os.kill(part.store.engine_pid, signal.SIGKILL)
    writes = [submit(part, saying(name, upserting(name))) for name in ("b", "c", "d")]
    assert await asyncio.gather(*writes) == ["b", "c", "d"]
    assert sorted(await stored(part.store)) == ["a", "b", "c", "d"]


async def test_a_flush_prunes_the_journal_up_to_what_was_applied(part: Part) -> None:
    assert await part.writer.flush() is False
    await submit(part, saying("a", upserting("a")))
    assert await entries(part.database) == [1]
    assert await part.writer.flush() is True
    assert await entries(part.database) == []
    await submit(part, saying("b", upserting("b")))
    assert await entries(part.database) == [2]


async def test_what_was_journalled_but_not_applied_is_applied_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as part:
        await part.writer.recover()
        for seq, operation in enumerate((upserting("a"), upserting("b"), deleting("a")), start=1):
            entry = journal.Entry(seq, (operation,))
            await part.database.write(lambda connection, entry=entry: journal.append(connection, entry), durability=POWER)
        assert await stored(part.store) == {}
    async with opened(tmp_path) as part:
        await part.database.write(
            lambda connection: connection.execute("INSERT INTO vector_index VALUES (?, 4, 'encoder/1', 'bm25/1')", (SPEC.name,)),
            durability=CRASH,
        )
        await part.writer.recover()
        assert await stored(part.store) == {"b": 1.0}
        assert await part.writer.flush() is True
        assert await entries(part.database) == []


async def test_an_engine_that_comes_back_gets_the_journal_before_it_serves(part: Part) -> None:
    entry = journal.Entry(7, (upserting("a"),))
    await part.database.write(lambda connection: journal.append(connection, entry), durability=CRASH)
    os.kill(part.store.engine_pid, signal.SIGKILL)
    found: dict[str, float] = {}
    async with asyncio.timeout(30):
        while not found:
            with suppress(DependencyDownError):  # a read that was under way when the engine died
                found = await stored(part.store)
            await asyncio.sleep(0.01)
    assert found == {"a": 1.0}


async def test_a_task_that_fails_ends_the_block_it_runs_beside() -> None:
    async def fail() -> None:
        raise ConflictError("broken")

    with pytest.raises(ConflictError, match="broken"):
        async with background(failing=fail()):
            await asyncio.sleep(60)


async def sync_count(database: Database) -> int:
    return await database.read(lambda connection: connection.execute("SELECT count FROM sync_mark").fetchone()[0])


async def test_a_deletion_is_on_disk_before_the_engine_sees_it_and_an_addition_need_not_be(part: Part) -> None:
    begin = await sync_count(part.database)
    await submit(part, lambda connection, seq: Written("new", [upserting("a")], adds_only=True))
    assert await sync_count(part.database) == begin
    for change in (deleting("a"), upserting("a", 2.0)):
        await submit(part, saying("changed", change))
        begin += 1
        assert await sync_count(part.database) == begin


async def test_an_engine_whose_flush_failed_gives_way_to_one_that_has_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tmp_path / "plan"
    monkeypatch.setenv("ATLAS_FAILPOINTS", f"@{plan}")
    async with opened(tmp_path) as part:
        await part.writer.recover()
        async with part.writer.running():
            await submit(part, saying("a", upserting("a")))
            spoilt = part.store.engine_pid
            plan.write_text("engine.flush.before=error:EIO")
            with pytest.raises(AtlasError, match="Input/output error"):
                await part.writer.flush()
            assert await entries(part.database) == [1]
            await submit(part, saying("b", upserting("b")))
            assert part.store.engine_pid != spoilt
            assert sorted(await stored(part.store)) == ["a", "b"]
            assert await part.writer.flush() is True
            assert await entries(part.database) == []
