"""A second embedder of another space beside a running system: the one model's vectors, rotated and cut to 256 dimensions."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.health import wait_until_serving

DIMENSION = 256
_SERVICE = "atlas.embedder.v1.EmbedderService"
_START_S = 120.0
_STOP_S = 30.0


@asynccontextmanager
async def second_embedder(port: int, *, seed: int = 1) -> AsyncIterator[str]:
    """Serves for the length of the block; gives its address. Another `seed` is another space."""
    address = f"127.0.0.1:{port}"
    settings = {
        "ATLAS_EMBEDDER_PORT": str(port),
        "ATLAS_EMBEDDER_METRICS_PORT": "-1",
        "ATLAS_EMBEDDER_PROJECTION_DIMENSION": str(DIMENSION),
        "ATLAS_EMBEDDER_PROJECTION_SEED": str(seed),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.embedder"),
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with open_channel(address, service_names=[_SERVICE]) as channel:
            await wait_until_serving(channel, _SERVICE, deadline=Deadline.after(_START_S))
        yield address
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
