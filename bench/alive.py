"""Whether memory answers while it is loaded in bulk and while its index is built: health and searches, each from a process of its own.

python -m bench alive [--count 100000]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
from tqdm import tqdm

from atlas import tensors
from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.health import check_serving, wait_until_serving
from atlas.memory.v1 import collection_pb2, collection_pb2_grpc, memory_pb2, memory_pb2_grpc
from atlas.type.v1 import type_pb2

from . import corpus, machine
from .system import free_port_base

SERVICE = "atlas.memory.v1.MemoryService"
DIMENSION = 384
BATCH = 64
FINGERPRINT = "bench;d=384"
FIRST = 2_048
IDLE_S = 5.0
HEALTH_EVERY_S = 0.005
SEARCH_EVERY_S = 0.02
_SCOPE = type_pb2.Scope(tenant="bench", principal="bench")


Times = list[tuple[float, float]]
"""When each call began and ended, by `time.perf_counter`, which all processes of a machine share on Linux."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run."""

    title: str
    begin: float
    end: float


def main(count: int) -> None:
    """Prints health and searches idle, during a bulk load, and during an index build."""
    print(machine.describe())
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        data, target = Path(folder), f"127.0.0.1:{free_port_base()}"
        with _memory(data, target, graph_from=max(1_000, count // 2)):
            asyncio.run(_prepare(target))
            phases: list[Phase] = []
            with _calling(target) as ended:
                _during(f"idle, {FIRST} memories", lambda: time.sleep(IDLE_S), phases)
                loader = multiprocessing.get_context("spawn").Process(target=_load, args=(target, count))
                loader.start()
                _during(f"during a bulk load of {count} memories", loader.join, phases)
                assert loader.exitcode == 0
                build = _Build(data / "engine")
                build.await_state(building=True)
                _during("during the build of its index", lambda: build.await_state(building=False), phases)
                health, searches = ended()
    for phase in phases:
        _print(phase, health, searches)
    load, build_time = (phase.end - phase.begin for phase in phases[1:])
    print(f"\nloaded {count / load:.0f} memories a second; built in {build_time:.0f} s")


def _during(title: str, work: Callable[[], object], phases: list[Phase]) -> None:
    begin = time.perf_counter()
    work()
    phases.append(Phase(title, begin, time.perf_counter()))


class _Build:
    """A build of the edge store, seen from outside."""

    def __init__(self, engine: Path) -> None:
        self._engine = engine

    def await_state(self, *, building: bool) -> None:
        """Returns once a build runs, or none does."""
        give_up = time.monotonic() + 3_600
        while any(self._engine.glob(".build-*")) is not building:
            assert time.monotonic() < give_up, "the build did not begin, or did not end"
            time.sleep(0.01)


@contextmanager
def _memory(data: Path, target: str, *, graph_from: int) -> Iterator[None]:
    settings = {"PORT": target.rpartition(":")[2], "METRICS_PORT": "-1", "DATA_DIR": str(data), "EDGE_GRAPH_FROM_POINTS": str(graph_from)}
    environment = {**os.environ, **{f"ATLAS_MEMORY_{name}": value for name, value in settings.items()}}
    with (data / "memory.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "services.memory"], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def _prepare(target: str) -> None:
    async with open_channel(target, service_names=[SERVICE]) as channel:
        await wait_until_serving(channel, SERVICE, deadline=Deadline.after(60))
        spaces = [
            type_pb2.VectorSpace(name="dense", kind=type_pb2.VECTOR_KIND_DENSE, dimension=DIMENSION, fingerprint=FINGERPRINT),
            type_pb2.VectorSpace(name="lexical", kind=type_pb2.VECTOR_KIND_SPARSE),
        ]
        request = collection_pb2.CreateCollectionRequest(scope=_SCOPE, collection=collection_pb2.Collection(name="bench"), spaces=spaces)
        await collection_pb2_grpc.CollectionServiceStub(channel).CreateCollection(request)
        for number in range(0, FIRST, BATCH):
            await _upsert(channel, 1 << 40 | number)


def _load(target: str, count: int) -> None:
    # It stands for another machine: what it computes should not keep memory from its processors.
    os.nice(10)

    async def load() -> None:
        async with open_channel(target, service_names=[SERVICE]) as channel:
            for number in tqdm(range(0, count, BATCH), "load", unit_scale=BATCH, disable=None):
                await _upsert(channel, number)

    asyncio.run(load())


async def _upsert(channel: grpc.aio.Channel, first: int) -> None:
    vectors = np.random.default_rng(first).normal(size=(BATCH, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    writes = [
        memory_pb2.MemoryWrite(
            memory=type_pb2.Memory(memory_id=str(uuid.UUID(int=first + offset)), collection="bench", text=_text(first + offset)),
            vectors=[type_pb2.NamedVector(space="dense", fingerprint=FINGERPRINT, dense=tensors.to_message(vector))],
        )
        for offset, vector in enumerate(vectors)
    ]
    request = memory_pb2.UpsertMemoriesRequest(scope=_SCOPE, writes=writes, durability=type_pb2.DURABILITY_PROCESS_CRASH)
    await memory_pb2_grpc.MemoryServiceStub(channel).UpsertMemories(request, timeout=120)


_WINDOWS = corpus.windows(2_000)


def _text(number: int) -> str:
    return f"{_WINDOWS[number % len(_WINDOWS)]} {number}"


@contextmanager
def _calling(target: str) -> Iterator[Callable[[], list[Times]]]:
    """Calls from two processes until the given function is called, which returns the times of both."""
    spawn = multiprocessing.get_context("spawn")
    callers = []
    for caller in (_health, _search):
        mine, theirs = spawn.Pipe()
        process = spawn.Process(target=_call, args=(target, caller, theirs), daemon=True)
        process.start()
        theirs.close()
        callers.append((process, mine))
    for _, mine in callers:
        mine.recv()

    def ended() -> list[Times]:
        for _, mine in callers:
            mine.send("stop")
        return [mine.recv() for _, mine in callers]

    yield ended


def _call(target: str, caller: Callable[[grpc.aio.Channel, Callable[[], bool]], Coroutine[Any, Any, Times]], pipe: Connection) -> None:
    async def run() -> Times:
        async with open_channel(target, service_names=[SERVICE]) as channel:
            await wait_until_serving(channel, SERVICE, deadline=Deadline.after(60))
            pipe.send("ready")
            return await caller(channel, pipe.poll)

    pipe.send(asyncio.run(run()))


async def _health(channel: grpc.aio.Channel, stopped: Callable[[], bool]) -> Times:
    times: Times = []
    while not stopped():
        begin = time.perf_counter()
        assert await check_serving(channel, SERVICE, deadline=Deadline.after(30)), "memory does not serve"
        times.append((begin, time.perf_counter()))
        await asyncio.sleep(HEALTH_EVERY_S)
    return times


async def _search(channel: grpc.aio.Channel, stopped: Callable[[], bool]) -> Times:
    stub, chance = memory_pb2_grpc.MemoryServiceStub(channel), np.random.default_rng(5)
    times: Times = []
    while not stopped():
        vector = chance.normal(size=DIMENSION).astype(np.float32)
        dense = tensors.to_message(vector / np.linalg.norm(vector))
        request = memory_pb2.QueryMemoriesRequest(
            scope=_SCOPE,
            collections=["bench"],
            text=" ".join(_text(int(chance.integers(2_000))).split()[:8]),
            vectors=[type_pb2.NamedVector(space="dense", fingerprint=FINGERPRINT, dense=dense)],
            candidate_count=20,
        )
        begin = time.perf_counter()
        found = await stub.QueryMemories(request, timeout=30)
        times.append((begin, time.perf_counter()))
        assert len(found.candidates) == 20, "a search that finds nothing measures nothing"
        await asyncio.sleep(SEARCH_EVERY_S)
    return times


def _print(phase: Phase, health: Times, searches: Times) -> None:
    print(f"\n{phase.title}")
    for name, times in (("health", health), ("searches", searches)):
        # Also a call that began before the phase and waited into it.
        own = [1000 * (end - begin) for begin, end in times if end >= phase.begin and begin <= phase.end]
        p50, p99 = np.percentile(own, [50, 99])
        print(f"  {name:<9} {len(own):>7} calls   p50 {p50:>7.1f} ms   p99 {p99:>7.1f} ms   longest {max(own):>8.1f} ms")
