"""Kills memory and its engine under the whole system at work, and compares what is left with what callers were told.

Nothing here starts a part again: `atlas up` has to. `ATLAS_TEST_KILLS` is the number of kills of each process; a long run takes
20. `ATLAS_TEST_SEED` repeats a run's choices.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import psutil
import pytest

from atlas.channel import open_channel
from atlas.client import AsyncAtlas, Memory, SalienceMode
from atlas.memory.v1 import salience_pb2, salience_pb2_grpc
from atlas.type.v1 import type_pb2

from .callers import DRAFTS, FIXED, LIBRARY, NOTES, Caller, Oracle
from .conftest import System

T = TypeVar("T")

KILLS = int(os.environ.get("ATLAS_TEST_KILLS", "2"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
PATIENCE_S = 90.0
"""Longest that anything here may take; a restart waits 10 s after many deaths in a row, and this machine may be busy."""
ENGINE = "services.memory.stores.edge.engine"
FIXED_COUNT = 12
DRAFT_COUNT = 40


@dataclass(frozen=True)
class Stored:
    """What the system holds at the end."""

    memories: dict[str, list[Memory]]
    """By collection."""
    event_counts: dict[str, int]
    """By memory id."""


@asynccontextmanager
async def salience_of(system: System) -> AsyncIterator[salience_pb2_grpc.SalienceServiceStub]:
    name = salience_pb2.DESCRIPTOR.services_by_name["SalienceService"].full_name
    async with open_channel(system.address(3), service_names=[name]) as channel:
        yield salience_pb2_grpc.SalienceServiceStub(channel)


async def listed(client: AsyncAtlas, collection: str) -> list[Memory]:
    found: list[Memory] = []
    token = ""
    while True:
        page = await client.list(collection=collection, page_size=500, page_token=token)
        found.extend(page.items)
        token = page.next_page_token
        if not token:
            return found


async def stored_in(system: System) -> Stored:
    async with AsyncAtlas(system.server) as client, salience_of(system) as salience:
        counts = {each.name: each.memory_count for each in await client.collections()}
        memories = {name: await listed(client, name) for name in (FIXED, NOTES, LIBRARY, DRAFTS)}
        assert counts == {name: len(each) for name, each in memories.items()}
        ids = [memory.memory_id for name in (FIXED, LIBRARY) for memory in memories[name]]
        events: dict[str, int] = {}
        for begin in range(0, len(ids), 1_000):
            request = salience_pb2.GetSalienceRequest(scope=type_pb2.Scope(tenant="default"), memory_ids=ids[begin : begin + 1_000])
            reply = await salience.GetSalience(request, timeout=PATIENCE_S)
            assert not reply.missing_ids
            events.update((each.memory_id, each.event_count) for each in reply.salience)
        return Stored(memories, events)


def expected_of(oracle: Oracle) -> Counter[tuple[str, str, str]]:
    """Counts what has to be there: collection, id or source, text."""
    expected = Counter((*key, text) for key, text in oracle.remembered.items())
    expected.update((*key, text) for key, paragraphs in oracle.documents.items() for text in paragraphs)
    return expected


def faults_of(stored: Stored, oracle: Oracle) -> Counter[str]:
    """Counts what was lost, and what is there twice or without anybody's having been told."""
    there = Counter(
        (name, memory.memory_id if name in (FIXED, NOTES) else memory.source, memory.text)
        for name, each in stored.memories.items()
        for memory in each
    )
    ids = Counter(memory.memory_id for each in stored.memories.values() for memory in each)
    faults = Counter({"ids doubled": ids.total() - len(ids)})
    faults["memories lost"] = (expected_of(oracle) - there).total()
    faults["memories doubled"] = (there - expected_of(oracle)).total()
    for name in (FIXED, LIBRARY):
        for memory in stored.memories[name]:
            surplus = stored.event_counts[memory.memory_id] - oracle.events[memory.memory_id]
            faults["events lost"] += max(0, -surplus)
            faults["events doubled"] += max(0, surplus - oracle.unknown[name])
    return +faults


async def check_findable(system: System, stored: Stored, chance: random.Random) -> None:
    """Looks for some memories by their own words."""
    async with AsyncAtlas(system.server) as client:
        for name, memories in stored.memories.items():
            for memory in chance.sample(memories, 6):
                found = await client.search(memory.text, collections=[name], salience_mode=SalienceMode.OFF, require_complete=True)
                assert memory.memory_id in {hit.memory.memory_id for hit in found.hits}, memory.text


def pid_of(system: System, part: str) -> int | None:
    """Finds memory, or the engine that is its child; None while there is none."""
    memory = system.pids().get("memory")
    if part == "memory" or memory is None:
        return memory
    try:
        children = psutil.Process(memory).children(recursive=True)
        return next((child.pid for child in children if ENGINE in child.cmdline()), None)
    except psutil.NoSuchProcess:
        return None


async def kill(system: System, part: str) -> None:
    """Kills a part as a crash does and waits until another process has its place."""
    killed = pid_of(system, part)
    assert killed is not None, part
    os.kill(killed, signal.SIGKILL)
    while pid_of(system, part) in (None, killed):  # noqa: ASYNC110 - what is awaited happens in another process
        await asyncio.sleep(0.05)


async def waited(condition: Awaitable[T], work: Sequence[asyncio.Task[None]]) -> T:
    """Waits for a condition, not longer than patience, nor than the callers are well."""
    task = asyncio.ensure_future(condition)
    await asyncio.wait([task, *work], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    for ended in work:
        if ended.done():
            ended.result()
    try:
        assert task.done(), f"nothing happened for {PATIENCE_S:.0f} s"
        return task.result()
    finally:
        task.cancel()


async def all_progress(oracle: Oracle, count: int) -> None:
    kinds = ("remember", "ingest", f"search {FIXED}", f"search {LIBRARY}")
    await asyncio.gather(*(oracle.more(kind, count) for kind in kinds))


def sources(prefix: str, count: int | None = None) -> Iterator[str]:
    """Names documents: new ones for ever, or `count` of them again and again."""
    names = (f"test://{prefix}/{number}" for number in itertools.count())
    return names if count is None else itertools.cycle(list(itertools.islice(names, count)))


async def kill_at_work(system: System, oracle: Oracle, chance: random.Random) -> float:
    """Runs callers and kills under them; gives the longest time that one of them waited for everything to work again."""
    longest_s = 0.0
    async with AsyncAtlas(system.server, timeout_s=30.0) as client:

        def caller(name: str) -> Caller:
            return Caller(client, oracle, random.Random(f"{SEED} {name}"), name)

        first = caller("first")
        await first.remember([first.text(f"fixed {number}") for number in range(FIXED_COUNT)], FIXED, "fixed")
        await first.ingest(LIBRARY, {"test://first": (first.text("paragraph first"),)})
        work = [
            asyncio.create_task(caller("rememberer").keep_remembering()),
            asyncio.create_task(caller("librarian").keep_ingesting(LIBRARY, sources("library"))),
            asyncio.create_task(caller("author").keep_ingesting(DRAFTS, sources("drafts", DRAFT_COUNT))),
            asyncio.create_task(caller("reader").keep_searching(FIXED)),
            asyncio.create_task(caller("visitor").keep_searching(LIBRARY)),
        ]
        try:
            parts = ["memory", "engine"] * KILLS
            chance.shuffle(parts)
            for part in parts:
                await waited(all_progress(oracle, chance.randrange(1, 4)), work)
                await asyncio.sleep(chance.uniform(0.0, 0.2))  # a moment that no acknowledgement marks
                begin = time.monotonic()
                await waited(kill(system, part), work)
                await waited(all_progress(oracle, 1), work)
                longest_s = max(longest_s, time.monotonic() - begin)
            oracle.stopping = True
            await asyncio.wait_for(asyncio.gather(*work), PATIENCE_S)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    return longest_s


@pytest.mark.timeout(180 + 60 * KILLS)
async def test_the_system_comes_back_by_itself_and_keeps_all_it_acknowledged(own_system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"\nATLAS_TEST_SEED={SEED} ATLAS_TEST_KILLS={KILLS}")  # noqa: T201 - what repeats a run
    # Kills have to meet flushes and a pruned journal; a busy machine has to get whole answers.
    for name, value in {"MEMORY_FLUSH_INTERVAL_MS": 300, "GATEWAY_SEARCH_DEADLINE_MS": 20_000, "GATEWAY_RECORD_CAP_MS": 10_000}.items():
        monkeypatch.setenv(f"ATLAS_{name}", str(value))
    oracle, chance, begin = Oracle(), random.Random(SEED), time.monotonic()
    await asyncio.to_thread(own_system.up)
    supervisor = own_system.pids()["supervisor"]
    longest_s = await kill_at_work(own_system, oracle, chance)
    assert own_system.pids()["supervisor"] == supervisor
    stored = await stored_in(own_system)
    faults = faults_of(stored, oracle)
    figures = {
        "kills": {"memory": KILLS, "engine": KILLS},
        "memories acknowledged": expected_of(oracle).total(),
        "events acknowledged": oracle.events.total(),
        "faults": dict(faults),
        "searches of unknown outcome": dict(oracle.unknown),
        "acknowledgements": dict(oracle.progress),
        "calls made again": dict(oracle.outages),
        "longest return in s": round(longest_s, 1),
        "all in s": round(time.monotonic() - begin),
    }
    print(figures)  # noqa: T201 - what a long run is made for
    assert not faults
    assert oracle.outages
    # An engine has to come back at the first attempt.
    assert "did not come back" not in (own_system.data_dir / "logs" / "memory.log").read_text()
    await check_findable(own_system, stored, chance)
    await asyncio.to_thread(own_system.down)
    await asyncio.to_thread(own_system.up)
    stored = await stored_in(own_system)
    assert not faults_of(stored, oracle)
    await check_findable(own_system, stored, chance)
