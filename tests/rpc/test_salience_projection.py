"""What the ledger says reaches the store's payload: late, in batches, and again after whatever was lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from atlas.clock import FakeClock
from atlas.deadlines import Deadline
from atlas.errors import DependencyDownError
from atlas.memory.v1 import snapshot_pb2
from atlas.salience import EventKind
from services.memory.ledger import marks, reading, recording
from services.memory.ledger.metrics import LedgerMetrics
from services.memory.ledger.policy import LedgerPolicy
from services.memory.ledger.projection import SalienceProjector
from services.memory.ledger.records import Impression, NewEvent, Pool, PoolMember, SourceClass
from services.memory.persistence.database import Database, open_database
from services.memory.persistence.durability import Durability
from services.memory.persistence.writer import Transaction, Writer, Written
from services.memory.scopes import Scope
from services.memory.settings import MemorySettings
from services.memory.store import Operation, Point, SalienceProjection, Store, UpsertPoints
from services.memory.stores import open_store
from tests.rpc import test_generations as generations
from tests.rpc.ledger_part import START, ledger_service, scope, search
from tests.rpc.memory_part import needs_edge, store_settings, upsert, write

SCOPE = Scope("acme", "anna", frozenset())
POLICY = LedgerPolicy()


class Part:
    """Database, engine and projector of a data folder that a service has filled."""

    def __init__(self, database: Database, store: Store, writer: Writer, projector: SalienceProjector, metrics: LedgerMetrics) -> None:
        self.database, self.store, self.writer, self.projector, self.metrics = database, store, writer, projector, metrics

    async def payloads(self, *memory_ids: str) -> dict[str, dict[str, Any]]:
        ((index, generation), *_), *_ = (await self.places(*memory_ids)).values()
        points = await self.store.retrieve(index, generation, memory_ids, timeout_s=60.0)
        return {memory_id: point.payload for memory_id, point in points.items()}

    async def places(self, *memory_ids: str) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
        return await self.database.read(lambda c: marks.places(c, [("acme", one) for one in memory_ids]))

    async def everywhere(self, memory_id: str) -> list[dict[str, Any]]:
        """Gives its payloads in all generations, first of the one that serves."""
        (places,) = (await self.places(memory_id)).values()
        points = [await self.store.retrieve(index, generation, [memory_id], timeout_s=60.0) for index, generation in places]
        return [found[memory_id].payload for found in points if memory_id in found]

    async def known(self, memory_id: str, time_s: float) -> float:
        found = await self.database.read(lambda c: reading.read(c, "acme", [memory_id], time_s, POLICY.rule))
        return found[memory_id].reading.salience

    async def project_to_disk(self) -> None:
        """Lets the marks go of what was projected, as the service does by and by."""
        await self.projector.flush()
        through = self.projector.durable
        await self.database.write(lambda c: marks.clear(c, through=through), durability=Durability.PROCESS_CRASH)

    async def mark_count(self) -> int:
        return (await self.database.read(lambda c: c.execute("SELECT count(*) FROM salience_mark").fetchone()))[0]


@asynccontextmanager
async def part(folder: Path, clock: FakeClock) -> AsyncIterator[Part]:
    settings = MemorySettings(
        data_dir=folder, **{"free_space_watermark_bytes": 128 << 20, "engine_restart_wait_ms": 60_000, **store_settings()}
    )
    async with open_database(folder / "memory.sqlite3") as database, open_store(settings, data_dir=folder) as store:
        writer = Writer(database, store)
        await writer.recover()
        metrics = LedgerMetrics(CollectorRegistry(), commit_count=lambda: database.commit_count)
        projector = SalienceProjector(database, store, writer, rule=POLICY.rule, clock=clock, metrics=metrics)
        projector.attach()
        yield Part(database, store, writer, projector, metrics)


async def filled(folder: Path, clock: FakeClock, *names: str) -> list[str]:
    async with ledger_service(folder, clock=clock) as ledger:
        return await ledger.store(*names)


async def recorded(part: Part, search_id: str, values: dict[str, float], clock: FakeClock) -> None:
    time_us = int(clock.now().timestamp() * 1e6)
    members = tuple(PoolMember(one, "notes", "", Pool.CLEAN, place, 1.0, place) for place, one in enumerate(values, start=1))
    impression = Impression("acme", search_id, "anna", SourceClass.USER, (), time_us, 3, "f", members)
    events = [NewEvent(one, EventKind.RERANK, value, value, 1, "minilm-maxsim-1") for one, value in values.items()]
    await part.database.write(
        lambda c: recording.record(c, SCOPE, impression, events, POLICY, now_us=time_us), durability=Durability.PROCESS_CRASH
    )


async def test_payloads_get_absolute_values_in_one_message_for_many_searches(tmp_path: Path) -> None:
    clock = FakeClock(START)
    good, bad, unseen = await filled(tmp_path, clock, "good", "bad", "unseen")
    async with part(tmp_path, clock) as one:
        for number in range(10):
            await recorded(one, f"s{number}", {good: 0.9, bad: 0.1}, clock)
        assert await one.projector.project_page()
        assert not await one.projector.project_page()
        payloads = await one.payloads(good, bad, unseen)
        assert payloads[good]["salience"] == pytest.approx(await one.known(good, START.timestamp()))
        assert payloads[good]["last_retrieved_us"] == int(START.timestamp() * 1e6)
        assert payloads[bad]["salience"] < payloads[good]["salience"]
        assert "salience" not in payloads[unseen]
        assert one.metrics.projections._value.get() == 1
        assert one.metrics.projected._value.get() == 2


async def test_marks_stay_until_the_engine_has_them_on_disk_and_survive_a_restart(tmp_path: Path) -> None:
    clock = FakeClock(START)
    (memory,) = await filled(tmp_path, clock, "one")
    async with part(tmp_path, clock) as one:
        await recorded(one, "s1", {memory: 0.9}, clock)
    async with part(tmp_path, clock) as one:
        assert "salience" not in (await one.payloads(memory))[memory]
        assert await one.projector.project_page()
        assert one.projector.durable == 0
        await one.projector.flush()
        assert one.projector.durable > 0
        through = one.projector.durable
        await one.database.write(lambda c: marks.clear(c, through=through), durability=Durability.PROCESS_CRASH)
        assert await one.mark_count() == 0
    async with part(tmp_path, clock) as one:
        assert not await one.projector.project_page()
        assert (await one.payloads(memory))[memory]["salience"] > 0.25


@needs_edge
async def test_what_an_engine_loses_in_a_crash_is_projected_again(tmp_path: Path) -> None:
    clock = FakeClock(START)
    (memory,) = await filled(tmp_path, clock, "one")
    async with part(tmp_path, clock) as one:
        await recorded(one, "s1", {memory: 0.9}, clock)
        assert await one.projector.project_page()
        os.kill(one.store.engine_pid, signal.SIGKILL)  # type: ignore[attr-defined]  # of the edge store
        with contextlib.suppress(DependencyDownError):
            await one.payloads(memory)
        await one.payloads(memory)
        assert await one.projector.project_page()
        assert (await one.payloads(memory))[memory]["salience"] > 0.25


async def test_a_memory_that_is_written_again_gets_its_salience_back(tmp_path: Path) -> None:
    async with ledger_service(tmp_path, projection_interval_ms=10) as ledger:
        (memory,) = await ledger.store("one")
        await ledger.record(search("s1", {memory: 0.9}))
        changed = write("acme/one", "another text", vectors=True)
        assert changed.memory.memory_id == memory
        await ledger.memory.memories.UpsertMemories(upsert(changed), timeout=20)
    clock = FakeClock(START)
    async with part(tmp_path, clock) as one:
        while await one.projector.project_page():
            pass
        payload = (await one.payloads(memory))[memory]
        assert payload["memory"]["text"] == "another text"
        assert payload["salience"] == pytest.approx(await one.known(memory, START.timestamp()))


async def test_what_was_learnt_while_a_generation_was_filled_is_in_its_payloads_after_the_switch_and_in_those_of_a_rollback(
    tmp_path: Path,
) -> None:
    clock = FakeClock(START)
    async with ledger_service(tmp_path, clock=clock) as ledger:
        early, late, unseen = await ledger.store("early", "late", "unseen")
        await ledger.record(search("s1", {early: 0.9}))
        operation_id = (await generations.start(ledger.memory)).operation.operation_id
        await generations.fill_all(ledger.memory, operation_id)
        await ledger.record(search("s2", {early: 0.1, late: 0.9}))
        assert (await generations.verify(ledger.memory)).verified
        await generations.switch(ledger.memory)
    async with part(tmp_path, clock) as one:
        await projected(one)
        await one.project_to_disk()
        payloads = await one.payloads(early, late, unseen)
        for memory_id in (early, late):
            assert payloads[memory_id]["salience"] == pytest.approx(await one.known(memory_id, START.timestamp()))
        assert "salience" not in payloads[unseen]
    async with ledger_service(tmp_path, clock=clock) as ledger:
        await ledger.record(search("s3", {unseen: 0.9}))
        await generations.roll_back(ledger.memory)
    async with part(tmp_path, clock) as one:
        await projected(one)
        payloads = await one.payloads(early, late, unseen)
        for memory_id, payload in payloads.items():
            assert payload["salience"] == pytest.approx(await one.known(memory_id, START.timestamp()))


async def test_what_was_taken_back_is_gone_from_every_generation_and_comes_back_with_none(tmp_path: Path) -> None:
    clock = FakeClock(START)
    async with ledger_service(tmp_path, clock=clock) as ledger:
        memory, other = await ledger.store("one", "other")
        await ledger.record(search("s1", {memory: 0.9}))
        await ledger.record(search("s2", {other: 0.9}, caller=scope(principal="eve")))
    async with part(tmp_path, clock) as one:
        await projected(one)
        await one.project_to_disk()
    async with ledger_service(tmp_path, clock=clock) as ledger:
        operation_id = (await generations.start(ledger.memory)).operation.operation_id
        await generations.fill_all(ledger.memory, operation_id)
    async with part(tmp_path, clock) as one:
        serving, filling = await one.everywhere(memory)
        assert serving["last_retrieved_us"]
        assert "last_retrieved_us" not in filling, "what is filled would go on saying what the ledger may take back"
    async with ledger_service(tmp_path, clock=clock) as ledger:
        assert (await generations.verify(ledger.memory)).verified
        await generations.switch(ledger.memory)
        await ledger.revoke(principals=["anna"])
    async with part(tmp_path, clock) as one:
        await projected(one)
        await one.project_to_disk()
        for payload in await one.everywhere(memory):
            assert payload.get("last_retrieved_us") is None
            assert payload["salience"] == pytest.approx(await one.known(memory, START.timestamp()))
        for payload in await one.everywhere(other):
            assert payload["last_retrieved_us"] == int(START.timestamp() * 1e6)
        assert len(await one.everywhere(memory)) == 2


async def test_a_restored_point_says_nothing_until_the_ledger_does(tmp_path: Path) -> None:
    clock = FakeClock(START)
    async with ledger_service(tmp_path, clock=clock) as ledger:
        memory, other = await ledger.store("one", "other")
        await ledger.record(search("s1", {memory: 0.9, other: 0.9}))
    async with part(tmp_path, clock) as one:
        await projected(one)
        # As if the projection of a revocation had come between the points of a snapshot and its tables, and its mark had gone.
        await one.database.write(lambda c: marks.clear(c, through=1 << 40), durability=Durability.PROCESS_CRASH)
        await one.database.write(
            lambda c: c.execute("DELETE FROM salience_state WHERE memory_id = ?", (memory,)), durability=Durability.PROCESS_CRASH
        )
    async with ledger_service(tmp_path, clock=clock) as ledger:
        snapshots = ledger.memory.snapshots
        made = await snapshots.CreateSnapshot(snapshot_pb2.CreateSnapshotRequest(scope=scope()), timeout=60)
        request = snapshot_pb2.RestoreSnapshotRequest(scope=scope(), snapshot_id=made.snapshot.snapshot_id, replace=True)
        await snapshots.RestoreSnapshot(request, timeout=60)
    async with part(tmp_path, clock) as one:
        await projected(one)
        payloads = await one.payloads(memory, other)
        assert "last_retrieved_us" not in payloads[memory]
        assert payloads[other]["last_retrieved_us"] == int(START.timestamp() * 1e6)


async def projected(part: Part) -> None:
    while await part.projector.project_page():
        pass


async def rewritten(part: Part, memory_id: str) -> Transaction[None]:
    """A write of a memory as it is, which the engine applies as a whole: without what was projected."""
    ((index, generation), *_), *_ = (await part.places(memory_id)).values()
    stored = (await part.store.retrieve(index, generation, [memory_id], with_vectors=True))[memory_id]
    payload = {key: value for key, value in stored.payload.items() if not key.startswith(("salience", "last_", "memory_id", "generation"))}
    point = Point(memory_id, generation, stored.dense, stored.sparse_indices, stored.sparse_values, payload)

    def write_again(connection: sqlite3.Connection, _: int) -> Written[None]:
        marks.mark(connection, "acme", [memory_id])
        return Written(None, (UpsertPoints(index, (point,)),))

    return write_again


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_projection_waits_for_a_write_that_the_engine_has_not_applied_yet(tmp_path: Path, restarts: bool) -> None:
    clock = FakeClock(START)
    (memory,) = await filled(tmp_path, clock, "one")
    async with part(tmp_path, clock) as one, one.writer.running():
        await recorded(one, "s1", {memory: 0.9}, clock)
        again = await rewritten(one, memory)
        apply, applies = one.store.apply, asyncio.Event()

        async def late(operations: Sequence[Operation]) -> None:
            await applies.wait()
            await apply(operations)

        one.store.apply = late  # type: ignore[method-assign]
        write = asyncio.create_task(one.writer.submit(again, durability=Durability.PROCESS_CRASH, deadline=Deadline.after(60)))
        while await one.mark_count() < 2:  # noqa: ASYNC110 - what is awaited is a thread
            await asyncio.sleep(0)
        if restarts:
            # A fresh engine gets all of the journal, and the write once more when its turn comes.
            assert one.store.on_restart is not None
            await one.store.on_restart(apply)
        page = asyncio.create_task(one.projector.project_page())
        done, _ = await asyncio.wait([page], timeout=0.5)
        assert not done, "it was written to a point that is about to be replaced"
        applies.set()
        await write
        assert await page
        while await one.projector.project_page():
            pass
        assert (await one.payloads(memory))[memory]["salience"] > 0.25


async def test_marks_stay_while_the_journal_would_write_their_memories_again(tmp_path: Path) -> None:
    clock = FakeClock(START)
    (memory,) = await filled(tmp_path, clock, "one")
    async with part(tmp_path, clock) as one, one.writer.running():
        await recorded(one, "s1", {memory: 0.9}, clock)
        await one.writer.submit(await rewritten(one, memory), durability=Durability.PROCESS_CRASH, deadline=Deadline.after(60))
        while await one.projector.project_page():
            pass
        await one.projector.flush()
        through = one.projector.durable
        await one.database.write(lambda c: marks.clear(c, through=through), durability=Durability.PROCESS_CRASH)
        assert await one.mark_count() == 0
        os.kill(one.store.engine_pid, signal.SIGKILL)  # type: ignore[attr-defined]  # of the edge store
        with contextlib.suppress(DependencyDownError):
            await one.payloads(memory)
        assert (await one.payloads(memory))[memory]["salience"] > 0.25


async def test_a_search_costs_at_most_one_transaction_and_one_message_to_the_engine(tmp_path: Path) -> None:
    """As the service itself publishes it, over searches of a hundred candidates each."""
    async with ledger_service(tmp_path, metrics_port=0, projection_interval_ms=20, flush_interval_ms=600_000) as ledger:
        ids = await ledger.store(*(f"m{number}" for number in range(100)))
        before = await published(ledger.memory.server.metrics_port)
        for number in range(12):
            assert (await ledger.record(search(f"s{number}", dict.fromkeys(ids, 0.5)))).accepted_count == 100
        async with asyncio.timeout(60):
            # Another task of the service does it, and says so only here.
            while (await published(ledger.memory.server.metrics_port))["projected_memories_total"] < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        after = await published(ledger.memory.server.metrics_port)
    spent = {name: after[name] - before[name] for name in after}
    assert spent["ledger_searches_total"] == 12
    assert spent["database_commits"] == 12
    assert 1 <= spent["projection_messages_total"] <= 12


@needs_edge
async def test_a_message_for_the_engine_is_one_message_on_its_pipe(tmp_path: Path) -> None:
    clock = FakeClock(START)
    ids = await filled(tmp_path, clock, *(f"m{number}" for number in range(300)))
    async with part(tmp_path, clock) as one:
        sent = []
        write_call = one.store._write  # type: ignore[attr-defined]  # what the edge store sends writes with

        async def counted(call: object) -> Any:
            sent.append(type(call).__name__)
            return await write_call(call)

        one.store._write = counted  # type: ignore[attr-defined]
        await recorded(one, "s1", dict.fromkeys(ids[:200], 0.5), clock)
        await recorded(one, "s2", dict.fromkeys(ids[100:], 0.5), clock)
        while await one.projector.project_page():
            pass
        assert sent == ["Project", "Project"]
        assert one.metrics.projections._value.get() == len(sent)
        assert one.metrics.projected._value.get() == 400
        assert len(await one.payloads(*ids)) == 300


async def test_a_message_is_about_a_few_searches_so_that_the_next_one_waits_milliseconds(tmp_path: Path) -> None:
    clock = FakeClock(START)
    ids = await filled(tmp_path, clock, *(f"m{number}" for number in range(100)))
    async with part(tmp_path, clock) as one:
        sizes = []
        project = one.store.project

        async def measured(projections: Sequence[SalienceProjection]) -> None:
            sizes.append(sum(len(projection.values) for projection in projections))
            await project(projections)

        one.store.project = measured  # type: ignore[method-assign]
        for number in range(5):
            await recorded(one, f"s{number}", dict.fromkeys(ids[20 * number : 20 * number + 20], 0.5), clock)
        while await one.projector.project_page():
            pass
        assert sizes == [60, 40]


async def published(port: int) -> dict[str, float]:
    def fetch() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    page = await asyncio.to_thread(fetch)
    return {name: float(value) for name, value in re.findall(r"^atlas_memory_(\w+) (\S+)$", page, re.MULTILINE)}
