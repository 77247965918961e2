"""Simulates the write path of memory from a seed: calls, doubled calls, late calls, jumps of the clock, crashes and power cuts."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from atlas.errors import InvalidInputError
from services.memory.search.analyzer import Analyzer
from tests.rpc.memory_part import Memory, create, id_of, query

from ..comparison import Stored, check, read
from ..expected import COLLECTION, ViolationError, require
from ..logs import quiet
from ..oracle import Caller, Tally, settle
from .disk import template
from .plants import PLANTS
from .world import Machine, new_machine, settings_for

CALLERS = 3
NEVER = 1 << 60
_PART = 250
"""Seeds that one process is given at a time."""


@dataclass
class SimulatedCaller(Caller):
    """A caller whose calls come twice, at once or much later."""

    sent: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    """Service, method, request and answer of acknowledged writes."""

    async def act(self) -> None:
        await asyncio.sleep(self.chance.expovariate(200))
        if self.sent and self.chance.random() < 0.15:
            service, name, request, answer = self.chance.choice(self.sent)
            again = await getattr(getattr(self.memory, service), name)(request)
            require(_said(again) == _said(answer), f"{self.name}: a late repetition of {name} was answered with {_said(again)}")
            return
        await super().act()

    async def _step(self, method: Any, request: Any, after: Any) -> Any:
        answer = await super()._step(method, request, after)
        kind = type(request).__name__
        if kind != "RecordEventsRequest":
            self.sent.append(("memories", kind.removesuffix("Request"), request, answer))
        return answer

    async def _record(self) -> None:
        try:
            await super()._record()
        except InvalidInputError as error:
            # The clock was set back between the search and its evidence, which is refused as one from the future.
            if error.field != "search_time":
                raise
            if self.history[-1].acknowledged is None:
                self.history.pop()

    async def _until_acknowledged(self, method: Any, request: Any) -> Any:
        if self.chance.random() >= 0.2:
            return await method(request)
        outcomes = await asyncio.gather(method(request), method(request), return_exceptions=True)
        answers = [each for each in outcomes if not isinstance(each, BaseException)]
        for error in (each for each in outcomes if isinstance(each, BaseException)):
            # Of two calls at once one may have come before the clock was set back.
            if not answers or not isinstance(error, InvalidInputError):
                raise error
        first, second = answers[0], answers[-1]
        if len(answers) == 1:
            return first
        if type(request).__name__ == "RecordEventsRequest":
            accepted = first.accepted_count, second.accepted_count
            require(0 in accepted, f"{self.name}: of two equal calls at once both count: {accepted}")
        else:
            require(_said(first) == _said(second), f"{self.name}: two equal calls at once were answered differently")
        return first


@dataclass
class Searcher:
    """Searches without a pause, and wants of every search what was acknowledged before it, or what was written since."""

    memory: Memory
    callers: Sequence[Caller]
    chance: random.Random
    count: int = 0

    async def search(self) -> None:
        while True:
            begun = [(caller, caller.state, len(caller.history) - _under_way(caller)) for caller in self.callers]
            request = query("text", collections=[COLLECTION], candidate_count=50)
            found = {one.memory.memory_id: one.memory.text for one in (await self.memory.memories.QueryMemories(request)).candidates}
            for caller, state, number in begun:
                states = [state, *(step.after for step in caller.history[number:])]
                for name in {name for one in states for name in one}:
                    may_say = {one[name].text if name in one else None for one in states}
                    require(found.pop(id_of(name), None) in may_say, f"a search says of {name} what it was before, or does not find it")
            require(not found, f"a search finds what nobody has: {sorted(found.values())}")
            self.count += 1
            await asyncio.sleep(self.chance.expovariate(300))


def _under_way(caller: Caller) -> int:
    return sum(step.acknowledged is None for step in caller.history[-1:])


def _said(answer: Any) -> list[Any]:
    if hasattr(answer, "deleted_count") and not hasattr(answer, "results"):
        return [answer.deleted_count]
    return [(each.memory_id, each.outcome, each.etag) for each in answer.results]


@dataclass
class Simulated:
    """What happened in one simulation or in many."""

    runs: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)
    """Seed and what was wrong."""
    seconds: float = 0.0

    def __str__(self) -> str:
        happened = ", ".join(f"{count} {name}" for name, count in sorted(self.steps.items()))
        return (
            f"{self.runs} simulations in {self.seconds:.1f} s ({60 * self.runs / max(self.seconds, 1e-9):.0f} a minute): {happened}; "
            f"{len(self.violations)} violations" + "".join(f"\n  VIOLATION seed {seed}: {text}" for seed, text in self.violations)
        )


class Simulation:
    """One seed."""

    def __init__(self, seed: int, machine: Machine, steps: Counter[str]) -> None:
        self._chance = random.Random(f"{seed} plan")
        self._machine = machine
        self._steps = steps
        self._tally = Tally()
        nobody = Memory(None, None, None, None, None)  # type: ignore[arg-type]
        self._callers = [
            SimulatedCaller(nobody, self._tally, f"c{number}", random.Random(f"{seed} {number}"), self._time, names=5, most=3)
            for number in range(CALLERS)
        ]
        # Chance of its own: the other seeds go as they went before there were searches.
        self._searches = random.Random(f"{seed} with searches")
        self._searching = self._searches.random() < 0.5
        self._lost_power = False
        self._unsettled = False

    def run(self) -> None:
        """Lives some lives; every one but the last ends somewhere."""
        for left in reversed(range(self._chance.randrange(2, 5))):
            ended = self._machine.live(self._life, end_at=self._chance.randrange(1, 250) if left else NEVER)
            if ended:
                self._unsettled = True
            if self._chance.random() < 0.5 and left:
                self._machine.cut()
                self._lost_power = self._unsettled = True
            self._steps["power cuts" if self._lost_power else "crashes" if ended else "quiet ends"] += 1
        self._steps["calls"] += self._tally.acknowledged
        self._steps["events"] += self._tally.event_count
        self._steps["engine deaths"] += self._machine.engine_deaths

    async def _life(self, memory: Memory) -> None:
        for caller in self._callers:
            caller.memory = memory
        await create(memory)
        if self._unsettled:
            await self._settle(memory)
        # A start brings to disk what was there.
        for caller in self._callers:
            caller.begin_anew(caller.state)
        jumps = asyncio.ensure_future(self._jump())
        counts = [self._chance.randrange(1, 5) for _ in self._callers]
        acting = asyncio.gather(*(_act(caller, count) for caller, count in zip(self._callers, counts, strict=True)))
        if self._searching:
            searcher = Searcher(memory, self._callers, self._searches)
            searching = asyncio.ensure_future(searcher.search())
            await asyncio.wait((acting, searching), return_when=asyncio.FIRST_COMPLETED)
            # A search that ended has found a violation.
            await (acting if acting.done() else searching)
            searching.cancel()
            self._steps["searches"] += searcher.count
        await acting
        jumps.cancel()
        stored = await read(memory, self._time)
        check(stored, {name: known for caller in self._callers for name, known in caller.state.items()})

    async def _settle(self, memory: Memory) -> None:
        stored: Stored = await read(memory, self._time)
        if self._lost_power:
            for caller in self._callers:
                caller.sent.clear()
        self._steps["calls gone whole"] += settle(self._callers, stored, power_lost=self._lost_power)
        self._lost_power = self._unsettled = False

    async def _jump(self) -> None:
        """Sets the wall clock an hour forward or back, or a month forward, now and then."""
        while self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.expovariate(50))
            self._machine.clock.offset_s += self._chance.choice((-3600.0, 3600.0, 30 * 86_400.0))
            self._steps["clock jumps"] += 1

    def _time(self) -> float:
        return self._machine.clock.now().timestamp()


async def _act(caller: SimulatedCaller, count: int) -> None:
    for _ in range(count):
        await caller.act()


def simulate(
    seeds: Iterable[int], *, plant: str | None = None, most_violations: int = 5, told: Callable[[str], None] = lambda _: None
) -> Simulated:
    """Simulates one seed after the other; stops after some violations."""
    done, begin = Simulated(), time.monotonic()
    with (
        quiet("services.memory", logging.CRITICAL),
        tempfile.TemporaryDirectory(prefix="atlas-simulation-") as folder,
        PLANTS[plant]() if plant else nullcontext(),
    ):
        settings, content = settings_for(Path(folder)), template()
        analyzer = Analyzer(settings.analyzer_parameters)
        for seed in seeds:
            done.runs += 1
            try:
                Simulation(seed, new_machine(content, seed, analyzer, settings), done.steps).run()
            except Exception as error:  # noqa: BLE001 - whatever a caller or the service fails with is a violation of this seed
                done.violations.append((seed, f"{type(error).__name__}: {error}"))
                if not isinstance(error, ViolationError):
                    done.steps["errors"] += 1
                if len(done.violations) >= most_violations:
                    break
            if done.runs % 1000 == 0:
                told(f"{done.runs} simulations, {time.monotonic() - begin:.0f} s")
    done.seconds = time.monotonic() - begin
    return done


def simulate_side_by_side(seeds: range, *, jobs: int, plant: str | None = None, told: Callable[[str], None] = lambda _: None) -> Simulated:
    """Simulates seeds in several processes."""
    total, begin = Simulated(), time.monotonic()
    parts = [seeds[first : first + _PART] for first in range(0, len(seeds), _PART)]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in pool.map(partial(simulate, plant=plant), parts):
            total.runs += done.runs
            total.steps += done.steps
            total.violations += done.violations
            for seed, text in done.violations:
                told(f"violation, seed {seed}: {text}")
            if total.runs % 1000 < _PART:
                told(f"{total.runs} simulations, {time.monotonic() - begin:.0f} s, {len(total.violations)} violations")
    total.seconds = time.monotonic() - begin
    return total
