"""Kills memory and its engine at each failpoint under load, and compares what is left with what was acknowledged."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from services.memory.failpoints import ENGINE, FAILPOINTS
from services.memory.persistence.locks import hold
from tests.rpc.memory_part import Memory, create, spaces, stubs

from .oracle import OUTAGE, Caller, State, Tally, ViolationError, compare, require
from .part import Nursery, Part, nursery

CALLERS = 4
PATIENCE_S = 60.0
AT_START = frozenset(name for name in FAILPOINTS if name.startswith(("start.", "retention."))) | {
    "engine.lock.after",
    "engine.ready.after",
    "engine.open.after",
}
"""Passed while a service starts."""
AT_STOP = frozenset({"stop.settle.before", "engine.close.before"})
AT_CREATION = frozenset({"engine.create.draft", "engine.create.renamed"})
AT_FIRST_START = frozenset({"start.schema.before", "start.schema.after"})
"""Of those at start, the ones that matter in an empty folder."""
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
]


@dataclass
class Figures:
    """What a run did and found."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    """Kills by failpoint; `anywhere` counts those that made room for a start."""
    not_reached: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    acknowledged: int = 0
    events: int = 0
    duplicates: int = 0
    searches: int = 0
    repeated: int = 0
    comparisons: int = 0
    longest_recovery_s: float = 0.0
    """From a kill to the moment at which every caller had its answer."""
    seconds: float = 0.0

    @property
    def failpoints(self) -> int:
        return len(self.kills.keys() - {"anywhere"})

    def __str__(self) -> str:
        named = sum(count for name, count in self.kills.items() if name != "anywhere")
        return (
            f"seed {self.seed}: {named} kills at {self.failpoints} failpoints and {self.kills['anywhere']} anywhere "
            f"in {self.seconds:.0f} s; "
            f"{self.acknowledged} calls ({self.searches} searches) and {self.events} events acknowledged, {self.repeated} calls repeated, "
            f"{self.duplicates} events sent twice; {self.comparisons} comparisons, {len(self.violations)} violations; "
            f"longest recovery {self.longest_recovery_s:.1f} s"
            + "".join(f"\n  not reached: {name} x {count}" for name, count in sorted(self.not_reached.items()))
            + "".join(f"\n  VIOLATION {each}" for each in self.violations)
        )


class Matrix:
    """One service under load and the kills it is to survive."""

    def __init__(self, part: Part, memory: Memory, seed: int, callers: int) -> None:
        self._part = part
        self._memory = memory
        self._chance = random.Random(f"{seed} matrix")
        self._tally = Tally()
        self._callers = [
            Caller(memory, self._tally, f"c{number}", random.Random(f"{seed} {number}"), time.time, names=60, most=60, search_share=0.15)
            for number in range(callers)
        ]
        self._created = 0
        self.figures = Figures(seed)

    async def run(self, names: Iterable[str], told: Callable[[str], None]) -> None:
        """Kills once at each of `names`, in this order; ends at the first violation."""
        begin = time.monotonic()
        waiting, tries = deque(names), Counter[str]()
        await self._fresh("")
        work = [asyncio.create_task(caller.work()) for caller in self._callers]
        try:
            while waiting:
                name = waiting.popleft()
                if not await self._round(name, work):
                    tries[name] += 1
                    self.figures.not_reached[name] += 1
                    if tries[name] < 5:
                        waiting.append(name)
                if sum(self.figures.kills.values()) % 50 == 0:
                    told(f"{sum(self.figures.kills.values())} kills, {time.monotonic() - begin:.0f} s, {len(waiting)} to come")
        except ViolationError as error:
            self.figures.violations.append(str(error))
        finally:
            self._count()
            self.figures.seconds = time.monotonic() - begin
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _round(self, name: str, work: list[asyncio.Task[None]]) -> bool:
        """Has the service die at one failpoint, waits until all is well again, and compares."""
        if name in AT_FIRST_START:
            fired = await self._fresh(name)
        else:
            self._go_on()
            await self._progress(self._chance.randrange(3, 12), work)
            fired = await self._die(name, work)
        begin = time.monotonic()
        if not self._part.alive:
            await self._part.start()
        if name in AT_FIRST_START:
            await self._create("notes")
            self._go_on()
            await self._progress(3, work)
        await self._waited(asyncio.gather(*(caller.pause() for caller in self._callers)), work, f"callers after {name}")
        self.figures.longest_recovery_s = max(self.figures.longest_recovery_s, time.monotonic() - begin)
        require(self._part.alive, f"the service ended by itself after {name}")
        try:
            await compare(self._memory, self._merged(), time.time)
        except ViolationError as error:
            raise ViolationError(f"after a kill at {name}: {error}") from error
        for caller in self._callers:
            caller.begin_anew(caller.state)
        self.figures.comparisons += 1
        return fired

    async def _die(self, name: str, work: list[asyncio.Task[None]]) -> bool:
        if name in AT_START:
            await self._part.kill()
            self.figures.kills["anywhere"] += 1
            self._part.arm(f"{name}=kill")
            await self._part.start()
        elif name in AT_STOP:
            self._part.arm(f"{name}=kill")
            await self._part.stop()
        elif name in AT_CREATION:
            self._part.arm(f"{name}=kill")
            self._created += 1
            await self._create(f"other-{self._created}", fingerprint=f"other/{self._created}")
        else:
            self._part.arm(f"{name}=kill@{self._chance.randrange(1, 6)}")
        return await self._fired(name, work)

    async def _fired(self, name: str, work: list[asyncio.Task[None]]) -> bool:
        """Waits until the plan came true; False if it never does."""
        give_up = time.monotonic() + (PATIENCE_S if name not in AT_START | AT_STOP else 20.0)
        while self._part.plan.exists():
            _raise_ended(work)
            over = time.monotonic() > give_up or (name in AT_STOP and not self._part.alive)
            if over or (name in AT_START and await self._serves()):
                self._part.disarm()
                return False
            await asyncio.sleep(0.005)
        self.figures.kills[name] += 1
        if name not in ENGINE or name in AT_STOP:
            assert self._part.ended is not None
            await asyncio.wait_for(asyncio.shield(self._part.ended), PATIENCE_S)
        elif name in AT_START:
            # An engine that dies at the very first start ends the front as well; whoever supervises it starts it again.
            await asyncio.sleep(0.2)
        return True

    async def _serves(self) -> bool:
        try:
            await self._part.serving(self._memory.channel, seconds=0.05)
        except Exception:  # noqa: BLE001 - any failure is the same answer
            return False
        return True

    async def _fresh(self, name: str) -> bool:
        """Begins with an empty folder, in which the first start dies at `name`, if it is given."""
        if self._part.ended is not None:
            await asyncio.gather(*(caller.pause() for caller in self._callers))
            await self._part.kill()
            # An engine whose front died closes its indexes first.
            with hold(self._part.folder / "engine" / "engine.lock", wait_s=PATIENCE_S):
                pass
        for caller in self._callers:
            caller.begin_anew({})
        shutil.rmtree(self._part.folder, ignore_errors=True)
        if name:
            self._part.arm(f"{name}=kill")
            await self._part.start()
            return await self._fired(name, [])
        await self._part.start()
        await self._create("notes")
        return False

    async def _create(self, collection: str, **options: Any) -> None:
        while True:
            if not self._part.alive:
                await self._part.start()
            try:
                await create(self._memory, collection, spaces=spaces(**options))
            except grpc.aio.AioRpcError as error:
                if error.code() not in OUTAGE:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    def _go_on(self) -> None:
        for caller in self._callers:
            caller.running.set()

    async def _progress(self, count: int, work: list[asyncio.Task[None]]) -> None:
        """Waits for some more acknowledgements, and then a moment that none of them marks."""

        async def reached() -> None:
            goal = self._tally.acknowledged + count
            while self._tally.acknowledged < goal:  # noqa: ASYNC110 - an event for each acknowledgement would cost more
                await asyncio.sleep(0.002)

        await self._waited(reached(), work, "progress")
        await asyncio.sleep(self._chance.uniform(0.0, 0.01))

    async def _waited(self, condition: Awaitable[Any], work: list[asyncio.Task[None]], what: str) -> None:
        task = asyncio.ensure_future(condition)
        await asyncio.wait([task, *work], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        _raise_ended(work)
        if not task.done():
            task.cancel()
            raise ViolationError(f"{what}: nothing happened for {PATIENCE_S:.0f} s; the service is {'up' if self._part.alive else 'down'}")
        task.result()

    def _merged(self) -> State:
        return {name: known for caller in self._callers for name, known in caller.state.items()}

    def _count(self) -> None:
        self.figures.acknowledged, self.figures.events = self._tally.acknowledged, self._tally.event_count
        self.figures.duplicates, self.figures.repeated = self._tally.duplicates, self._tally.repeated
        self.figures.searches = self._tally.searches


def _raise_ended(work: list[asyncio.Task[None]]) -> None:
    for task in work:
        if task.done():
            task.result()


def order_of(kills: int, seed: int, names: Iterable[str] = FAILPOINTS) -> list[str]:
    """Spreads kills evenly over failpoints, in a seeded order."""
    known = sorted(names)
    chosen = [known[number % len(known)] for number in range(kills)]
    random.Random(f"{seed} order").shuffle(chosen)
    return chosen


async def run_matrix(
    names: Iterable[str], *, seed: int, folder: Path, callers: int = CALLERS, told: Callable[[str], None] = lambda _: None
) -> Figures:
    """Kills once at each of `names` and gives the figures."""
    async with AsyncExitStack() as stack:
        nurse: Nursery = await stack.enter_async_context(nursery())
        part = Part(nurse, folder / "data", folder)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS))
        matrix = Matrix(part, stubs(None, channel), seed, callers)
        await matrix.run(names, told)
        if part.alive:
            require(await part.stop() == 0 or matrix.figures.violations, "the service did not end well")
        return matrix.figures
