"""A memory service whose clock jumps by hours and days under load, also while it is down."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio

from tests.rpc.memory_part import Memory, stubs

from .comparison import check, check_findable, read
from .expected import DAY_S, ViolationError, require
from .killing.digests import check_counts
from .killing.ground import Ground
from .part import CHANNEL_OPTIONS, Nursery, Part, nursery

HOUR_S = 3_600.0
OFFSETS_S = (0.0, HOUR_S, -HOUR_S, 30 * DAY_S)
"""Where the clock may stand, in seconds before or after the true time."""
SEEN_S = 1.2
"""Seconds within which every process has noticed a jump."""
_CALLERS_BEHIND_S = 2 * HOUR_S
"""How far the callers' clocks stand behind: what they saw is never in the service's future."""
_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)


def library() -> str | None:
    """Finds libfaketime, which stands between a process and the clock; None where it is not installed.

    Not its variant for threads: that one holds a lock at each look at the clock.
    """
    return next((path for path in _LIBRARIES if Path(path).exists()), None)


def missing() -> str:
    """Says what this machine lacks for it; empty if nothing."""
    return "" if library() else "libfaketime is not installed (package faketime)"


@dataclass(frozen=True)
class Hands:
    """The wall clock of the processes that were started with `environment`, and of their children; no other clock of theirs moves."""

    file: Path

    @property
    def environment(self) -> dict[str, str]:
        found = library()
        assert found is not None, missing()
        return {
            "LD_PRELOAD": found,
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            # Reading the file at each look at the clock makes everything a hundred times slower.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else it holds a lock around every condition variable, for which a child that is forked meanwhile waits in vain.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset_s: float) -> None:
        """Has the clock stand `offset_s` seconds beside the true time, for each process from a moment within `SEEN_S` on."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(f"{offset_s:+.0f}")
        draft.replace(self.file)


@dataclass
class Figures:
    """What a run did and found."""

    seed: int
    jumps: Counter[str] = field(default_factory=Counter)
    """By where the clock jumped to."""
    at_rest: int = 0
    """Those while the service was down, half of the time after a kill."""
    acknowledged: int = 0
    events: int = 0
    searches: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {sum(self.jumps.values())} jumps of the clock {dict(self.jumps)}, {self.at_rest} of them while the service "
            f"was down, in {self.seconds:.0f} s; {self.acknowledged} calls ({self.searches} searches) and {self.events} events "
            f"acknowledged; {len(self.violations)} violations" + "".join(f"\n  VIOLATION {each}" for each in self.violations)
        )


class Jumps:
    """One service under load, and its clock."""

    def __init__(self, ground: Ground, hands: Hands, seed: int) -> None:
        self._ground = ground
        self._hands = hands
        self._chance = random.Random(f"{seed} jumps")
        self._offset_s = 0.0
        self.figures = Figures(seed)

    async def run(self, count: int, told: Callable[[str], None]) -> None:
        """Has the clock jump `count` times; ends at the first violation."""
        begin = time.monotonic()
        await self._ground.fresh()
        self._ground.begin()
        try:
            for number in range(1, count + 1):
                await self._jump(at_rest=self._chance.random() < 0.25)
                if number % 10 == 0:
                    told(f"{number} jumps, {time.monotonic() - begin:.0f} s")
        except (ViolationError, grpc.aio.AioRpcError) as error:
            self.figures.violations.append(f"at {self._offset_s:+.0f} s: {error}")
        finally:
            tally = self._ground.tally
            self.figures.acknowledged, self.figures.events, self.figures.searches = tally.acknowledged, tally.event_count, tally.searches
            self.figures.seconds = time.monotonic() - begin
            await self._ground.end()

    async def _jump(self, *, at_rest: bool) -> None:
        """Has the clock jump in the middle of calls or while the service is down, lets the callers go on, and compares."""
        ground, part = self._ground, self._ground.part
        offset_s = self._chance.choice([one for one in OFFSETS_S if one != self._offset_s])
        await ground.go_on(self._chance.randrange(3, 12))
        if at_rest:
            await ground.pause("before the service is down")
            await (part.kill() if self._chance.random() < 0.5 else part.stop())
            self.figures.at_rest += 1
        before = part.pid
        self._hands.set(offset_s)
        self._offset_s = offset_s
        self.figures.jumps[_name(offset_s)] += 1
        await ground.serving()
        await ground.go_on(self._chance.randrange(10, 25))
        await asyncio.sleep(SEEN_S)
        await ground.pause(f"after a jump to {_name(offset_s)}")
        require(part.alive and (at_rest or part.pid == before), "the service ended by itself")
        stored = await read(ground.memory, lambda: time.time() + offset_s)
        check(stored, ground.state)
        require(all(math.isfinite(one.log_odds) for one in stored.salience.values()), "what was learnt is no number")
        await check_findable(ground.memory, ground.state)
        await check_counts(ground.memory, ground.state)
        for caller in ground.callers:
            caller.begin_anew(caller.state)


def _name(offset_s: float) -> str:
    return "true time" if not offset_s else f"{offset_s / HOUR_S:+.0f} h" if abs(offset_s) < DAY_S else f"{offset_s / DAY_S:+.0f} d"


async def run_jumps(jumps: int, *, seed: int, folder: Path, told: Callable[[str], None] = lambda _: None) -> Figures:
    """Has the clock jump and gives the figures."""
    hands = Hands(folder / "clock")
    hands.set(0.0)
    async with AsyncExitStack() as stack:
        nurse: Nursery = await stack.enter_async_context(nursery(hands.environment))
        part = Part(nurse, folder / "data", folder)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS))
        memory: Memory = stubs(None, channel)
        ground = Ground(part, memory, seed, callers=4, clock=lambda: time.time() - _CALLERS_BEHIND_S)
        found = Jumps(ground, hands, seed)
        await found.run(jumps, told)
        if part.alive:
            await part.kill()
        return found.figures
