"""A migration of the callers' collection to another space and back, through kills."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np

from atlas import tensors
from atlas.memory.v1 import collection_pb2, memory_pb2, operation_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import DIMENSION, FINGERPRINT, named, query, scope, vector_of

from ..comparison import compare
from ..expected import COLLECTION, OUTAGE, require
from .ground import Ground

OTHER = "test-encoder/2;d=8"
_OTHER_DIMENSION = 8
_PROJECTION = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSION, DIMENSION)))[0][:, :_OTHER_DIMENSION]
_PAGE = 40
_ROUNDS = 4
"""Pages that are filled while the callers write."""
_CALLS_A_ROUND = 6


async def migrates(ground: Ground, arm: Callable[[], None], done: Callable[[], bool]) -> None:
    """Fills another generation while the callers write, switches to it, goes back, and deletes it."""
    arm()
    operation_id = await _started(ground)
    for _ in range(_ROUNDS):
        await ground.go_on(_CALLS_A_ROUND)
        await _filled(ground, operation_id)
    await ground.pause("before a switch")
    while await _filled(ground, operation_id):
        pass
    verified = await ground.answered(ground.memory.collections.VerifyMigration, _named(collection_pb2.VerifyMigrationRequest))
    require(verified.verified, f"what was filled through kills does not hold: {list(verified.findings)}")
    generation = await _moved_to(ground, OTHER, ground.memory.collections.SwitchGeneration, _named(collection_pb2.SwitchGenerationRequest))
    back = _named(collection_pb2.RollbackGenerationRequest, request_id=f"from {generation}")
    await _moved_to(ground, FINGERPRINT, ground.memory.collections.RollbackGeneration, back)
    await _deleted(ground, generation)


def _named(kind: Callable[..., Any], **fields: Any) -> Any:
    return kind(scope=scope(), name=COLLECTION, **fields)


def _vector(text: str) -> np.ndarray:
    projected = vector_of(text) @ _PROJECTION
    return np.asarray(projected / np.linalg.norm(projected), np.float32)


def _query(text: str, **fields: Any) -> memory_pb2.QueryMemoriesRequest:
    request = query(text, vector=False, **fields)
    request.vectors.append(named(_vector(text), fingerprint=OTHER))
    return request


async def _started(ground: Ground) -> str:
    space = type_pb2.VectorSpace(name="dense", kind=type_pb2.VECTOR_KIND_DENSE, dimension=_OTHER_DIMENSION, fingerprint=OTHER)
    request = _named(collection_pb2.StartMigrationRequest, space=space, embedder_address="new:1", source_embedder_address="old:1")
    return str((await ground.answered(ground.memory.collections.StartMigration, request)).operation.operation_id)


async def _filled(ground: Ground, operation_id: str) -> int:
    """Fills a page; returns how many memories were due."""
    listing = operation_pb2.ListDueMemoriesRequest(scope=scope(), operation_id=operation_id, page_size=_PAGE)
    due = (await ground.answered(ground.memory.operations.ListDueMemories, listing)).memories
    if due:
        request = operation_pb2.FillGenerationRequest(
            scope=scope(),
            operation_id=operation_id,
            fills=[operation_pb2.Fill(memory_id=one.memory_id, etag=one.etag) for one in due],
            vectors=tensors.to_message(np.stack([_vector(one.text) for one in due])),
            fingerprint=OTHER,
        )
        await ground.answered(ground.memory.operations.FillGeneration, request)
    return len(due)


async def _moved_to(ground: Ground, fingerprint: str, method: Callable[..., Any], request: Any) -> str:
    """Has the collection served from the generation of a space, by a call that is made again if a kill answers it; returns its id."""
    try:
        await ground.tried(method, request)
    except grpc.aio.AioRpcError as error:
        if error.code() not in OUTAGE:
            raise
        await ground.serving()
        await _compare(ground)
        await ground.answered(method, request)
    found, generation = await _serving(ground)
    require(found == fingerprint, f"the collection serves {found} after the call to have it serve {fingerprint}")
    await _compare(ground)
    return generation


async def _compare(ground: Ground) -> None:
    """Compares everything, asking in the space that serves."""
    fingerprint, _ = await _serving(ground)
    ask = query if fingerprint == FINGERPRINT else _query
    await ground.looked(lambda: compare(ground.memory, ground.state, time.time, ask))


async def _serving(ground: Ground) -> tuple[str, str]:
    """Reads the fingerprint and the id of the generation that serves."""
    answer = await ground.answered(ground.memory.collections.GetCollection, _named(collection_pb2.GetCollectionRequest))
    generation = answer.collection.generation
    (dense,) = (space for space in generation.spaces if space.kind == type_pb2.VECTOR_KIND_DENSE)
    return dense.fingerprint, generation.generation


async def _deleted(ground: Ground, generation: str) -> None:
    request = _named(collection_pb2.DeleteGenerationRequest, generation=generation)
    try:
        await ground.answered(ground.memory.collections.DeleteGeneration, request)
    except grpc.aio.AioRpcError as error:
        # One whose deletion was answered by a kill is gone.
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
    await _compare(ground)
