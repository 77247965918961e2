"""Callers that use the system without pause, and the oracle that notes what they were told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from atlas.client import AsyncAtlas, Durability, MemoryInput, Outcome, SearchResult
from atlas.documents import Document
from atlas.errors import ConflictError, DeadlineError, DependencyDownError, OverloadedError

T = TypeVar("T")

FIXED, NOTES, LIBRARY, DRAFTS = "fixed", "notes", "library", "drafts"
"""Collections: written once; remembered to; ingested to and only growing; ingested to and edited."""
STREAM_S = 90.0
"""Longest that one stream may take."""
CANDIDATES = 20
DOCUMENTS, PARAGRAPHS = 8, 3
WORDS = """
    anchor apple barley beacon bell boat brass bridge candle canvas cedar chalk cloud clover copper coral cork cotton crane crow dune
    eagle ember falcon fern ferry flint forest fox garden glass granite harbour hazel heron honey iron island ivory ivy kettle ladder
    lamp lantern leather lemon linen maple marble meadow mill mirror moss needle oak olive orchard otter paper pearl pebble pepper pine
    plum quarry quill raven reed ribbon river rope saddle salt silver slate sparrow spruce stone sugar thistle timber tower velvet violet
    walnut wheat willow window wool
""".split()  # noqa: SIM905 - a hundred quotes read worse


class InterruptedStreamError(Exception):
    """A stream that was broken, or that did not store all of it."""


@dataclass
class Oracle:
    """What was acknowledged."""

    documents: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Paragraphs by collection and source."""
    remembered: dict[tuple[str, str], str] = field(default_factory=dict)
    """Text by collection and memory id."""
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
            except (DependencyDownError, DeadlineError, OverloadedError, InterruptedStreamError):
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
            assert (collection, memory_id) not in self.oracle.remembered
            self.oracle.remembered[collection, memory_id] = text
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
        async with aclosing(self.client.ingest(sent, collection=collection, timeout_s=STREAM_S)) as replies:
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
                    raise InterruptedStreamError
        if failed:
            raise InterruptedStreamError

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
                self._note_conflict(collection)
                continue
            self.oracle.events.update(hit.memory.memory_id for hit in found.hits)
            await self.oracle.acknowledge(f"search {collection}")

    def _note_conflict(self, collection: str) -> None:
        """Notes a search that was recorded before its reply was lost, with a pool that was another one then."""
        if collection == FIXED:
            # Its pool is always the whole collection; only near ties can have changed places.
            self.oracle.events.update(memory_id for name, memory_id in self.oracle.remembered if name == FIXED)
        else:
            self.oracle.unknown[collection] += 1

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
