"""`Remember` of one text with 10,000 memories stored: PROCESS_CRASH and POWER_LOSS beside a bare fsync of the same disk, in turn.

python -m bench writes [--memories 10000] [--writes 150]
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from atlas.client import AsyncAtlas, Durability
from atlas.evaluation import percentiles

from . import corpus, machine
from .system import running

PAGE = b"x" * 4096


def main(memory_count: int, write_count: int) -> None:
    """Prints the table."""
    print(machine.describe())
    with running() as system:
        asyncio.run(_measure(system.address(), system.data_dir, memory_count, write_count))


async def _measure(address: str, folder: Path, memory_count: int, write_count: int) -> None:
    samples: dict[str, list[float]] = {"bare fsync of 4 KiB": [], "Remember, PROCESS_CRASH": [], "Remember, POWER_LOSS": []}
    async with AsyncAtlas(address, timeout_s=60.0) as client:
        async for reply in client.ingest(corpus.documents(memory_count), collection="bench"):
            if reply.error is not None:
                raise reply.error
        for number in range(write_count):
            samples["bare fsync of 4 KiB"].append(fsync_ms(folder / "probe"))
            for durability in (Durability.PROCESS_CRASH, Durability.POWER_LOSS):
                begin = time.perf_counter()
                await client.remember(
                    f"The deploy of build {number} at {durability.name} was quiet and took nine minutes.", durability=durability
                )
                samples[f"Remember, {durability.name}"].append((time.perf_counter() - begin) * 1e3)
    print(f"\n{write_count} of each, in turn, {memory_count} memories stored\n  {'':<26}{'p50 ms':>9}{'p99 ms':>9}")
    for name, values in samples.items():
        found = percentiles(values)
        print(f"  {name:<26}{found.p50_ms:>9.2f}{found.p99_ms:>9.2f}")


def fsync_ms(path: Path) -> float:
    """Appends 4 KiB to a file and returns how long its fsync took, in milliseconds."""
    with path.open("ab") as file:
        file.write(PAGE)
        file.flush()
        begin = time.perf_counter()
        os.fsync(file.fileno())
        return (time.perf_counter() - begin) * 1e3
