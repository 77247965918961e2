"""What a search says of a memory is what is stored, although it was kept from an earlier search."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import salience_pb2, snapshot_pb2
from atlas.type.v1 import type_pb2

from .memory_part import TIMEOUT_S, Memory, create, id_of, memory_service, needs_edge, query, scope, upsert, write
from .test_memory import engine_pid

WORDS = "green apples"


@asynccontextmanager
async def service(folder: Path, **settings: int) -> AsyncIterator[Memory]:
    async with memory_service(folder, metrics_port=0, **settings) as memory:
        await create(memory)
        yield memory


async def put(memory: Memory, *writes: pb.MemoryWrite) -> None:
    await memory.memories.UpsertMemories(upsert(*writes), timeout=TIMEOUT_S)


async def found(memory: Memory, **fields: object) -> list[type_pb2.Memory]:
    reply = await memory.memories.QueryMemories(query(WORDS, **fields), timeout=TIMEOUT_S)  # type: ignore[arg-type]
    return [one.memory for one in reply.candidates]


async def counted(memory: Memory) -> tuple[float, float]:
    """Hits and misses so far."""

    def read() -> tuple[float, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{memory.server.metrics_port}/metrics") as answer:
            text = answer.read().decode()
        samples = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
        return samples["atlas_memory_content_cache_hits_total"], samples["atlas_memory_content_cache_misses_total"]

    return await asyncio.to_thread(read)


async def test_a_second_search_finds_all_contents_known_and_says_the_same(tmp_path: Path) -> None:
    async with service(tmp_path) as memory:
        chunk = type_pb2.Chunk(document_id="d", ordinal=1, begin=2, end=3)
        await put(
            memory,
            write("1", f"{WORDS} are sour", source="a", domain="home", title="T", chunk=chunk, metadata={"n": 1, "deep": {"x": [True]}}),
            write("2", f"{WORDS} are sweet"),
        )
        first = await found(memory)
        assert len(first) == 2
        assert await counted(memory) == (0, 2)
        assert await found(memory) == first
        assert await counted(memory) == (2, 2)
        # One that was not in the pool before is read beside those that were.
        await put(memory, write("3", f"{WORDS} are red"))
        assert sorted(one.text for one in await found(memory)) == sorted([*(one.text for one in first), f"{WORDS} are red"])
        assert await counted(memory) == (4, 3)
        stored = await memory.memories.BatchGetMemories(
            pb.BatchGetMemoriesRequest(scope=scope(), memory_ids=[id_of("1"), id_of("2"), id_of("3")]), timeout=TIMEOUT_S
        )
        assert sorted(await found(memory), key=str) == sorted(stored.memories, key=str)


async def test_with_no_room_every_search_reads(tmp_path: Path) -> None:
    async with service(tmp_path, content_cache_bytes=0) as memory:
        await put(memory, write("1", WORDS))
        assert [await found(memory) for _ in range(2)] == [await found(memory)] * 2
        assert await counted(memory) == (0, 3)


async def test_a_search_says_what_was_written_last(tmp_path: Path) -> None:
    async with service(tmp_path) as memory:
        await put(memory, write("1", WORDS, source="a"))
        [old] = await found(memory)
        await put(memory, write("1", f"{WORDS} again", source="a"))
        [new] = await found(memory)
        assert (old.text, new.text) == (WORDS, f"{WORDS} again")
        assert new.etag != old.etag
        # Without a vector the payload alone is replaced.
        await put(memory, write("1", f"{WORDS} again", source="a", vectors=False, metadata={"seen": True}))
        [marked] = await found(memory)
        assert marked.metadata["seen"] is True
        move = pb.MoveSourceRequest(scope=scope(), collection="notes", from_source="a", to_source="b")
        await memory.memories.MoveSource(move, timeout=TIMEOUT_S)
        assert [one.source for one in await found(memory)] == ["b"]
        gone = pb.DeleteMemoriesRequest(scope=scope(), collection="notes", ids={"memory_ids": [id_of("1")]})  # type: ignore[arg-type]
        await memory.memories.DeleteMemories(gone, timeout=TIMEOUT_S)
        assert await found(memory) == []
        await put(memory, write("1", f"{WORDS} once more"))
        assert [one.text for one in await found(memory)] == [f"{WORDS} once more"]
        erasure = salience_pb2.EraseRequest(scope=scope(), selection={"ids": {"memory_ids": [id_of("1")]}}, request_id="e")  # type: ignore[arg-type]
        await memory.salience.Erase(erasure, timeout=TIMEOUT_S)
        assert await found(memory) == []


async def test_a_restored_snapshot_says_what_it_said(tmp_path: Path) -> None:
    async with service(tmp_path) as memory:
        await put(memory, write("1", f"{WORDS} then"))
        made = await memory.snapshots.CreateSnapshot(snapshot_pb2.CreateSnapshotRequest(scope=scope()), timeout=TIMEOUT_S)
        await put(memory, write("1", f"{WORDS} now"))
        assert [one.text for one in await found(memory)] == [f"{WORDS} now"]
        request = snapshot_pb2.RestoreSnapshotRequest(scope=scope(), snapshot_id=made.snapshot.snapshot_id, replace=True)
        await memory.snapshots.RestoreSnapshot(request, timeout=60.0)
        assert [one.text for one in await found(memory)] == [f"{WORDS} then"]


async def test_after_a_write_is_acknowledged_no_search_says_the_old_text(tmp_path: Path) -> None:
    """Searches without a pause beside a writer, in one process as in life: each search says at least what was acknowledged before it."""
    async with service(tmp_path) as memory:
        await put(memory, *(write(str(number), f"{WORDS} {number} 0") for number in range(8)))
        acknowledged = dict.fromkeys(map(str, range(8)), 0)
        writing = True

        async def search() -> int:
            count = 0
            while writing:
                least = dict(acknowledged)
                for one in await found(memory):
                    *_, name, version = one.text.split()
                    assert int(version) >= least[name]
                count += 1
            return count

        async def rewrite() -> None:
            nonlocal writing
            for version in range(1, 25):
                names = [str(number) for number in range(8) if (number + version) % 3]
                await put(memory, *(write(name, f"{WORDS} {name} {version}") for name in names))
                acknowledged.update(dict.fromkeys(names, version))
            writing = False

        *counts, _ = await asyncio.gather(search(), search(), search(), rewrite())
        assert min(counts) > 1
        hits, _ = await counted(memory)
        assert hits > 0


async def found_at_last(memory: Memory) -> list[type_pb2.Memory]:
    """A search in the moment in which the engine ends is refused; the next one waits for its successor."""
    for _ in range(10):
        with contextlib.suppress(grpc.aio.AioRpcError):
            return await found(memory)
    return await found(memory)


@needs_edge
@pytest.mark.parametrize("seed", range(3))
async def test_a_killed_engine_leaves_nothing_old_behind(tmp_path: Path, seed: int) -> None:
    async with service(tmp_path, engine_restart_wait_ms=30_000) as memory:
        await put(memory, write("1", f"{WORDS} 0"))
        for version in range(1, 4):
            await found_at_last(memory)
            saving = asyncio.create_task(put(memory, write("1", f"{WORDS} {version}")))
            await asyncio.sleep(0.002 * seed)
            os.kill(engine_pid(tmp_path), signal.SIGKILL)
            beside = asyncio.create_task(found_at_last(memory))
            await saving
            assert [one.text for one in await found_at_last(memory)] == [f"{WORDS} {version}"]
            assert [one.text for one in await beside] in ([f"{WORDS} {version - 1}"], [f"{WORDS} {version}"])
            assert [one.text for one in await found_at_last(memory)] == [f"{WORDS} {version}"]
