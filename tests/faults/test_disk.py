"""A disk that is full, fails, or takes no writes: writes are refused with a clear status, reads go on, nothing is lost, and the
service comes back by itself or says why it ended."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import psutil
import pytest

from atlas.memory.v1 import memory_pb2 as pb
from tests.rpc.memory_part import Failure, Memory, create, failure_of, id_of, scope, stubs, upsert, write

from .disk.mounted import MountedDisk, missing, mounted
from .expected import CRASH, POWER
from .part import CHANNEL_OPTIONS, Part, nursery

pytestmark = [pytest.mark.skipif(bool(missing()), reason=f"skipped: {missing()}"), pytest.mark.timeout(240)]
SECONDS = 30.0


@dataclass
class Served:
    """A memory service on a disk of its own."""

    disk: MountedDisk
    part: Part
    memory: Memory
    texts: dict[str, str]
    engines: list[psutil.Process] = field(default_factory=list)

    async def note_engine(self) -> None:
        self.engines = psutil.Process(self.part.pid).children()

    async def engine_gone(self) -> None:
        """Ends the engine whose front was killed, as the loss of power does."""
        for engine in self.engines:
            with suppress(psutil.NoSuchProcess):
                engine.kill()
        while any(engine.is_running() for engine in self.engines):  # noqa: ASYNC110 - it is the child of a process that is gone
            await asyncio.sleep(0.01)

    async def start(self) -> None:
        await self.part.start()
        await self.part.serving(self.memory.channel)

    async def put(self, name: str, *, durability: int = POWER) -> None:
        text = f"text of {name}"
        await self.memory.memories.UpsertMemories(upsert(write(name, text), durability=durability), timeout=SECONDS)
        self.texts[id_of(name)] = text

    async def refused(self, name: str, *, durability: int = POWER) -> Failure:
        request = upsert(write(name, f"text of {name}"), durability=durability)
        return await failure_of(self.memory.memories.UpsertMemories(request, timeout=SECONDS))

    async def check(self) -> None:
        """Makes sure that reads are served, and that what was acknowledged is there."""
        request = pb.ListMemoriesRequest(scope=scope(), collection="notes", page_size=1000)
        listed = await self.memory.memories.ListMemories(request, timeout=SECONDS)
        stored = {one.memory_id: one.text for one in listed.memories}
        assert self.texts.items() <= stored.items()

    async def ended(self) -> str:
        """Waits until the service has ended by itself, with an error; gives what it said."""
        assert self.part.ended is not None
        assert await asyncio.wait_for(asyncio.shield(self.part.ended), SECONDS) == 1
        return self.part.log.read_text().splitlines()[-1]


@asynccontextmanager
async def served(folder: Path, **settings: str) -> AsyncIterator[Served]:
    async with mounted(folder / "disk") as disk, nursery() as nurse:
        part = Part(nurse, folder / "disk" / "data", folder, settings=settings)
        async with grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS) as channel:
            made = Served(disk, part, stubs(None, channel), {})
            await made.start()
            await create(made.memory)
            await made.put("first")
            yield made
            if part.alive:
                await part.kill()


async def test_below_the_watermark_writes_are_refused_and_space_brings_them_back(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        await service.disk.hold(100)
        failure = await service.refused("second")
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")
        await service.check()
        await service.disk.hold(None)
        await service.put("second")
        await service.check()


@pytest.mark.parametrize("durability", [CRASH, POWER])
async def test_a_disk_that_is_full_behind_the_watermark_writes_nothing_and_keeps_serving(tmp_path: Path, durability: int) -> None:
    async with served(tmp_path, FLUSH_INTERVAL_MS="600000") as service:
        await service.disk.fail("write", errno="ENOSPC", name="memory.sqlite3")
        failure = await service.refused("second", durability=durability)
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")
        await service.check()
        await service.disk.heal()
        await service.put("second", durability=durability)
        await service.part.kill()
        await service.start()
        await service.check()


async def test_a_sync_that_fails_acknowledges_nothing_and_ends_the_service(tmp_path: Path) -> None:
    async with served(tmp_path, FLUSH_INTERVAL_MS="600000") as service:
        await service.put("second", durability=CRASH)
        await service.disk.fail("fsync", errno="EIO", name="memory.sqlite3", times=1)
        failure = await service.refused("third")
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DISK_FAILED")
        assert "memory.sqlite3 failed" in await service.ended()
        await service.start()
        await service.check()
        await service.put("third")
        await service.note_engine()
        await service.disk.cut(seed=1, keep=0.0, torn=0.0)
        await service.part.kill()
        await service.engine_gone()
        await service.disk.power()
        await service.start()
        await service.check()


async def test_writes_that_fail_in_the_log_end_the_service_which_comes_back_with_all_it_acknowledged(tmp_path: Path) -> None:
    async with served(tmp_path, FLUSH_INTERVAL_MS="600000") as service:
        await service.disk.fail("write", errno="EIO", name="memory.sqlite3-wal", times=1)
        assert (await service.refused("second")).reason == "DISK_FAILED"
        assert "memory.sqlite3 failed" in await service.ended()
        await service.start()
        await service.check()
        await service.put("second")


async def test_an_engine_whose_disk_fails_is_replaced_and_gets_the_journal_again(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        before = service.part.engine_pid
        await service.disk.fail("fsync", errno="EIO", name=".dat", times=1)
        async with asyncio.timeout(SECONDS):
            number = 0
            while service.part.engine_pid in (0, before):
                number += 1
                await service.put(f"more {number}")
        await service.disk.heal()
        await service.check()
        await service.put("last")
        await service.check()
        await service.note_engine()
        await service.disk.cut(seed=2, keep=0.0, torn=0.0)
        await service.part.kill()
        await service.engine_gone()
        await service.disk.power()
        await service.start()
        await service.check()


async def test_a_disk_that_became_read_only_acknowledges_nothing_and_the_service_is_back_once_it_is_writable(tmp_path: Path) -> None:
    async with served(tmp_path, FLUSH_INTERVAL_MS="600000") as service:
        await service.disk.fail("write", "create", "remove", "rename", errno="EROFS", name="memory.sqlite3")
        failure = await service.refused("second")
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "DISK_FAILED")
        assert "memory.sqlite3 failed" in await service.ended()
        await service.disk.heal()
        await service.start()
        await service.check()
        await service.put("second")
        await service.check()


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Takes every page that is left."""
    for size in (1 << 20, 4096):
        with suppress(OSError), path.open("ab", buffering=0) as filler:
            while filler.write(b"x" * size):
                pass


async def test_a_file_system_without_a_byte_left_is_read_and_forgets_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1000) as folder:
        async with nursery() as nurse:
            part = Part(nurse, folder / "data", tmp_path)
            async with grpc.aio.insecure_channel(part.address, options=CHANNEL_OPTIONS) as channel:
                service = Served(None, part, stubs(None, channel), {})  # type: ignore[arg-type]
                await service.start()
                await create(service.memory)
                await service.put("first", durability=CRASH)
                fill(folder / "filler")
                failure = await service.refused("second")
                assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")
                await service.check()
                await asyncio.sleep(0.5)  # a flush of what was acknowledged without sync meets the full disk
                await service.check()
                (folder / "filler").unlink()
                await service.put("second")
                await service.part.kill()
                await service.start()
                await service.check()
                await part.kill()
