"""Callers that search and write without pause while a collection is migrated, and what they noticed."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from atlas.client import AsyncAtlas, MemoryInput, SalienceMode, SearchResult
from atlas.errors import AtlasError

LIVE, STILL = "live", "still"
"""The collection that is migrated, and one that stays where it is."""


@dataclass(slots=True)
class Noticed:
    """What the callers noticed."""

    calls: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    mixed: int = 0
    """Answers whose hits of one collection come from two generations."""
    generations: Counter[str] = field(default_factory=Counter)
    """Answers by the generation that gave the hits of the migrated collection."""
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    """Searches by phase."""
    phase: str = "before"
    written: dict[str, str] = field(default_factory=dict)
    """Text by memory id, as it was acknowledged last."""
    deleted: set[str] = field(default_factory=set)
    stopping: bool = False


class Load:
    """Searchers and a writer."""

    def __init__(self, client: AsyncAtlas, questions: Sequence[str], *, seed: int) -> None:
        """Asks `questions` in turn; `seed` decides what the writer does."""
        self._client = client
        self._questions = questions
        self._chance = random.Random(seed)  # noqa: S311 - reproducible choices, not a secret
        self.noticed = Noticed()

    async def run(self, searcher_count: int) -> None:
        """Works until `noticed.stopping`."""
        begins = range(0, len(self._questions), max(1, len(self._questions) // searcher_count))
        searchers = [self._search(begin, everywhere=begin % 2 == 1) for begin in list(begins)[:searcher_count]]
        await asyncio.gather(self._write(), self._search(0, everywhere=True), *searchers)

    async def _search(self, begin: int, *, everywhere: bool) -> None:
        for number in itertools.count(begin):
            if self.noticed.stopping:
                return
            question, begin_s = self._questions[number % len(self._questions)], time.perf_counter()
            try:
                answer = await self._client.search(
                    question,
                    collections=() if everywhere else (LIVE,),
                    # What is learnt meanwhile would hide whether what was learnt before survives.
                    salience_mode=SalienceMode.READ,
                    result_count=10,
                    require_complete=True,
                )
            except AtlasError as error:
                self.noticed.failures.append(f"search: {type(error).__name__} {error.reason}: {error.message}")
                continue
            self.noticed.calls["search"] += 1
            self.noticed.latencies_ms.setdefault(self.noticed.phase, []).append((time.perf_counter() - begin_s) * 1_000)
            self._look_at(answer)

    def _look_at(self, answer: SearchResult) -> None:
        found: dict[str, set[str]] = {}
        for hit in answer.hits:
            found.setdefault(hit.memory.collection, set()).add(hit.memory.generation)
        self.noticed.mixed += any(len(generations) > 1 for generations in found.values())
        self.noticed.generations.update(found.get(LIVE, ()))

    async def _write(self) -> None:
        """Remembers, edits and deletes, about ten times a second."""
        for number in itertools.count():
            if self.noticed.stopping:
                return
            choice = self._chance.random()
            known = [memory_id for memory_id in self.noticed.written if memory_id not in self.noticed.deleted]
            try:
                if choice < 0.6 or not known:
                    await self._remember(number, None)
                elif choice < 0.85:
                    await self._remember(number, self._chance.choice(known))
                else:
                    memory_id = self._chance.choice(known)
                    await self._client.delete(memory_ids=[memory_id])
                    self.noticed.deleted.add(memory_id)
                    self.noticed.calls["delete"] += 1
            except AtlasError as error:
                self.noticed.failures.append(f"write: {type(error).__name__} {error.reason}: {error.message}")
            await asyncio.sleep(0.1)

    async def _remember(self, number: int, memory_id: str | None) -> None:
        text = f"note {number} says {' '.join(self._chance.sample(_WORDS, 8))}"
        (done,) = await self._client.remember(MemoryInput(text, collection=LIVE, memory_id=memory_id))
        self.noticed.written[done.memory_ids[0]] = text
        self.noticed.calls["edit" if memory_id else "remember"] += 1


_WORDS = """
    anchor apple barley beacon bell boat brass bridge candle canvas cedar chalk cloud clover copper coral cork cotton crane crow dune
    eagle ember falcon fern ferry flint forest fox garden glass granite harbour hazel heron honey iron island ivory ivy kettle ladder
""".split()  # noqa: SIM905 - a hundred quotes read worse
