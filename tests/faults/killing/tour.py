"""Passes every failpoint of memory once, so that a kill at any of them can come true."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio

from services.memory.failpoints import FAILPOINTS
from tests.rpc.memory_part import stubs

from ..part import CHANNEL_OPTIONS, Part, nursery
from .errands import ERRANDS
from .ground import PATIENCE_S, Ground

_BUILT = {"build.swap.cleared", "engine.reopen.closed"}
"""Passed last by a build."""


async def tour(folder: Path, *, seed: int, callers: int = 2) -> set[str]:
    """Does everything that a kill can fall into, and gives the names that were passed."""
    seen = folder / "seen"

    def passed() -> set[str]:
        return set(seen.read_text(encoding="utf-8").split()) if seen.exists() else set()

    async with AsyncExitStack() as stack:
        part = Part(await stack.enter_async_context(nursery()), folder / "data", folder)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS))
        ground = Ground(part, stubs(None, channel), seed, callers)
        part.arm(f"*=note:{seen}")
        await ground.fresh()
        ground.begin()
        try:
            for errand in dict.fromkeys(ERRANDS.values()):
                await ground.go_on(8)
                await errand(ground, lambda: None, lambda: passed() >= _BUILT)
            await ground.create("other", fingerprint="other/1")
            await part.stop()
            give_up = time.monotonic() + PATIENCE_S
            while passed() < FAILPOINTS.keys() and time.monotonic() < give_up:
                # Under load, so that the journal has a tail.
                await ground.revive()
                await ground.go_on(20)
                await part.kill()
        finally:
            await ground.end()
        return passed()
