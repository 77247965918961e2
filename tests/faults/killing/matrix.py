"""Kills memory and its engine at each failpoint under load, and compares what is left with what was acknowledged."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio

from services.memory.failpoints import ENGINE, FAILPOINTS
from services.memory.stores.edge.background import die_with_parent
from tests.rpc.memory_part import Memory, stubs

from ..comparison import compare
from ..expected import COLLECTION, ViolationError, require
from ..part import CHANNEL_OPTIONS, Nursery, Part, nursery
from .digests import Digest, check_counts, prove, same
from .errands import errand_of, migrates, restores, snapshots
from .ground import PATIENCE_S, Ground
from .projected import check_projected

CALLERS = 4
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
QUIET = (AT_START | AT_STOP) - AT_FIRST_START - {"start.replay.part"}
"""Those that can be met with nothing under way, so that the digests before and after must be equal."""
_TOLD_EVERY = 50
"""Kills after which a run says how far it is."""
BESIDE_ERRANDS = 0.3
"""Share of kills at places that every call passes that come while an errand is done, so that front and engine die in the middle of it."""


@dataclass
class Figures:
    """What a run did and found."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    """Kills by failpoint; `anywhere` counts those that made room for a start."""
    not_reached: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    """Kills that came true at none of several tries."""
    violations: list[str] = field(default_factory=list)
    acknowledged: int = 0
    events: int = 0
    duplicates: int = 0
    searches: int = 0
    repeated: int = 0
    comparisons: int = 0
    quiet: int = 0
    """Kills with nothing under way, after which every digest was what it was before."""
    proofs: int = 0
    """Folders whose digests were those of the same calls without a fault."""
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
            f"{self.duplicates} events sent twice; "
            f"{self.comparisons} comparisons, {self.quiet} of equal digests, {self.proofs} with a service without faults; "
            f"{len(self.violations)} violations; "
            f"longest recovery {self.longest_recovery_s:.1f} s"
            + "".join(f"\n  not reached: {name} x {count}" for name, count in sorted(self.not_reached.items()))
            + "".join(f"\n  VIOLATION {each}" for each in self.violations)
        )


class Matrix:
    """One service under load and the kills it is to survive."""

    def __init__(self, ground: Ground, nurse: Nursery, scratch: Path, seed: int) -> None:
        self._ground = ground
        self._part = ground.part
        self._nurse = nurse
        self._scratch = scratch
        self._chance = ground.chance
        self._created = 0
        self.figures = Figures(seed)

    async def run(self, names: Iterable[str], told: Callable[[str], None]) -> None:
        """Kills once at each of `names`, in this order; ends at the first violation."""
        begin = time.monotonic()
        waiting, tries, next_told = deque(names), Counter[str](), _TOLD_EVERY
        await self._ground.fresh()
        self._ground.begin()
        try:
            while waiting:
                name = waiting.popleft()
                if not await self._named(name):
                    tries[name] += 1
                    self.figures.not_reached[name] += 1
                    if tries[name] < 5:
                        waiting.append(name)
                    else:
                        self.figures.given_up[name] += 1
                if (count := sum(self.figures.kills.values())) >= next_told:
                    told(f"{count} kills, {time.monotonic() - begin:.0f} s, {len(waiting)} to come")
                    next_told = count + _TOLD_EVERY
            await self._prove("at the end")
            await check_projected(self._ground)
        except (ViolationError, grpc.aio.AioRpcError) as error:
            self.figures.violations.append(str(error))
        finally:
            self._count()
            self.figures.seconds = time.monotonic() - begin
            await self._ground.end()

    async def _named(self, name: str) -> bool:
        try:
            return await self._round(name)
        except (ViolationError, grpc.aio.AioRpcError) as error:
            raise ViolationError(f"kill at {name}: {error}") from error

    async def _round(self, name: str) -> bool:
        """Has the service die at one failpoint, waits until all is well again, and compares."""
        ground, before = self._ground, None
        if name in AT_FIRST_START:
            await self._prove("before a fresh start")
            fired = await self._first_start(name)
        else:
            await ground.go_on(self._chance.randrange(3, 12))
            before = await self._digest(name)
            fired = await self._die(name)
        begin = time.monotonic()
        await ground.revive()
        if name in AT_FIRST_START:
            await ground.create(COLLECTION)
            await ground.go_on(3)
        await ground.pause(f"after {name}")
        await ground.serving()
        self.figures.longest_recovery_s = max(self.figures.longest_recovery_s, time.monotonic() - begin)
        require(self._part.alive, "the service ended by itself")
        await ground.looked(lambda: compare(ground.memory, ground.state, time.time))
        after = await ground.looked(lambda: check_counts(ground.memory, ground.state))
        if before is not None:
            same("after a kill with nothing under way", before, after)
            self.figures.quiet += 1
        for caller in ground.callers:
            caller.begin_anew(caller.state)
        self.figures.comparisons += 1
        return fired

    async def _digest(self, name: str) -> Digest | None:
        """Lets everything come to rest before some kills, and reads the digests."""
        if name not in QUIET or self._chance.random() < 0.5:
            return None
        await self._ground.pause(f"before {name}")
        return await self._ground.looked(lambda: check_counts(self._ground.memory, self._ground.state))

    async def _prove(self, when: str) -> None:
        await self._ground.pause(when)
        await prove(self._ground, self._nurse, self._scratch)
        self.figures.proofs += not self._ground.folded

    async def _die(self, name: str) -> bool:
        errand, plan = errand_of(name), f"{name}=kill"
        if errand is None and name not in AT_START | AT_STOP | AT_CREATION and self._chance.random() < BESIDE_ERRANDS:
            errand, plan = self._chance.choice((snapshots, restores, migrates)), f"{name}=kill@{self._chance.randrange(1, 40)}"
        if errand is not None:
            await errand(self._ground, lambda: self._part.arm(plan), lambda: not self._part.plan.exists())
            if self._part.plan.exists() and errand_of(name) is None:
                # What was to happen so often goes on happening without the errand.
                await self._ground.go_on(1)
                if self._part.plan.exists():
                    return await self._fired(name)
            return self._came_true(name)
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
            await self._ground.create(f"other-{self._created}", fingerprint=f"other/{self._created}")
        else:
            self._part.arm(f"{name}=kill@{self._chance.randrange(1, 6)}")
        return await self._fired(name)

    def _came_true(self, name: str) -> bool:
        if self._part.plan.exists():
            self._part.disarm()
            return False
        self.figures.kills[name] += 1
        return True

    async def _fired(self, name: str) -> bool:
        """Waits until the plan came true; False if it never does."""
        give_up = time.monotonic() + (PATIENCE_S if name not in AT_START | AT_STOP else 20.0)
        while self._part.plan.exists():
            self._ground.raise_ended()
            over = time.monotonic() > give_up or (name in AT_STOP and not self._part.alive)
            if over or (name in AT_START and await self._ground.serves()):
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

    async def _first_start(self, name: str) -> bool:
        """Empties the folder and has the first start in it die."""
        await self._ground.clear()
        self._part.arm(f"{name}=kill")
        await self._part.start()
        return await self._fired(name)

    def _count(self) -> None:
        tally = self._ground.tally
        self.figures.acknowledged, self.figures.events = tally.acknowledged, tally.event_count
        self.figures.duplicates, self.figures.repeated = tally.duplicates, tally.repeated
        self.figures.searches = tally.searches


def reached_with(store: str) -> list[str]:
    """Returns the failpoints that memory passes with a store."""
    if store == "edge":
        return list(FAILPOINTS)
    left_out = (*ENGINE, "build.", "store.message.", *(["ledger.erase.purged"] if store == "qdrant" else []))
    return [name for name in FAILPOINTS if not name.startswith(left_out)]


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
        memory: Memory = stubs(None, channel)
        matrix = Matrix(Ground(part, memory, seed, callers), nurse, folder, seed)
        await matrix.run(names, told)
        if part.alive:
            await part.kill()
        return matrix.figures


def run_side_by_side(names: Sequence[str], *, seed: int, jobs: int) -> list[Figures]:
    """Shares kills out to several services, each in a process of its own with the next seed; every process says how far it is."""
    shares = [names[job::jobs] for job in range(jobs)]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=die_with_parent) as pool:
        return list(pool.map(_run_share, shares, range(seed, seed + jobs)))


def _run_share(names: Sequence[str], seed: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="atlas-figures-") as folder:
        return asyncio.run(run_matrix(names, seed=seed, folder=Path(folder), told=lambda line: print(f"seed {seed}: {line}", flush=True)))
