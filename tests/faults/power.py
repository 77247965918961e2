"""Takes the power away under load, again and again, and compares what the disk kept with what was promised for that.

The promise: what was acknowledged POWER_LOSS is there, and everything acknowledged before such a write began. What was only
acknowledged PROCESS_CRASH may be gone, but then a caller's last calls are gone whole and in order: the state is one that there was.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import psutil

from tests.rpc.memory_part import Memory, create, stubs

from .comparison import Stored, check_findable, read
from .disk.mounted import MountedDisk, mounted
from .expected import POWER, ViolationError
from .oracle import Caller, Tally, settle
from .part import CHANNEL_OPTIONS, Part, nursery

CALLERS = 4
KEEP = (0.0, 0.0, 0.2, 0.5, 0.8, 1.0)
"""Shares of unsynced pages that had reached the medium; a cut takes one of them."""
TORN = (0.0, 0.1, 0.5)
POWER_SHARES = (0.0, 0.0, 0.1, 0.5)
"""Shares of calls that ask for POWER_LOSS: without any, the disk may keep what the journal has not."""


@dataclass
class Figures:
    """What a run did and found."""

    seed: int
    cuts: int = 0
    violations: list[str] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=lambda: {"PROCESS_CRASH": 0, "POWER_LOSS": 0})
    rolled_back: int = 0
    """Calls acknowledged PROCESS_CRASH, or not at all, that were gone, as they may."""
    dirty_pages: int = 0
    longest_recovery_s: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.cuts} power cuts in {self.seconds:.0f} s, {self.dirty_pages} unsynced pages at stake; "
            f"acknowledged {self.acknowledged}, {self.rolled_back} later calls gone whole; "
            f"{len(self.violations)} violations; longest recovery {self.longest_recovery_s:.1f} s"
            + "".join(f"\n  VIOLATION {each}" for each in self.violations)
        )


class Cutter:
    """One service on one disk."""

    def __init__(self, part: Part, disk: MountedDisk, memory: Memory, seed: int) -> None:
        self._part = part
        self._disk = disk
        self._memory = memory
        self._chance = random.Random(f"{seed} cuts")
        self._shares: list[float] = []
        self._tally = Tally()
        self._callers = [
            Caller(memory, self._tally, f"c{number}", random.Random(f"{seed} {number}"), time.time, again=False)
            for number in range(CALLERS)
        ]
        self.figures = Figures(seed)

    async def run(self, cuts: int, told: Callable[[str], None]) -> None:
        """Cuts so often; ends at the first violation."""
        begin = time.monotonic()
        await self._part.start()
        await self._part.serving(self._memory.channel)
        await create(self._memory)
        try:
            for number in range(cuts):
                await self._cut()
                if (number + 1) % 20 == 0:
                    told(f"{number + 1} cuts, {time.monotonic() - begin:.0f} s")
        except ViolationError as error:
            self.figures.violations.append(f"cut {self.figures.cuts}: {error}")
        finally:
            self.figures.seconds = time.monotonic() - begin

    async def _cut(self) -> None:
        self.figures.cuts += 1
        # Dealt, not drawn: a few cuts have to meet all of them.
        self._shares = self._shares or self._chance.sample(POWER_SHARES, len(POWER_SHARES))
        share = self._shares.pop()
        for caller in self._callers:
            caller.power_share = share
        work = [asyncio.create_task(_until_away(caller)) for caller in self._callers]
        await self._progress(work, self._chance.randrange(4, 60))
        if self._chance.random() < 0.7:
            # The kernel writes what was only mapped when it likes; without a sync of the file it is at stake as before.
            await self._disk.write_back()
            await self._progress(work, self._chance.randrange(20))
        keep, torn = self._chance.choice(KEEP), self._chance.choice(TORN)
        self.figures.dirty_pages += await self._disk.cut(seed=self._chance.randrange(1 << 32), keep=keep, torn=torn)
        await self._end_processes()
        await asyncio.gather(*work)
        await self._disk.power()
        begin = time.monotonic()
        await self._part.start()
        await self._serving(f"keep {keep}, torn {torn}")
        self.figures.longest_recovery_s = max(self.figures.longest_recovery_s, time.monotonic() - begin)
        try:
            stored = await read(self._memory, time.time)
            self._settle(stored)
            await check_findable(self._memory, self._callers[0].state)
        except ViolationError as error:
            raise ViolationError(f"keep {keep}, torn {torn}: {error}") from error

    async def _progress(self, work: Sequence[asyncio.Task[None]], count: int) -> None:
        goal = self._tally.acknowledged + count
        while self._tally.acknowledged < goal and not all(task.done() for task in work):  # noqa: ASYNC110 - cheaper than an event a call
            await asyncio.sleep(0.002)
        await asyncio.sleep(self._chance.uniform(0.0, 0.03))

    async def _end_processes(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._part.pid).children():
                os.kill(child.pid, signal.SIGKILL)
        await self._part.kill()

    async def _serving(self, how: str) -> None:
        assert self._part.ended is not None
        ready = asyncio.ensure_future(self._part.serving(self._memory.channel, seconds=60.0))
        await asyncio.wait([ready, self._part.ended], return_when=asyncio.FIRST_COMPLETED)
        if self._part.ended.done():
            ready.cancel()
            last = self._part.log.read_text().splitlines()[-3:]
            raise ViolationError(f"{how}: the service did not start ({self._part.ended.result()}): {last}")
        try:
            await ready
        except Exception as error:
            raise ViolationError(f"{how}: the service does not serve: {error}; {self._part.log.read_text().splitlines()[-3:]}") from error

    def _settle(self, stored: Stored) -> None:
        """Finds for each caller the state that is there."""
        for caller in self._callers:
            for step in caller.history:
                if step.acknowledged is not None:
                    self.figures.acknowledged["POWER_LOSS" if step.durability == POWER else "PROCESS_CRASH"] += 1
        self.figures.rolled_back += settle(self._callers, stored, power_lost=True)


async def _until_away(caller: Caller) -> None:
    with suppress(grpc.aio.AioRpcError):
        while True:
            await caller.act()


async def run_cuts(cuts: int, *, seed: int, folder: Path, told: Callable[[str], None] = lambda _: None) -> Figures:
    """Cuts the power so often and gives the figures. Needs root and /dev/fuse."""
    async with AsyncExitStack() as stack:
        disk = await stack.enter_async_context(mounted(folder / "disk"))
        nurse = await stack.enter_async_context(nursery())
        part = Part(nurse, folder / "disk" / "data", folder)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS))
        cutter = Cutter(part, disk, stubs(None, channel), seed)
        await cutter.run(cuts, told)
        if part.alive:
            await part.kill()
        return cutter.figures
