"""Kills memory and its engine in mid-write and compares what is left with what was acknowledged.

`ATLAS_TEST_KILLS` is the number of kills of each process; a long run takes 20. `ATLAS_TEST_STORE` names the store.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest

from atlas import tensors
from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.health import wait_until_serving
from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import salience_pb2
from atlas.type.v1 import salience_pb2 as common_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import FINGERPRINT, Memory, create, id_of, query, scope, store_settings, stubs, upsert, vector_of, write

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "atlas.memory.v1.MemoryService"
KILLS = int(os.environ.get("ATLAS_TEST_KILLS", "2"))
WRITERS = 4
PERMANENT = 5
"""Memories that are never deleted, so that events about them count."""
OUTAGE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


@dataclass
class Part:
    """A memory process that is started again after each kill."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        settings = {
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "METRICS_PORT": "-1",
            "FLUSH_INTERVAL_MS": "300",  # so that kills also meet flushes and a pruned journal
            "FREE_SPACE_WATERMARK_BYTES": str(128 << 20),
            **{name.upper(): str(value) for name, value in store_settings().items()},
        }
        environment = {**os.environ, **{f"ATLAS_MEMORY_{name}": value for name, value in settings.items()}}
        with (self.folder / "memory.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.memory", cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    async def kill_front(self) -> None:
        """Ends the process as a crash does, and starts it again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.start()

    async def kill_engine(self) -> None:
        """Ends the engine as a crash does; memory starts it again."""
        assert self.process is not None
        engine = int((self.folder / "engine" / "engine.lock").read_text())
        assert engine in {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        os.kill(engine, signal.SIGKILL)

    async def stop(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        assert await self.process.wait() == 0


@dataclass
class Oracle:
    """What was acknowledged."""

    texts: dict[str, str] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    outages: int = 0
    stopping: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def acknowledge(self) -> None:
        async with self.changed:
            self.acknowledged += 1
            self.changed.notify_all()

    async def progress(self, count: int) -> None:
        """Waits for so many more acknowledgements."""
        goal = self.acknowledged + count
        async with self.changed:
            await self.changed.wait_for(lambda: self.acknowledged >= goal)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Part, Memory]]:
    part = Part(folder, free_port())
    await part.start()
    try:
        async with open_channel(f"127.0.0.1:{part.port}", service_names=[SERVICE]) as channel:
            await wait_until_serving(channel, SERVICE, deadline=Deadline.after(60))
            yield part, stubs(None, channel)
    finally:
        await part.stop()


async def until_acknowledged(oracle: Oracle, call: Callable[[], Awaitable[Any]]) -> Any:
    """Makes a call again and again until it is acknowledged; every repetition is the same request."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in OUTAGE:
                raise
            oracle.outages += 1
            await asyncio.sleep(0.05)


async def keep_writing(memory: Memory, oracle: Oracle, worker: int) -> None:
    """Writes, changes and deletes memories of its own, one call after the other."""
    chance = random.Random(worker)
    step = 0
    while not oracle.stopping:
        step += 1
        names = [f"{worker}-{chance.randrange(40)}" for _ in range(chance.choice((1, 1, 3, 20)))]
        names = list(dict.fromkeys(names))
        request_id = f"w{worker}-{step}"
        if chance.random() < 0.25:
            ids = pb.DeleteMemoriesRequest.Ids(memory_ids=[id_of(name) for name in names])
            deletion = pb.DeleteMemoriesRequest(scope=scope(), ids=ids, request_id=request_id)
            answer = await until_acknowledged(oracle, lambda deletion=deletion: memory.memories.DeleteMemories(deletion, timeout=10))
            assert answer.deleted_count == sum(oracle.texts.pop(name, None) is not None for name in names)
        else:
            durability = chance.choice((type_pb2.DURABILITY_PROCESS_CRASH, type_pb2.DURABILITY_POWER_LOSS))
            texts = {name: f"text {name} of step {step}" for name in names}
            request = upsert(*(write(name, text) for name, text in texts.items()), request_id=request_id, durability=durability)
            answer = await until_acknowledged(oracle, lambda request=request: memory.memories.UpsertMemories(request, timeout=10))
            outcomes = [result.outcome for result in answer.results]
            expected = [pb.WRITE_OUTCOME_CHANGED if name in oracle.texts else pb.WRITE_OUTCOME_NEW for name in names]
            assert outcomes == expected
            oracle.texts.update(texts)
        await oracle.acknowledge()


async def keep_searching(memory: Memory, oracle: Oracle) -> None:
    """Searches and records events, each search once however often it is sent."""
    step = 0
    while not oracle.stopping:
        step += 1
        name = f"permanent-{step % PERMANENT}"
        request = query(f"text {name}", candidate_count=20)
        await until_acknowledged(oracle, lambda request=request: memory.memories.QueryMemories(request, timeout=10))
        event = salience_pb2.Event(
            memory_id=id_of(name), kind=common_pb2.EVENT_KIND_RERANK, raw_score=0.5, relevance=0.8, calibration_version="minilm-maxsim-1"
        )
        record = salience_pb2.RecordEventsRequest(
            scope=scope(),
            search_id=f"s{step}",
            query=tensors.to_message(vector_of(name)),
            fingerprint=FINGERPRINT,
            pool=[salience_pb2.PoolEntry(memory_id=id_of(name), collection="notes", rank=1)],
            events=[event],
        )
        record.search_time.GetCurrentTime()
        answer = await until_acknowledged(oracle, lambda record=record: memory.salience.RecordEvents(record, timeout=10))
        assert answer.accepted_count + answer.duplicate_count == 1
        oracle.events[name] = oracle.events.get(name, 0) + 1


async def compare(memory: Memory, oracle: Oracle) -> None:
    """Compares catalog, engine and ledger with what was acknowledged."""
    stored: dict[str, str] = {}
    token = ""
    while True:
        request = pb.ListMemoriesRequest(scope=scope(), collection="notes", page_size=1000, page_token=token)
        page = await memory.memories.ListMemories(request, timeout=30)
        stored.update({one.memory_id: one.text for one in page.memories})
        token = page.next_page_token
        if not token:
            break
    expected = {id_of(name): text for name, text in oracle.texts.items()}
    assert stored == expected
    got = await memory.memories.BatchGetMemories(pb.BatchGetMemoriesRequest(scope=scope(), memory_ids=list(expected)), timeout=30)
    assert {one.memory_id: one.text for one in got.memories} == expected
    for name, text in list(oracle.texts.items())[:20]:
        found = await memory.memories.QueryMemories(query(text, candidate_count=20), timeout=30)
        assert id_of(name) in {candidate.memory.memory_id for candidate in found.candidates}
    names = [f"permanent-{number}" for number in range(PERMANENT)]
    known = await memory.salience.GetSalience(
        salience_pb2.GetSalienceRequest(scope=scope(), memory_ids=[id_of(name) for name in names]), timeout=30
    )
    assert {one.memory_id: one.event_count for one in known.salience} == {id_of(name): oracle.events.get(name, 0) for name in names}


@pytest.mark.timeout(60 + 30 * KILLS)
async def test_no_acknowledged_write_or_event_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    oracle, chance = Oracle(), random.Random(0)
    async with running(tmp_path) as (part, memory):
        await create(memory)
        permanent = {f"permanent-{number}": f"text permanent-{number}" for number in range(PERMANENT)}
        await memory.memories.UpsertMemories(upsert(*(write(name, text) for name, text in permanent.items())))
        oracle.texts.update(permanent)
        work = [asyncio.ensure_future(keep_writing(memory, oracle, worker)) for worker in range(WRITERS)]
        work.append(asyncio.ensure_future(keep_searching(memory, oracle)))
        # The other stores have no process that could be killed without the front, or one that is not ours.
        kills = [part.kill_front] * KILLS + ([part.kill_engine] * KILLS if store_settings()["store"] == "edge" else [])
        chance.shuffle(kills)
        for kill in kills:
            progress = asyncio.ensure_future(oracle.progress(chance.randrange(20, 80)))
            await asyncio.wait([progress, *work], return_when=asyncio.FIRST_COMPLETED)
            assert progress.done(), [task.exception() for task in work if task.done()]
            await kill()
        await asyncio.wait([asyncio.ensure_future(oracle.progress(20)), *work], return_when=asyncio.FIRST_COMPLETED)
        oracle.stopping = True
        await asyncio.gather(*work)
        assert oracle.outages > 0
        await compare(memory, oracle)
        await part.kill_front()
        await wait_until_serving(memory.channel, SERVICE, deadline=Deadline.after(60))
        await compare(memory, oracle)
