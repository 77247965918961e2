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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import psutil
import pytest

from atlas.channel import open_channel
from atlas.client import AsyncAtlas, Durability, Memory, MemoryInput, Outcome, SalienceMode, SearchResult
from atlas.documents import Document
from atlas.errors import AtlasError, ConflictError, DeadlineError, DependencyDownError, OverloadedError
from atlas.memory.v1 import salience_pb2, salience_pb2_grpc
from atlas.type.v1 import type_pb2

from .conftest import System

T = TypeVar("T")

KILLS = int(os.environ.get("ATLAS_TEST_KILLS", "2"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
PATIENCE_S = 90.0
"""Longest that anything here may take; a restart waits 10 s after many deaths in a row, and this machine may be busy."""
ENGINE = "services.memory.stores.edge.engine"
FIXED, NOTES, LIBRARY, DRAFTS = "fixed", "notes", "library", "drafts"
"""Collections: never written during the kills; remembered to; ingested to and only growing; ingested to and edited."""
FIXED_COUNT = 12
CANDIDATES = 20
DOCUMENTS, PARAGRAPHS = 8, 3
DRAFT_COUNT = 40
WORDS = (
    "anchor apple barley beacon bell boat brass bridge candle canvas cedar chalk cloud clover copper coral cork cotton crane crow dune "
    "eagle ember falcon fern ferry flint forest fox garden glass granite harbour hazel heron honey iron island ivory ivy kettle ladder "
    "lamp lantern leather lemon linen maple marble meadow mill mirror moss needle oak olive orchard otter paper pearl pebble pepper pine "
    "plum quarry quill raven reed ribbon river rope saddle salt silver slate sparrow spruce stone sugar thistle timber tower velvet violet "
    "walnut wheat willow window wool"
).split()


class Interrupted(Exception):
    """A stream that was broken, or that did not store all of it."""


@dataclass
class Oracle:
    """What was acknowledged."""

    documents: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Paragraphs by collection and source."""
    remembered: dict[str, str] = field(default_factory=dict)
    """Text by memory id."""
    collection_of: dict[str, str] = field(default_factory=dict)
    """Collection by id of a remembered memory."""
    events: Counter[str] = field(default_factory=Counter)
    """Acknowledged events by memory id."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Searches by collection of which nobody can say whether they count."""
    progress: Counter[str] = field(default_factory=Counter)
    """Acknowledgements by kind."""
    outages: Counter[str] = field(default_factory=Counter)
    """Calls that were made again, by kind."""
    stopping: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def acknowledge(self, kind: str, count: int = 1) -> None:
        """Counts acknowledgements."""
        async with self.changed:
            self.progress[kind] += count
            self.changed.notify_all()

    async def more(self, kind: str, count: int) -> None:
        """Waits for so many more acknowledgements."""
        goal = self.progress[kind] + count
        async with self.changed:
            await self.changed.wait_for(lambda: self.progress[kind] >= goal)


@dataclass(frozen=True)
class Caller:
    """One caller of the system, with choices of its own."""

    client: AsyncAtlas
    oracle: Oracle
    chance: random.Random
    name: str

    async def until_acknowledged(self, kind: str, call: Callable[[], Awaitable[T]]) -> T:
        """Makes a call again and again until it is acknowledged; every repetition is the same request."""
        while True:
            try:
                return await call()
            except (DependencyDownError, DeadlineError, OverloadedError, Interrupted):
                self.oracle.outages[kind] += 1
                await asyncio.sleep(0.05)

    def text(self, name: str) -> str:
        return f"{' '.join(self.chance.sample(WORDS, 12))} {name}"

    # ------------------------------------------------------------ remember

    async def remember(self, texts: Sequence[str], collection: str, request_id: str) -> None:
        inputs = [MemoryInput(text, collection=collection) for text in texts]
        durability = self.chance.choice(list(Durability))
        done = await self.until_acknowledged(
            "remember", lambda: self.client.remember(*inputs, request_id=request_id, durability=durability)
        )
        # A repetition gives the first answer: a text that was stored twice, or answered as known, would show here.
        assert [item.outcome for item in done] == [Outcome.NEW] * len(texts), request_id
        for item, text in zip(done, texts, strict=True):
            (memory_id,) = item.memory_ids
            assert memory_id not in self.oracle.remembered
            self.oracle.remembered[memory_id] = text
            self.oracle.collection_of[memory_id] = collection
        await self.oracle.acknowledge("remember", len(texts))

    async def keep_remembering(self) -> None:
        for step in itertools.count():
            if self.oracle.stopping:
                return
            texts = [self.text(f"note {self.name} {step} {number}") for number in range(self.chance.choice((1, 1, 3)))]
            await self.remember(texts, NOTES, f"{self.name}-{step}")

    # ------------------------------------------------------------ ingest

    async def ingest(self, collection: str, documents: dict[str, tuple[str, ...]]) -> None:
        """Sends documents until one stream has acknowledged each of them."""
        await self.until_acknowledged("ingest", lambda: self._stream(collection, documents))

    async def _stream(self, collection: str, documents: dict[str, tuple[str, ...]]) -> None:
        sent = [Document(source=source, text="\n\n".join(paragraphs)) for source, paragraphs in documents.items()]
        # Now and then the sender itself dies in mid-stream.
        last = self.chance.randrange(len(sent)) if self.chance.random() < 0.2 else len(sent)
        failed = False
        async with aclosing(self.client.ingest(sent, collection=collection, timeout_s=PATIENCE_S)) as replies:
            async for reply in replies:
                if reply.error is not None:
                    assert isinstance(reply.error, (DependencyDownError, DeadlineError, OverloadedError)), reply.error
                    failed = True
                    continue
                paragraphs = documents[reply.source]
                assert reply.new_count + reply.changed_count + reply.unchanged_count == len(paragraphs)
                self.oracle.documents[collection, reply.source] = paragraphs
                await self.oracle.acknowledge("ingest", len(paragraphs))
                last -= 1
                if last < 0:
                    raise Interrupted
        if failed:
            raise Interrupted

    async def keep_ingesting(self, collection: str, sources: Iterator[str]) -> None:
        for step in itertools.count():
            if self.oracle.stopping:
                return
            batch = list(itertools.islice(sources, DOCUMENTS))
            await self.ingest(collection, {source: self._paragraphs(collection, source, step) for source in batch})

    def _paragraphs(self, collection: str, source: str, step: int) -> tuple[str, ...]:
        """Makes a document, or edits one paragraph of it."""
        old = self.oracle.documents.get((collection, source))
        if old is None:
            return tuple(self.text(f"paragraph {source} {step} {number}") for number in range(PARAGRAPHS))
        edited = self.chance.randrange(len(old))
        return (*old[:edited], self.text(f"paragraph {source} {step} edited"), *old[edited + 1 :])

    # ------------------------------------------------------------ search

    async def keep_searching(self, collection: str) -> None:
        for step in itertools.count():
            if self.oracle.stopping:
                return
            query, request_id = " ".join(self.chance.sample(WORDS, 3)), f"{self.name}-{step}"
            try:
                found = await self.until_acknowledged("search", lambda q=query, r=request_id: self._search(q, collection, r))
            except ConflictError:
                # The search was recorded before with a pool that has changed since: its first answer is lost.
                self.oracle.unknown[collection] += 1
                continue
            self.oracle.events.update(hit.memory.memory_id for hit in found.hits)
            await self.oracle.acknowledge(f"search {collection}")

    async def _search(self, query: str, collection: str, request_id: str) -> SearchResult:
        """Searches and has evidence recorded for the whole pool, which is what it gives."""
        found = await self.client.search(
            query,
            collections=[collection],
            candidate_count=CANDIDATES,
            result_count=CANDIDATES,
            require_complete=True,
            request_id=request_id,
        )
        wrote = found.salience_write
        if wrote.error is not None:
            raise wrote.error
        assert len({hit.memory.memory_id for hit in found.hits}) == found.candidate_count
        assert (wrote.accepted_count + wrote.duplicate_count, wrote.rejected_count) == (found.candidate_count, 0), wrote
        return found


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


def difference_of(stored: Stored, oracle: Oracle) -> Counter[str]:
    """Counts what was lost and what is there twice, or without anybody's having been told."""
    faults: Counter[str] = Counter()
    ids = Counter(memory.memory_id for each in stored.memories.values() for memory in each)
    faults["memory ids listed twice"] += ids.total() - len(ids)
    expected: Counter[tuple[str, ...]] = Counter(
        (FIXED, *item) for item in oracle.remembered.items() if oracle.collection_of[item[0]] == FIXED
    )
    expected.update((NOTES, *item) for item in oracle.remembered.items() if oracle.collection_of[item[0]] == NOTES)
    expected.update((*key, text) for key, paragraphs in oracle.documents.items() for text in paragraphs)
    there = Counter(
        (name, memory.memory_id if name in (FIXED, NOTES) else memory.source, memory.text)
        for name, each in stored.memories.items()
        for memory in each
    )
    faults["memories lost"] += (expected - there).total()
    faults["memories doubled"] += (there - expected).total()
    for name in (FIXED, LIBRARY):
        for memory_id in (memory.memory_id for memory in stored.memories[name]):
            count, acknowledged = stored.event_counts[memory_id], oracle.events[memory_id]
            faults["events lost"] += max(0, acknowledged - count)
            faults["events doubled"] += max(0, count - acknowledged - oracle.unknown[name])
    return +faults


async def check_findable(system: System, stored: Stored, chance: random.Random) -> None:
    """Looks for some memories by their own words."""
    async with AsyncAtlas(system.server) as client:
        for name, memories in stored.memories.items():
            for memory in chance.sample(memories, 6):
                found = await client.search(memory.text, collections=[name], salience_mode=SalienceMode.OFF, require_complete=True)
                assert memory.memory_id in {hit.memory.memory_id for hit in found.hits}, memory.text


def engine_of(memory: int) -> psutil.Process:
    (engine,) = [child for child in psutil.Process(memory).children(recursive=True) if ENGINE in child.cmdline()]
    return engine


async def kill(system: System, part: str) -> None:
    memory = system.pids()["memory"]
    os.kill(memory if part == "memory" else engine_of(memory).pid, signal.SIGKILL)


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
                await kill(system, part)
                begin = time.monotonic()
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
    faults = difference_of(stored, oracle)
    print(  # noqa: T201 - figures of a long run
        f"{KILLS} kills of memory and {KILLS} of its engine in {time.monotonic() - begin:.0f} s: {sum(map(len, stored.memories.values()))} memories"
        f" and {oracle.events.total()} events acknowledged, faults {dict(faults)}; unknown {dict(oracle.unknown)}; acknowledgements"
        f" {dict(oracle.progress)}; calls made again {dict(oracle.outages)}; longest wait {longest_s:.1f} s"
    )
    assert not faults
    assert oracle.outages
    await check_findable(own_system, stored, chance)
    await asyncio.to_thread(own_system.down)
    await asyncio.to_thread(own_system.up)
    stored = await stored_in(own_system)
    assert not difference_of(stored, oracle)
    await check_findable(own_system, stored, chance)
