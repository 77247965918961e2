"""A real memory service on a free port with a real store, and short ways to call it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status.rpc_status import from_call

from atlas import tensors
from atlas.channel import open_channel
from atlas.clock import Clock
from atlas.memory.v1 import (
    collection_pb2,
    collection_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
    operation_pb2_grpc,
    salience_pb2_grpc,
    snapshot_pb2_grpc,
)
from atlas.server import RunningServer
from atlas.type.v1 import type_pb2
from services.memory.__main__ import running
from services.memory.settings import MemorySettings

STORE_VARIABLE = "ATLAS_TEST_STORE"
"""Store of every memory service in the tests: `edge` (default), `lancedb`, or `qdrant` on the server that `ATLAS_TEST_QDRANT` names."""
DIMENSION = 16
FINGERPRINT = "test-encoder/1;d=16"
TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Memory:
    """Stubs of a running memory service."""

    server: RunningServer
    collections: Any
    memories: Any
    salience: Any
    channel: grpc.aio.Channel
    operations: Any
    snapshots: Any


def store_settings() -> dict[str, Any]:
    """Settings of the store that the environment names."""
    store = os.environ.get(STORE_VARIABLE, "edge")
    if store != "qdrant":
        return {"store": store}
    host, _, port = os.environ["ATLAS_TEST_QDRANT"].rpartition(":")
    return {"store": store, "qdrant_host": host, "qdrant_grpc_port": int(port), "qdrant_flush_interval_ms": 50}


needs_edge = pytest.mark.skipif(
    os.environ.get(STORE_VARIABLE, "edge") != "edge", reason=f"{STORE_VARIABLE} names a store without an engine process of its own"
)
"""Marks what is about the engine process."""


@asynccontextmanager
async def memory_service(folder: Path, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Memory]:
    """Serves from `folder` for the length of the block; `clock` tells the service when things happen."""
    chosen = MemorySettings(
        port=0,
        lame_duck_ms=0,
        drain_grace_ms=1000,
        data_dir=folder,
        **{"metrics_port": -1, "free_space_watermark_bytes": 128 << 20, **store_settings(), **settings},
    )
    async with running(chosen, clock) as server:
        await server.until_ready()
        async with open_channel(server.address, service_names=["atlas.memory.v1.MemoryService"]) as channel:
            yield stubs(server, channel)


def stubs(server: Any, channel: grpc.aio.Channel) -> Memory:
    """Stubs over a channel."""
    return Memory(
        server,
        collection_pb2_grpc.CollectionServiceStub(channel),
        memory_pb2_grpc.MemoryServiceStub(channel),
        salience_pb2_grpc.SalienceServiceStub(channel),
        channel,
        operation_pb2_grpc.OperationServiceStub(channel),
        snapshot_pb2_grpc.SnapshotServiceStub(channel),
    )


def scope(tenant: str = "acme", domains: Sequence[str] = ()) -> type_pb2.Scope:
    return type_pb2.Scope(tenant=tenant, principal="tests", domains=domains)


def vector_of(text: str) -> np.ndarray:
    """A unit vector that follows from a text: bags of words with common words are near each other."""
    total = np.zeros(DIMENSION)
    for word in text.lower().split():
        total += _vector_of_word(word)
    return (total / np.linalg.norm(total)).astype(np.float32)


@cache
def _vector_of_word(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=DIMENSION)


def named(vector: np.ndarray, *, fingerprint: str = FINGERPRINT, space: str = "dense") -> type_pb2.NamedVector:
    return type_pb2.NamedVector(space=space, fingerprint=fingerprint, dense=tensors.to_message(vector))


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def write(
    name: str, text: str, *, collection: str = "notes", vectors: bool = True, if_match: str = "", **fields: Any
) -> memory_pb2.MemoryWrite:
    memory = type_pb2.Memory(memory_id=id_of(name), collection=collection, text=text, **fields)
    return memory_pb2.MemoryWrite(memory=memory, vectors=[named(vector_of(text))] if vectors else [], if_match=if_match)


def upsert(
    *writes: memory_pb2.MemoryWrite, tenant: str = "acme", domains: Sequence[str] = (), **fields: Any
) -> memory_pb2.UpsertMemoriesRequest:
    return memory_pb2.UpsertMemoriesRequest(scope=scope(tenant, domains), writes=writes, **fields)


def query(
    text: str, *, vector: bool = True, tenant: str = "acme", domains: Sequence[str] = (), **fields: Any
) -> memory_pb2.QueryMemoriesRequest:
    vectors = [named(vector_of(text))] if vector else []
    return memory_pb2.QueryMemoriesRequest(scope=scope(tenant, domains), text=text, vectors=vectors, **fields)


def spaces(*, dimension: int = DIMENSION, fingerprint: str = FINGERPRINT) -> list[type_pb2.VectorSpace]:
    return [
        type_pb2.VectorSpace(name="dense", kind=type_pb2.VECTOR_KIND_DENSE, dimension=dimension, fingerprint=fingerprint),
        type_pb2.VectorSpace(name="lexical", kind=type_pb2.VECTOR_KIND_SPARSE),
    ]


async def create(memory: Memory, name: str = "notes", *, tenant: str = "acme", **fields: Any) -> collection_pb2.CreateCollectionResponse:
    options = {"spaces": spaces(), **fields}
    in_search_all = options.pop("in_search_all", None)
    collection = collection_pb2.Collection(name=name, in_search_all=in_search_all)
    request = collection_pb2.CreateCollectionRequest(scope=scope(tenant), collection=collection, **options)
    return await memory.collections.CreateCollection(request, timeout=TIMEOUT_S)


@dataclass(frozen=True)
class Failure:
    """Status of a refused call with what it says for programs."""

    code: grpc.StatusCode
    message: str
    reason: str
    fields: tuple[str, ...]
    values: dict[str, str]
    retry: bool


async def failure_of(call: Awaitable[Any]) -> Failure:
    """Makes a call that must fail and returns how it did."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = from_call(caught.value)
    assert status is not None, caught.value
    reason, fields, values, retry = "", [], {}, False
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            said = ErrorInfo()
            detail.Unpack(said)
            reason, values = said.reason, dict(said.metadata)
            assert said.domain == "atlas"
        elif detail.Is(BadRequest.DESCRIPTOR):
            wrong = BadRequest()
            detail.Unpack(wrong)
            fields = [violation.field for violation in wrong.field_violations]
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry = True
    return Failure(caught.value.code(), caught.value.details() or "", reason, tuple(fields), values, retry)
