"""Stand-ins for the three parts behind the gateway: real gRPC servers that misbehave on command."""

from __future__ import annotations

import asyncio
import math
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import numpy as np
from grpc_status import rpc_status

from atlas import tensors
from atlas.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from atlas.errors import AtlasError
from atlas.gateway.v1 import gateway_pb2, gateway_pb2_grpc, ledger_pb2_grpc
from atlas.memory.v1 import collection_pb2, collection_pb2_grpc, memory_pb2, memory_pb2_grpc, salience_pb2, salience_pb2_grpc
from atlas.reranker.v1 import reranker_pb2, reranker_pb2_grpc
from atlas.server import RunningServer
from atlas.status import to_status
from atlas.type.v1 import salience_pb2 as common_pb2
from atlas.type.v1 import type_pb2
from gateway.__main__ import running
from gateway.settings import GatewaySettings

FINGERPRINT = "stub-dense/1"
TOKEN_FINGERPRINT = "stub-tokens/1"
CALIBRATION = "stub-calibration/1"
QUERY = "how do I reset it?"
QUERY_TOKENS = np.eye(3, 4, dtype=np.float16)
Behaviour = Callable[[Any, Any], Awaitable[Any]]


def token_space(fingerprint: str) -> type_pb2.VectorSpace:
    return type_pb2.VectorSpace(name="tokens", kind="VECTOR_KIND_TOKENS", dimension=4, fingerprint=fingerprint)


@dataclass
class Stub:
    """One part: counts its calls, keeps their requests, and answers as `behaviour` says where it names a method."""

    calls: Counter[str] = field(default_factory=Counter)
    requests: dict[str, list[Any]] = field(default_factory=dict)
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    port: int = 0
    _server: Any = None

    def add_to(self, server: grpc.aio.Server) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.add_to(self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    async def answer(self, method: str, request: Any, context: Any, usual: Callable[[Any], Any]) -> Any:
        self.calls[method] += 1
        self.requests.setdefault(method, []).append(request)
        behaviour = self.behaviour.get(method)
        return usual(request) if behaviour is None else await behaviour(request, context)


def failing(error: AtlasError, *, times: int | None = None, then: Callable[[Any], Any] | None = None) -> Behaviour:
    """Answers with the status of `error`, the first `times` times or always."""
    left = [math.inf if times is None else times]

    async def behave(request: Any, context: Any) -> Any:
        left[0] -= 1
        if left[0] < 0 and then is not None:
            return then(request)
        return await context.abort_with_status(rpc_status.to_status(to_status(error)))

    return behave


def never() -> Behaviour:
    """Does not answer before the caller gives up."""

    async def behave(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    return behave


def changed(usual: Callable[[Any], Any], change: Callable[[Any], None]) -> Behaviour:
    """Answers as usual, then spoils the answer."""

    async def behave(request: Any, context: Any) -> Any:
        reply = usual(request)
        change(reply)
        return reply

    return behave


class EmbedderStub(Stub, embedder_pb2_grpc.EmbedderServiceServicer):
    fragmentation = 0.0
    token_fingerprint = ""
    """Space of its token vectors; empty: it has none, and refuses to be asked for them."""

    def add_to(self, server: grpc.aio.Server) -> None:
        embedder_pb2_grpc.add_EmbedderServiceServicer_to_server(self, server)

    async def GetModelInfo(self, request: Any, context: Any) -> Any:
        return await self.answer("GetModelInfo", request, context, self.model)

    async def Embed(self, request: Any, context: Any) -> Any:
        return await self.answer("Embed", request, context, self.embedded)

    def model(self, request: Any) -> Any:
        spaces = [type_pb2.VectorSpace(name="dense", kind="VECTOR_KIND_DENSE", dimension=4, fingerprint=FINGERPRINT)]
        if self.token_fingerprint:
            spaces.append(token_space(self.token_fingerprint))
        limits = type_pb2.ModelLimits(max_input_count=256, max_input_tokens=256)
        return embedder_pb2.GetModelInfoResponse(
            model=type_pb2.ModelInfo(model_id="stub-embedder", revision="1", spaces=spaces, limits=limits)
        )

    def embedded(self, request: Any) -> Any:
        rows = np.tile(np.array([0.6, 0.8, 0.0, 0.0], dtype=np.float32), (len(request.inputs), 1))
        report = embedder_pb2.InputReport(token_count=8, used_token_count=8, fragmentation=self.fragmentation)
        reply = embedder_pb2.EmbedResponse(dense=tensors.to_message(rows), reports=[report] * len(rows), fingerprint=FINGERPRINT)
        if embedder_pb2.OUTPUT_TOKENS in request.outputs:
            reply.tokens.CopyFrom(tensors.to_ragged([QUERY_TOKENS]))
            reply.token_fingerprint = self.token_fingerprint
        return reply


class RerankerStub(Stub, reranker_pb2_grpc.RerankerServiceServicer):
    max_input_count = 200
    token_fingerprint = ""
    """Space of the token vectors that it takes; empty: it describes none."""

    def add_to(self, server: grpc.aio.Server) -> None:
        reranker_pb2_grpc.add_RerankerServiceServicer_to_server(self, server)

    async def GetModelInfo(self, request: Any, context: Any) -> Any:
        return await self.answer("GetModelInfo", request, context, self.model)

    async def ForgetPassages(self, request: Any, context: Any) -> Any:
        return await self.answer("ForgetPassages", request, context, self.forgotten)

    async def Rerank(self, request: Any, context: Any) -> Any:
        return await self.answer("Rerank", request, context, self.reranked)

    def model(self, request: Any) -> Any:
        limits = type_pb2.ModelLimits(max_input_count=self.max_input_count)
        spaces = [token_space(self.token_fingerprint)] if self.token_fingerprint else []
        return reranker_pb2.GetModelInfoResponse(
            model=type_pb2.ModelInfo(model_id="stub-reranker", revision="1", spaces=spaces, limits=limits), calibration_version=CALIBRATION
        )

    def forgotten(self, request: Any) -> Any:
        return reranker_pb2.ForgetPassagesResponse(forgotten_count=len(request.content_sha256s))

    def reranked(self, request: Any) -> Any:
        """Scores later candidates higher, so that its order is the reverse of the pool's."""
        scores = [
            reranker_pb2.CandidateScore(
                id=candidate.id, scored=True, raw_score=0.3 + 0.1 * place, score_kind="SCORE_KIND_MAXSIM", relevance=0.2 + 0.1 * place
            )
            for place, candidate in enumerate(request.candidates)
        ]
        return reranker_pb2.RerankResponse(scores=scores, calibration_version=CALIBRATION, usage=type_pb2.Usage(tokens=99, cache_hits=2))


IDS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in range(5))


def candidate(place: int, rank: int, *, similarity: float | None) -> memory_pb2.Candidate:
    """Returns a candidate of the pool; all have like similarity and no words in common with the query."""
    memory = type_pb2.Memory(
        memory_id=IDS[place],
        collection="notes",
        text=f"text {place}",
        source=f"file://host/{place % 2}",
        generation="g1",
        content_kind="CONTENT_KIND_TEXT",
        salience=0.25,
    )
    found = memory_pb2.Candidate(
        memory=memory, pool_score=1.0 - 0.1 * rank, pool="POOL_CLEAN", pool_rank=rank, propensity=1.0, lexical_strength=0.0
    )
    if similarity is not None:
        found.evidence.add(kind="EVIDENCE_KIND_SIMILARITY", space="dense", value=similarity, rank=rank)
    found.evidence.add(kind="EVIDENCE_KIND_LEXICAL", space="lexical", value=0.0)
    return found


@dataclass
class MemoryStub(
    Stub,
    memory_pb2_grpc.MemoryServiceServicer,
    collection_pb2_grpc.CollectionServiceServicer,
    salience_pb2_grpc.SalienceServiceServicer,
):
    texts: dict[int, str] = field(default_factory=dict)
    """Texts of the memories that it has, by place."""
    learnt: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Log-odds of candidates, all and from outside, by place; read unless salience is OFF."""

    def add_to(self, server: grpc.aio.Server) -> None:
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(self, server)
        collection_pb2_grpc.add_CollectionServiceServicer_to_server(self, server)
        salience_pb2_grpc.add_SalienceServiceServicer_to_server(self, server)

    async def QueryMemories(self, request: Any, context: Any) -> Any:
        return await self.answer("QueryMemories", request, context, self.found)

    async def RecordEvents(self, request: Any, context: Any) -> Any:
        return await self.answer("RecordEvents", request, context, self.recorded)

    async def RecordFeedback(self, request: Any, context: Any) -> Any:
        return await self.answer("RecordFeedback", request, context, self.fed_back)

    async def GetImpression(self, request: Any, context: Any) -> Any:
        return await self.answer("GetImpression", request, context, self.impression)

    async def BatchGetMemories(self, request: Any, context: Any) -> Any:
        return await self.answer("BatchGetMemories", request, context, self.stored)

    async def Erase(self, request: Any, context: Any) -> Any:
        return await self.answer("Erase", request, context, self.erased)

    async def ListCollections(self, request: Any, context: Any) -> Any:
        return await self.answer("ListCollections", request, context, lambda _: collection_pb2.ListCollectionsResponse())

    def found(self, request: Any) -> Any:
        """Finds five memories by similarity, or three others' order by words alone."""
        searched = [memory_pb2.SearchedCollection(collection="notes", generation="g1", memory_count=5, domain_known=True)]
        if request.vectors:
            pool = [candidate(place, place + 1, similarity=0.5) for place in range(5)]
        else:
            pool = [candidate(place, rank, similarity=None) for rank, place in enumerate((3, 1, 2), start=1)]
        if request.salience_mode != type_pb2.SALIENCE_MODE_OFF:
            for one in pool:
                one.salience_log_odds, one.outside_log_odds = self.learnt.get(IDS.index(one.memory.memory_id), (0.0, 0.0))
        return memory_pb2.QueryMemoriesResponse(candidates=pool, searched=searched)

    def fed_back(self, request: Any) -> Any:
        return salience_pb2.RecordFeedbackResponse(accepted_count=len(request.feedback), durability=request.durability)

    def impression(self, request: Any) -> Any:
        """Knows every search: of five candidates it has shown the first three, the last of them on top."""
        pool = [
            salience_pb2.PoolEntry(memory_id=memory_id, rank=place + 1, result_rank=max(0, 3 - place), propensity=1.0)
            for place, memory_id in enumerate(IDS)
        ]
        return salience_pb2.GetImpressionResponse(pool=pool)

    def stored(self, request: Any) -> Any:
        """Has the memories of `texts`, by place."""
        memories = [
            type_pb2.Memory(memory_id=IDS[place], collection="notes", text=text, content_kind="CONTENT_KIND_TEXT")
            for place, text in self.texts.items()
            if IDS[place] in request.memory_ids
        ]
        known = {memory.memory_id for memory in memories}
        return memory_pb2.BatchGetMemoriesResponse(memories=memories, missing_ids=[one for one in request.memory_ids if one not in known])

    def erased(self, request: Any) -> Any:
        receipt = common_pb2.ErasureReceipt(receipt_id="receipt-1", memory_count=1, verified=True)
        return salience_pb2.EraseResponse(receipt=receipt, content_sha256s=["a" * 64, "b" * 64])

    def recorded(self, request: Any) -> Any:
        return salience_pb2.RecordEventsResponse(accepted_count=len(request.events), durability="DURABILITY_PROCESS_CRASH")


@dataclass
class House:
    """A gateway and the stubs behind it."""

    embedder: EmbedderStub
    reranker: RerankerStub
    memory: MemoryStub
    gateway: Any
    ledger: Any
    server: RunningServer

    async def search(self, *, timeout_s: float | None = None, **fields: Any) -> gateway_pb2.SearchResponse:
        query = fields.pop("query", type_pb2.Input(text=QUERY))
        return await self.gateway.Search(gateway_pb2.SearchRequest(query=query, **fields), timeout=timeout_s)

    async def stream(self, *, timeout_s: float | None = None, **fields: Any) -> list[gateway_pb2.SearchStreamResponse]:
        query = fields.pop("query", type_pb2.Input(text=QUERY))
        request = gateway_pb2.SearchStreamRequest(search=gateway_pb2.SearchRequest(query=query, **fields))
        return [step async for step in self.gateway.SearchStream(request, timeout=timeout_s)]

    async def metrics(self) -> str:
        url = f"http://127.0.0.1:{self.server.metrics_port}/metrics"
        return await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())


@asynccontextmanager
async def open_gateway(*, until_ready: bool = True, **settings: Any) -> AsyncIterator[tuple[Any, RunningServer]]:
    """Runs a gateway on a free port; gives a stub of it and the server."""
    async with running(GatewaySettings(**({"port": 0, "metrics_port": -1, "lame_duck_ms": 0} | settings))) as server:
        if until_ready:
            await server.until_ready()
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield gateway_pb2_grpc.GatewayServiceStub(channel), server


@asynccontextmanager
async def open_house(**settings: Any) -> AsyncIterator[House]:
    """Runs a gateway over three stubs, each on a free port."""
    stubs = EmbedderStub(), RerankerStub(), MemoryStub()
    for stub in stubs:
        await stub.start()
    addresses = {f"{name}_address": f"127.0.0.1:{stub.port}" for name, stub in zip(("embedder", "reranker", "memory"), stubs, strict=True)}
    try:
        async with open_gateway(**addresses, **settings) as (gateway, server), grpc.aio.insecure_channel(server.address) as channel:
            yield House(*stubs, gateway, ledger_pb2_grpc.LedgerServiceStub(channel), server)
    finally:
        for stub in stubs:
            await stub.stop()
