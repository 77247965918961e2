"""Memory's generations and operations as the gateway drives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio
from google.rpc import status_pb2

from atlas import tensors
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.memory.v1 import collection_pb2 as cpb
from atlas.memory.v1 import collection_pb2_grpc as crpc
from atlas.memory.v1 import operation_pb2 as opb
from atlas.memory.v1 import operation_pb2_grpc as orpc
from atlas.status import to_status
from atlas.type.v1 import type_pb2

from ..memories import Scope
from ..messages import duration_message
from .embedder import Float32Array
from .memory import scope_message


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of a collection."""

    generation: str
    role: int
    """Number of the `GenerationState`."""
    fingerprint: str
    """Fingerprint of its DENSE space."""
    dimension: int
    embedder_address: str
    due_count: int
    """Memories that it lacks a vector of."""
    create_time: datetime
    change_time: datetime | None


@dataclass(frozen=True, slots=True)
class Generations:
    """A collection with all its generations."""

    name: str
    serving: Generation
    others: tuple[Generation, ...]
    """Newest first."""
    operation: type_pb2.Operation | None
    """The operation that runs on it, as it came."""


@dataclass(frozen=True, slots=True)
class Started:
    """A migration that was begun, or that runs already."""

    operation: type_pb2.Operation
    generation: Generation
    created: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """How two generations compare."""

    source: Generation
    target: Generation
    described: cpb.VerifyMigrationResponse
    """All that memory says of them, as it came."""


@dataclass(frozen=True, slots=True)
class Task:
    """A generation to fill."""

    operation_id: str
    collection: str
    fingerprint: str
    """Fingerprint of the space of the vectors to make."""
    embedder_address: str
    truncate: bool
    switch_when_filled: bool


@dataclass(frozen=True, slots=True)
class DueMemory:
    """A memory that needs a vector."""

    memory_id: str
    etag: str
    text: str
    """As it is indexed."""


@dataclass(frozen=True, slots=True)
class Due:
    """What a generation lacks."""

    task: Task
    memories: tuple[DueMemory, ...]
    """Those to embed next."""
    due_count: int
    """All of them."""
    failed_count: int
    """Of these, those that could not be embedded."""


class GenerationClient:
    """Calls memory's `CollectionService` and `OperationService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._collections = crpc.CollectionServiceStub(channel)
        self._operations = orpc.OperationServiceStub(channel)

    async def generations(self, scope: Scope, name: str, *, deadline: Deadline) -> Generations:
        """Describes a collection's generations.

        Raises:
            NotFoundError: There is no such collection.
        """
        request = cpb.GetCollectionRequest(scope=scope_message(scope), name=name)
        return _generations((await call(self._collections.GetCollection, request, deadline=deadline)).collection)

    async def start(
        self,
        scope: Scope,
        name: str,
        space: type_pb2.VectorSpace,
        *,
        embedder_address: str,
        source_embedder_address: str,
        truncation: int,
        request_id: str,
        deadline: Deadline,
    ) -> Started:
        """Begins a migration to a DENSE space."""
        request = cpb.StartMigrationRequest(
            scope=scope_message(scope),
            name=name,
            space=space,
            embedder_address=embedder_address,
            source_embedder_address=source_embedder_address,
            truncation=truncation,  # type: ignore[arg-type]  # numbers of an enum are ints to mypy
            request_id=request_id,
        )
        reply = await call(self._collections.StartMigration, request, deadline=deadline)
        return Started(reply.operation, _generation(reply.generation), reply.created)

    async def verify(self, scope: Scope, name: str, *, sample_count: int, deadline: Deadline) -> Verification:
        """Compares the generation that is being filled with the one that serves."""
        request = cpb.VerifyMigrationRequest(scope=scope_message(scope), name=name, sample_count=sample_count)
        reply = await call(self._collections.VerifyMigration, request, deadline=deadline)
        return Verification(_generation(reply.source), _generation(reply.target), reply)

    async def switch(self, scope: Scope, name: str, *, force: bool, deadline: Deadline) -> tuple[type_pb2.Operation, Generations]:
        """Lets a collection point to the generation that was filled."""
        request = cpb.SwitchGenerationRequest(scope=scope_message(scope), name=name, force=force)
        reply = await call(self._collections.SwitchGeneration, request, deadline=deadline)
        return reply.operation, _generations(reply.collection)

    async def roll_back(
        self, scope: Scope, name: str, *, embedder_address: str, request_id: str, deadline: Deadline
    ) -> tuple[type_pb2.Operation, Generations]:
        """Begins to go back to the generation before; once, however often it is called with one id."""
        request = cpb.RollbackGenerationRequest(
            scope=scope_message(scope), name=name, embedder_address=embedder_address, request_id=request_id
        )
        reply = await call(self._collections.RollbackGeneration, request, deadline=deadline)
        return reply.operation, _generations(reply.collection)

    async def delete(self, scope: Scope, name: str, generation: str, *, deadline: Deadline) -> int:
        """Deletes a retired generation; returns how many vectors went with it."""
        request = cpb.DeleteGenerationRequest(scope=scope_message(scope), name=name, generation=generation)
        return (await call(self._collections.DeleteGeneration, request, deadline=deadline)).memory_count

    async def operation(self, scope: Scope, operation_id: str, *, deadline: Deadline) -> type_pb2.Operation:
        """Describes an operation, as it came."""
        request = opb.GetOperationRequest(scope=scope_message(scope), operation_id=operation_id)
        return (await call(self._operations.GetOperation, request, deadline=deadline)).operation

    async def operations(
        self, scope: Scope, *, page_size: int, page_token: str, deadline: Deadline
    ) -> tuple[Sequence[type_pb2.Operation], str]:
        """Lists operations, as they came, and gives the token of the next page."""
        request = opb.ListOperationsRequest(scope=scope_message(scope), page_size=page_size, page_token=page_token)
        reply = await call(self._operations.ListOperations, request, deadline=deadline)
        return reply.operations, reply.next_page_token

    async def cancel(self, scope: Scope, operation_id: str, *, deadline: Deadline) -> type_pb2.Operation:
        """Ends an operation."""
        request = opb.CancelOperationRequest(scope=scope_message(scope), operation_id=operation_id)
        return (await call(self._operations.CancelOperation, request, deadline=deadline)).operation

    async def claim(self, scope: Scope, driver: str, *, lease_s: float, deadline: Deadline) -> Task | None:
        """Takes, or keeps, an operation to work on; None if there is none."""
        request = opb.ClaimOperationRequest(scope=scope_message(scope), driver=driver, lease=duration_message(lease_s))
        reply = await call(self._operations.ClaimOperation, request, deadline=deadline)
        return _task(reply.task) if reply.HasField("task") else None

    async def due(self, scope: Scope, operation_id: str, *, count: int, hold_s: float = 0.0, deadline: Deadline) -> Due:
        """Lists memories to embed; with `hold_s` writes wait for so long, or until a switch."""
        request = opb.ListDueMemoriesRequest(
            scope=scope_message(scope),
            operation_id=operation_id,
            page_size=count,
            hold_writes=duration_message(hold_s) if hold_s else None,
        )
        reply = await call(self._operations.ListDueMemories, request, deadline=deadline)
        memories = tuple(DueMemory(one.memory_id, one.etag, one.text) for one in reply.memories)
        return Due(_task(reply.task), memories, reply.due_count, reply.failed_count)

    async def fill(
        self,
        scope: Scope,
        operation_id: str,
        memories: Sequence[DueMemory],
        vectors: Float32Array | None,
        fingerprint: str,
        failures: Sequence[tuple[DueMemory, AtlasError]],
        *,
        deadline: Deadline,
    ) -> int:
        """Writes vectors [memories, D], and what could not be embedded; returns how many were written."""
        request = opb.FillGenerationRequest(
            scope=scope_message(scope),
            operation_id=operation_id,
            fills=[opb.Fill(memory_id=one.memory_id, etag=one.etag) for one in memories],
            vectors=None if vectors is None else tensors.to_message(vectors),
            fingerprint=fingerprint if memories else "",
            failures=[opb.FillFailure(memory_id=one.memory_id, etag=one.etag, error=_status(error)) for one, error in failures],
        )
        return (await call(self._operations.FillGeneration, request, deadline=deadline)).filled_count

    async def report(self, scope: Scope, operation_id: str, error: AtlasError, *, final: bool, deadline: Deadline) -> None:
        """Notes why an operation does not get on, or ends it."""
        request = opb.ReportOperationRequest(scope=scope_message(scope), operation_id=operation_id, error=_status(error), final=final)
        await call(self._operations.ReportOperation, request, deadline=deadline)


def _generations(message: cpb.Collection) -> Generations:
    return Generations(
        message.name,
        _generation(message.generation),
        tuple(_generation(one) for one in message.other_generations),
        message.operation if message.HasField("operation") else None,
    )


def _generation(message: cpb.Generation) -> Generation:
    dense = next((space for space in message.spaces if space.kind == type_pb2.VECTOR_KIND_DENSE), type_pb2.VectorSpace())
    return Generation(
        generation=message.generation,
        role=message.state,
        fingerprint=dense.fingerprint,
        dimension=dense.dimension,
        embedder_address=message.embedder_address,
        due_count=message.due_count,
        create_time=message.create_time.ToDatetime(UTC),
        change_time=message.change_time.ToDatetime(UTC) if message.HasField("change_time") else None,
    )


def _task(message: opb.FillTask) -> Task:
    return Task(
        operation_id=message.operation.operation_id,
        collection=message.collection,
        fingerprint=message.space.fingerprint,
        embedder_address=message.embedder_address,
        truncate=message.truncation == type_pb2.TRUNCATION_END,
        switch_when_filled=message.switch_when_filled,
    )


def _status(error: AtlasError) -> status_pb2.Status:
    status = to_status(error)
    return status_pb2.Status(code=status.code, message=status.message)
