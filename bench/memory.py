"""The memory service alone, over gRPC: dense search, search with both branches, and the write-back of a search, beside bare calls.

python -m bench memory [--memories 10000] [--calls 300]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from atlas.channel import call, open_channel
from atlas.client import AsyncAtlas
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from atlas.evaluation import percentiles
from atlas.memory.v1 import memory_pb2, memory_pb2_grpc, salience_pb2, salience_pb2_grpc
from atlas.reranker.v1 import reranker_pb2, reranker_pb2_grpc
from atlas.type.v1 import type_pb2

from . import corpus, machine, processes
from .bare import BareCalls, bare_server
from .system import System, running
from .writes import fsync_ms

POOL = 20
"""Members of a pool, and events of a write-back."""
COLLECTION = "bench"
_SCOPE = type_pb2.Scope(tenant="default", principal="bench")
_DEADLINE_S = 30.0


class Calls:
    """What is measured: each method makes one call."""

    def __init__(
        self, memories: memory_pb2_grpc.MemoryServiceAsyncStub, ledger: salience_pb2_grpc.SalienceServiceAsyncStub, calibration_version: str
    ) -> None:
        self._memories = memories
        self._ledger = ledger
        self._calibration_version = calibration_version

    async def search(self, text: str, vector: type_pb2.NamedVector) -> memory_pb2.QueryMemoriesResponse:
        """Finds the candidates of a query; an empty text leaves the lexical branch out."""
        request = memory_pb2.QueryMemoriesRequest(scope=_SCOPE, collections=[COLLECTION], text=text, vectors=[vector], candidate_count=POOL)
        reply = await call(self._memories.QueryMemories, request, deadline=Deadline.after(_DEADLINE_S))
        if len(reply.candidates) != POOL:
            raise RuntimeError(f"a search found {len(reply.candidates)} of {POOL} candidates: it measures nothing")
        return reply

    async def record(self, found: memory_pb2.QueryMemoriesResponse, vector: type_pb2.NamedVector, durability: str) -> None:
        """Writes the evidence of one search back, under a new id."""
        reply = await call(self._ledger.RecordEvents, self._evidence(found, vector, durability), deadline=Deadline.after(_DEADLINE_S))
        if reply.accepted_count != POOL:
            raise RuntimeError(f"a write-back counted {reply.accepted_count} of {POOL} events: it measures nothing")

    def _evidence(
        self, found: memory_pb2.QueryMemoriesResponse, vector: type_pb2.NamedVector, durability: str
    ) -> salience_pb2.RecordEventsRequest:
        return salience_pb2.RecordEventsRequest(
            scope=_SCOPE,
            search_id=uuid4().hex,
            query=vector.dense,
            fingerprint=vector.fingerprint,
            durability=f"DURABILITY_{durability}",
            pool=[
                salience_pb2.PoolEntry(
                    memory_id=one.memory.memory_id,
                    collection=one.memory.collection,
                    generation=one.memory.generation,
                    pool="POOL_CLEAN",
                    rank=one.pool_rank,
                    propensity=1.0,
                )
                for one in found.candidates
            ],
            events=[
                salience_pb2.Event(
                    memory_id=one.memory.memory_id,
                    kind="EVENT_KIND_RERANK",
                    raw_score=0.5,
                    score_kind="SCORE_KIND_MAXSIM",
                    relevance=0.25,
                    calibration_version=self._calibration_version,
                    rank_before_salience=one.pool_rank,
                )
                for one in found.candidates
            ],
        )


def main(memory_count: int, call_count: int) -> None:
    """Prints the table."""
    print(machine.describe())
    with running() as system:
        asyncio.run(_measure(system, memory_count, call_count))


async def _measure(system: System, memory_count: int, call_count: int) -> None:
    async with AsyncAtlas(system.address(), timeout_s=60.0) as client:
        async for reply in client.ingest(corpus.documents(memory_count), collection=COLLECTION):
            if reply.error is not None:
                raise reply.error
    questions = corpus.questions(call_count)
    async with calls_to(system.address(3), system.address(2)) as calls, bare_server() as bare:
        vectors = await embedded(system.address(1), questions)
        searches = [Asked(question, vector) for question, vector in zip(questions, vectors, strict=True)]
        runs = kinds_of(calls, system, bare)
        for title, order in (("in turn", _in_turn(searches, runs)), ("alone", _alone(searches, runs))):
            print(f"\n{call_count} calls of each kind, {title}, {memory_count} memories stored")
            await _measured(order, calls, system)


@dataclass(slots=True)
class Asked:
    """A search, and what it found."""

    question: str
    vector: type_pb2.NamedVector
    found: memory_pb2.QueryMemoriesResponse | None = None


BARE = "bare gRPC call"
"""Of a server that computes nothing; every median is also told as a multiple of this one's."""
FSYNC = "bare fsync of 4 KiB"

Run = Callable[[Asked], Awaitable[object]]
"""Makes one call of a kind."""


def kinds_of(calls: Calls, system: System, bare: BareCalls) -> dict[str, Run]:
    """What is measured, by name."""

    async def fsync(_: Asked) -> None:
        fsync_ms(system.data_dir / "probe")

    def recorded(durability: str) -> Run:
        async def record(asked: Asked) -> None:
            assert asked.found is not None, "every search is made once before its calls are measured"
            await calls.record(asked.found, asked.vector, durability)

        return record

    return {
        BARE: lambda _: bare.call(),
        "dense search": lambda asked: calls.search("", asked.vector),
        "search, both branches": lambda asked: calls.search(asked.question, asked.vector),
        "write-back, PROCESS_CRASH": recorded("PROCESS_CRASH"),
        FSYNC: fsync,
        "write-back, POWER_LOSS": recorded("POWER_LOSS"),
    }


def _in_turn(searches: Sequence[Asked], runs: Mapping[str, Run]) -> Iterator[tuple[str, Run, Asked]]:
    """One call of each kind for every search, as services mix them: each finds the processors' caches full of the others."""
    return ((name, run, asked) for asked in searches for name, run in runs.items())


def _alone(searches: Sequence[Asked], runs: Mapping[str, Run]) -> Iterator[tuple[str, Run, Asked]]:
    """All calls of a kind at a stretch, as load generators make them."""
    return ((name, run, asked) for name, run in runs.items() for asked in searches)


async def _measured(order: Iterable[tuple[str, Run, Asked]], calls: Calls, system: System) -> None:
    """Makes calls one after the other, and prints how long they took and what the processes spent on them."""
    samples: dict[str, list[float]] = {}
    spent: dict[str, dict[str, float]] = {}
    counted = {name: process for name, process in processes.of(system).items() if name in ("memory", "engine")}
    for name, run, asked in order:
        if asked.found is None:
            # Not counted: what is measured finds its pages where a busy server has them.
            asked.found = await calls.search(asked.question, asked.vector)
        before, begin = processes.cpu_ms(counted), time.perf_counter()
        await run(asked)
        samples.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
        for process, used in processes.cpu_ms(counted).items():
            total = spent.setdefault(name, dict.fromkeys(counted, 0.0))
            total[process] += used - before[process]
    _print(samples, spent)


@asynccontextmanager
async def calls_to(memory: str, reranker: str) -> AsyncIterator[Calls]:
    """Opens a channel to memory; the reranker is asked once, for its calibration."""
    ranking = open_channel(reranker, service_names=[])
    storing = open_channel(memory, service_names=[])
    async with ranking, storing:
        model = reranker_pb2_grpc.RerankerServiceStub(ranking).GetModelInfo
        described = await call(model, reranker_pb2.GetModelInfoRequest(), deadline=Deadline.after(_DEADLINE_S))
        memories, ledger = memory_pb2_grpc.MemoryServiceStub(storing), salience_pb2_grpc.SalienceServiceStub(storing)
        yield Calls(memories, ledger, described.calibration_version)


async def embedded(embedder: str, questions: Sequence[str]) -> list[type_pb2.NamedVector]:
    """Embeds the questions, one call each."""
    vectors = []
    async with open_channel(embedder, service_names=[]) as channel:
        stub = embedder_pb2_grpc.EmbedderServiceStub(channel)
        for question in questions:
            request = embedder_pb2.EmbedRequest(inputs=[type_pb2.Input(text=question)], input_type="INPUT_TYPE_QUERY")
            reply = await call(stub.Embed, request, deadline=Deadline.after(_DEADLINE_S))
            row = type_pb2.Tensor(dtype=reply.dense.dtype, shape=reply.dense.shape[1:], data=reply.dense.data)
            vectors.append(type_pb2.NamedVector(space="dense", fingerprint=reply.fingerprint, dense=row))
    return vectors


def _print(samples: dict[str, list[float]], spent: dict[str, dict[str, float]]) -> None:
    bare = percentiles(samples[BARE]).p50_ms
    print(f"  {'':<28}{'min ms':>9}{'p25 ms':>9}{'p50 ms':>9}{'p99 ms':>9}{'bare calls':>12}   CPU ms a call")
    for kind, values in samples.items():
        found, ascending = percentiles(values), sorted(values)
        own = "" if kind in (BARE, FSYNC) else ", ".join(f"{name} {total / len(values):.2f}" for name, total in spent[kind].items())
        shown = f"{ascending[0]:>9.2f}{ascending[len(ascending) // 4]:>9.2f}{found.p50_ms:>9.2f}{found.p99_ms:>9.2f}"
        print(f"  {kind:<28}{shown}{found.p50_ms / bare:>12.1f}   {own}")
