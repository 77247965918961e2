"""What is stored before anything bad comes, and the wire that it comes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

from atlas.gateway.v1 import gateway_pb2 as gateway
from atlas.memory.v1 import memory_pb2 as memory
from atlas.memory.v1 import salience_pb2 as salience
from atlas.type.v1 import type_pb2

from ..conftest import System

GATEWAY = "atlas.gateway.v1.GatewayService"
LEDGER = "atlas.gateway.v1.LedgerService"
EMBEDDER = "atlas.embedder.v1.EmbedderService"
RERANKER = "atlas.reranker.v1.RerankerService"
MEMORY = "atlas.memory.v1.MemoryService"
COLLECTIONS = "atlas.memory.v1.CollectionService"
SALIENCE = "atlas.memory.v1.SalienceService"
SCOPE = type_pb2.Scope(tenant="default")
NOBODY = type_pb2.Scope()

Request = Message | bytes

COLLECTION = "bad-input"
TEXTS = (
    "The ferry leaves the harbour at nine.",
    "The harbour master keeps the key of the crane.",
    "Fish is sold behind the harbour wall.",
)
PORTS = {"gateway": 0, "embedder": 1, "reranker": 2, "memory": 3}


class Wire:
    """One channel to each part; requests go out as the bytes they are."""

    def __init__(self, system: System) -> None:
        self._channels = {part: grpc.insecure_channel(system.address(offset)) for part, offset in PORTS.items()}

    def call(self, method: str, request: Request, *, timeout_s: float = 20.0) -> bytes:
        """Calls `atlas.<part>.v1.<Service>/<Rpc>` on the part's own port."""
        part = method.split(".")[1]
        multicallable = self._channels[part].unary_unary(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        reply: bytes = multicallable(request if isinstance(request, bytes) else request.SerializeToString(), timeout=timeout_s)
        return reply

    def stream(self, method: str, requests: Sequence[Request]) -> Iterator[bytes]:
        part = method.split(".")[1]
        multicallable = self._channels[part].stream_stream(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        sent = [request if isinstance(request, bytes) else request.SerializeToString() for request in requests]
        replies: Iterator[bytes] = multicallable(iter(sent), timeout=20.0)
        return replies

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


@dataclass(frozen=True)
class Ground:
    """What is stored before anything bad comes, and what a bad request may point at."""

    wire: Wire
    ids: tuple[str, ...]
    fingerprint: str
    token_fingerprint: str
    page_token: str
    """Goes on with a listing of `COLLECTION`, one memory a page, without a filter."""
    request_id: str
    """Of the `Remember` that stored the memories."""
    search_id: str
    """Of a search whose pool was the first memory alone."""

    def state(self) -> Any:
        """Everything that a refused request could have changed: collections, memories, and what was learnt."""
        listed = gateway.ListCollectionsResponse.FromString(
            self.wire.call(f"{GATEWAY}/ListCollections", gateway.ListCollectionsRequest(page_size=1_000))
        )
        stored = gateway.ListMemoriesResponse.FromString(
            self.wire.call(f"{GATEWAY}/ListMemories", gateway.ListMemoriesRequest(collection=COLLECTION, page_size=1_000))
        )
        count = memory.CountMemoriesResponse.FromString(
            self.wire.call(f"{MEMORY}/CountMemories", memory.CountMemoriesRequest(scope=SCOPE, collection=COLLECTION))
        )
        learnt = salience.GetSalienceResponse.FromString(
            self.wire.call(f"{SALIENCE}/GetSalience", salience.GetSalienceRequest(scope=SCOPE, memory_ids=self.ids))
        )
        return (
            {item.name: (item.memory_count, item.generation) for item in listed.collections},
            sorted((item.memory_id, item.etag, item.text, item.content_sha256) for item in stored.memories),
            count.memory_count,
            # What decays with time is left out: the events it follows from are here.
            [(item.memory_id, item.event_count, item.last_retrieved.ToNanoseconds()) for item in learnt.salience],
        )
