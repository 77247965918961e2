"""A disk for the length of a block, and the orders that a test gives it."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def missing() -> str:
    """Says what this machine lacks for it; empty if nothing."""
    if os.geteuid() != 0:
        return "mounting a disk of one's own needs root"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse"
    return ""


@dataclass(frozen=True)
class MountedDisk:
    """A disk in a process of its own."""

    folder: Path
    process: asyncio.subprocess.Process

    async def cut(self, *, seed: int, keep: float, torn: float) -> int:
        """Takes the power away at this moment; gives the number of pages that were not synced. Everything on it fails now."""
        return int((await self._order(cut={"seed": seed, "keep": keep, "torn": torn}))["dirty_pages"])

    async def write_back(self) -> None:
        """Has the kernel hand over the pages that it holds, as it does by itself after some seconds; none of them is synced."""
        await asyncio.to_thread(_write_back, self.folder)

    async def power(self) -> None:
        """Gives the power back; those who had files of it open must be gone."""
        await self._order(power=True)

    async def fail(self, *operations: str, errno: str, name: str = "", times: int = -1) -> None:
        """Has operations (create, remove, rename, read, write, fsync) on files with `name` in their name fail, `times` times or always."""
        await self._order(fail={"operations": operations, "errno": errno, "name": name, "times": times})

    async def heal(self) -> None:
        await self._order(heal=True)

    async def hold(self, mib: int | None) -> None:
        """Sets how much it holds in all; None = enough."""
        await self._order(capacity_mib=mib)

    async def used(self) -> dict[str, float]:
        return await self._order(used=True)

    async def flip(self, name: str, *, offset: int, bit: int) -> None:
        """Changes one bit of a file; nobody may have it open."""
        await self._order(flip={"name": name, "offset": offset, "bit": bit})

    async def _order(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode())
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer


def _write_back(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


@asynccontextmanager
async def mounted(folder: Path) -> AsyncIterator[MountedDisk]:
    """Mounts an empty disk at `folder`, which is made.

    Raises:
        RuntimeError: It could not be mounted.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.disk", str(folder)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise RuntimeError(f"no disk at {folder}: status {await process.wait()}")
    disk = MountedDisk(folder, process)
    try:
        yield disk
    finally:
        await disk._order(stop=True)
        await process.wait()
