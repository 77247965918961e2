"""The embedder alone: one short query over gRPC, a rerank-sized batch, bulk texts of mixed lengths, and its memory.

python -m bench embedder
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psutil

from atlas.channel import call, open_channel, open_stream
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.evaluation import percentiles
from atlas.health import wait_until_serving
from atlas.type.v1 import type_pb2

from . import machine
from .forward_pass import ForwardPass
from .system import free_port_base

SERVICE = "atlas.embedder.v1.EmbedderService"
_WORDS = (
    "the",
    "journal",
    "keeps",
    "every",
    "change",
    "as",
    "one",
    "transaction",
    "before",
    "engine",
    "applies",
    "it",
    "and",
    "only",
    "then",
)
_QUERY_COUNT = 500
_BATCH_COUNT = 30
_BULK_TEXT_COUNT = 512
_BULK_FRAME_TEXT_COUNT = 16
_MIB = 2**20


def main() -> None:
    """Prints the table."""
    forward_pass = ForwardPass()
    print(f"{machine.describe()}\nbefore    {forward_pass.describe()}")
    port = free_port_base() + 1
    with _embedder(port) as process:
        asyncio.run(_measure(f"127.0.0.1:{port}", process))
    print(f"  after: {forward_pass.describe()}")


@contextmanager
def _embedder(port: int) -> Iterator[psutil.Process]:
    variables = {**os.environ, "ATLAS_EMBEDDER_PORT": str(port), "ATLAS_EMBEDDER_LAME_DUCK_MS": "0", "ATLAS_EMBEDDER_LOG_LEVEL": "warning"}
    with subprocess.Popen([sys.executable, "-m", "services.embedder"], env=variables) as running:
        try:
            yield psutil.Process(running.pid)
        finally:
            running.terminate()


async def _measure(address: str, process: psutil.Process) -> None:
    async with open_channel(address, service_names=[SERVICE]) as channel:
        await wait_until_serving(channel, SERVICE, deadline=_soon())
        stub: Any = rpc.EmbedderServiceStub(channel)
        model = (await call(stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=_soon())).model
        print(f"model     {model.model_id}, {model.backend}, {model.device}, {model.precision}\n")
        print(f"  {'':<44}{'p50 ms':>9}{'p99 ms':>9}")
        await _timed("one query of 12 word pieces", _QUERY_COUNT, lambda number: _embed(stub, [_text(10, number)]))
        await _timed("20 texts of 64 with token vectors", _BATCH_COUNT, lambda number: _embed(stub, _texts(20, number), tokens=True))
        async with _bulk(stub) as rate:
            await _timed("one query while bulk texts are embedded", _QUERY_COUNT // 2, lambda number: _embed(stub, [_text(10, number)]))
        print(f"\n  bulk texts of 8 to 250 word pieces beside the queries {await rate:>9.1f} texts/s")
        begin = time.perf_counter()
        await _stream(stub)
        print(f"  the same alone{_BULK_TEXT_COUNT / (time.perf_counter() - begin):>49.1f} texts/s")
    print(f"  resident memory of the embedder{process.memory_info().rss / _MIB:>32.0f} MiB")


async def _timed(name: str, count: int, work: Callable[[int], Awaitable[object]]) -> None:
    samples: list[float] = []
    for number in range(count):
        begin = time.perf_counter()
        await work(number)
        samples.append((time.perf_counter() - begin) * 1e3)
    found = percentiles(samples)
    print(f"  {name:<44}{found.p50_ms:>9.2f}{found.p99_ms:>9.2f}")


async def _embed(stub: Any, texts: list[str], *, tokens: bool = False) -> None:
    outputs = [pb.OUTPUT_DENSE, pb.OUTPUT_TOKENS] if tokens else [pb.OUTPUT_DENSE]
    await call(stub.Embed, _request(texts, type_pb2.INPUT_TYPE_QUERY, outputs), deadline=_soon())


@asynccontextmanager
async def _bulk(stub: Any) -> AsyncIterator[asyncio.Task[float]]:
    """Streams bulk texts for as long as the block runs; the task gives texts per second."""
    stop = asyncio.Event()

    async def load() -> float:
        begin, rounds = time.perf_counter(), 0
        while not stop.is_set():
            await _stream(stub)
            rounds += 1
        return rounds * _BULK_TEXT_COUNT / (time.perf_counter() - begin)

    task = asyncio.create_task(load())
    try:
        yield task
    finally:
        stop.set()


async def _stream(stub: Any) -> None:
    async with open_stream(stub.EmbedStream, deadline=Deadline.after(600.0)) as stream:
        writing = asyncio.create_task(_write(stream))
        async for answer in stream:
            if answer.WhichOneof("outcome") == "error":
                raise RuntimeError(answer.error.message)
        await writing


async def _write(stream: Any) -> None:
    for frame in range(_BULK_TEXT_COUNT // _BULK_FRAME_TEXT_COUNT):
        texts = [_text(6 + (frame * 37 + number * 61) % 243, number) for number in range(_BULK_FRAME_TEXT_COUNT)]
        await stream.write(pb.EmbedStreamRequest(sequence=frame, request=_request(texts, type_pb2.INPUT_TYPE_PASSAGE, [pb.OUTPUT_DENSE])))
    await stream.done_writing()


def _request(texts: list[str], side: Any, outputs: list[Any]) -> pb.EmbedRequest:
    return pb.EmbedRequest(inputs=[type_pb2.Input(text=text) for text in texts], input_type=side, outputs=outputs)


def _texts(count: int, seed: int) -> list[str]:
    return [_text(62, seed * count + number) for number in range(count)]


def _text(word_count: int, seed: int) -> str:
    """Gives a text of so many words, each one word piece."""
    return " ".join(_WORDS[(seed * 7 + number * 5) % len(_WORDS)] for number in range(word_count))


def _soon() -> Deadline:
    return Deadline.after(60.0)
