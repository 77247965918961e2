"""What an operator asks of a gateway: migrations and the operations behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from google.protobuf.timestamp_pb2 import Timestamp

from atlas import status
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.gateway.v1 import administration_pb2 as pb
from atlas.gateway.v1 import administration_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from .connected import Connected
from .results import Page
from .writes import request_made

SERVICE = pb.DESCRIPTOR.services_by_name["AdministrationService"].full_name


class OperationState(Enum):
    """Where an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class GenerationRole(Enum):
    """What a generation is for."""

    ACTIVE = "active"
    """Serves."""
    BUILDING = "building"
    """Is being filled."""
    RETIRED = "retired"
    """Kept for a rollback."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Work that outlives the call that began it."""

    operation_id: str
    kind: str
    """`migration` or `rollback`."""
    state: OperationState
    collection: str
    phase: str
    """`embedding`, then `ready`; empty once it has ended."""
    done: int
    """Memories that have their vector."""
    failed: int
    """Memories that could not be embedded."""
    total: int
    rate: float
    """Memories a second; 0 while unknown."""
    eta_s: float | None
    """Seconds until it is done; None while unknown."""
    last_errors: tuple[AtlasError, ...]
    """Newest first."""
    error: AtlasError | None
    """Why it failed."""
    create_time: datetime
    update_time: datetime

    @property
    def runs(self) -> bool:
        """Whether it may still get on."""
        return self.state in (OperationState.PENDING, OperationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Generation:
    """The vectors of a collection in the space of one model."""

    generation: str
    role: GenerationRole
    fingerprint: str
    """Fingerprint of its dense space."""
    dimension: int
    embedder_address: str
    """Where its embedder is; empty if no migration made it."""
    due_count: int
    """Memories that it lacks a vector of."""
    create_time: datetime
    change_time: datetime | None
    """When it became what it is; None if no migration touched it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How the generation that is being filled compares with the one that serves."""

    verified: bool
    """Whether it may take over."""
    source: Generation
    target: Generation
    memory_count: int
    source_count: int
    target_count: int
    due_count: int
    sample_count: int
    sample_recall: float
    """Share of the sample that finds itself first, [0, 1]."""
    neighbour_overlap: float
    """Share of the ten nearest that both have in common, [0, 1]."""
    findings: tuple[str, ...]
    """Why it may not take over."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a renamed source took along."""

    source_count: int
    memory_count: int


class AsyncAdministration:
    """Changes whole collections while callers go on; every method raises a subclass of `AtlasError`."""

    def __init__(self, connection: Connected, *, timeout_s: float) -> None:
        """Calls over the connection of an `AsyncAtlas`; a call takes at most `timeout_s`, unless it says otherwise."""
        self._stub = rpc.AdministrationServiceStub(connection.channel)
        self._timeout_s = timeout_s

    async def start_migration(
        self, collection: str, *, embedder: str, truncate: bool = False, request_id: str = "", timeout_s: float | None = None
    ) -> Operation:
        """Begins to embed a collection anew with the embedder at `HOST:PORT`; searches and writes go on as before.

        Args:
            collection: Which; empty means the server's default.
            embedder: Where the new embedder is, as the gateway reaches it.
            truncate: Cut texts that are longer than the new model reads; else they fail.
            request_id: Your id of this request.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.StartMigrationRequest(
                collection=collection,
                embedder_address=embedder,
                truncation=type_pb2.TRUNCATION_END if truncate else type_pb2.TRUNCATION_ERROR,
                request_id=request_id,
            )
        return _operation((await call(self._stub.StartMigration, request, deadline=self._deadline(timeout_s))).operation)

    async def verify_migration(self, collection: str, *, sample_count: int = 0, timeout_s: float | None = None) -> Verification:
        """Compares the generation that is being filled with the one that serves; 0 means a sample of 100."""
        with request_made():
            request = pb.VerifyMigrationRequest(collection=collection, sample_count=sample_count)
        return _verification(await call(self._stub.VerifyMigration, request, deadline=self._deadline(timeout_s)))

    async def switch_generation(self, collection: str, *, force: bool = False, timeout_s: float | None = None) -> Operation:
        """Lets the filled generation serve, in one step; `force` does without a verification."""
        with request_made():
            request = pb.SwitchGenerationRequest(collection=collection, force=force)
        return _operation((await call(self._stub.SwitchGeneration, request, deadline=self._deadline(timeout_s))).operation)

    async def roll_back(self, collection: str, *, embedder: str = "", request_id: str = "", timeout_s: float | None = None) -> Operation:
        """Goes back to the generation before; what was written since is embedded first, so nothing is lost.

        Args:
            collection: Which; empty means the server's default.
            embedder: Where the embedder of that generation is, if it has moved.
            request_id: Your id of this request; a repetition with it goes back no further.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.RollbackGenerationRequest(collection=collection, embedder_address=embedder, request_id=request_id)
        return _operation((await call(self._stub.RollbackGeneration, request, deadline=self._deadline(timeout_s))).operation)

    async def generations(self, collection: str, *, timeout_s: float | None = None) -> tuple[Generation, ...]:
        """Lists a collection's generations, the one that serves first."""
        with request_made():
            request = pb.ListGenerationsRequest(collection=collection)
        reply = await call(self._stub.ListGenerations, request, deadline=self._deadline(timeout_s))
        return tuple(_generation(one) for one in reply.generations)

    async def delete_generation(self, collection: str, generation: str, *, timeout_s: float | None = None) -> int:
        """Deletes a retired generation and says how many vectors went with it. There is no way back."""
        with request_made():
            request = pb.DeleteGenerationRequest(collection=collection, generation=generation)
        return (await call(self._stub.DeleteGeneration, request, deadline=self._deadline(timeout_s))).memory_count

    async def move_source(
        self, from_source: str, to_source: str, *, collection: str = "", request_id: str = "", timeout_s: float | None = None
    ) -> Moved:
        """Gives what was ingested from a source, or from everything below it, another source; ids and what was learnt stay.

        Args:
            from_source: URI of the file or folder as it was called.
            to_source: URI as it is called now; must have no memories.
            collection: Which; empty means the server's default.
            request_id: Your id of this request; a replay gives the first answer.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.MoveSourceRequest(collection=collection, from_source=from_source, to_source=to_source, request_id=request_id)
        reply = await call(self._stub.MoveSource, request, deadline=self._deadline(timeout_s))
        return Moved(reply.source_count, reply.memory_count)

    async def operation(self, operation_id: str, *, timeout_s: float | None = None) -> Operation:
        """Describes an operation."""
        with request_made():
            request = pb.GetOperationRequest(operation_id=operation_id)
        return _operation((await call(self._stub.GetOperation, request, deadline=self._deadline(timeout_s))).operation)

    async def operations(self, *, page_size: int = 0, page_token: str = "", timeout_s: float | None = None) -> Page[Operation]:
        """Lists operations, newest first."""
        with request_made():
            request = pb.ListOperationsRequest(page_size=page_size, page_token=page_token)
        reply = await call(self._stub.ListOperations, request, deadline=self._deadline(timeout_s))
        return Page(tuple(_operation(one) for one in reply.operations), reply.next_page_token)

    async def cancel_operation(self, operation_id: str, *, timeout_s: float | None = None) -> Operation:
        """Ends an operation; the collection stays as it is."""
        with request_made():
            request = pb.CancelOperationRequest(operation_id=operation_id)
        return _operation((await call(self._stub.CancelOperation, request, deadline=self._deadline(timeout_s))).operation)

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline.after(self._timeout_s if timeout_s is None else timeout_s)


def _operation(message: type_pb2.Operation) -> Operation:
    progress = message.progress
    return Operation(
        operation_id=message.operation_id,
        kind=message.kind,
        state=OperationState[type_pb2.OperationState.Name(message.state).removeprefix("OPERATION_STATE_")],
        collection=message.collection,
        phase=progress.phase,
        done=progress.done,
        failed=progress.failed,
        total=progress.total,
        rate=progress.rate,
        eta_s=progress.eta.ToNanoseconds() / 1e9 if progress.HasField("eta") else None,
        last_errors=tuple(status.from_status(one) for one in progress.last_errors),
        error=status.from_status(message.error) if message.HasField("error") else None,
        create_time=_time(message.create_time),
        update_time=_time(message.update_time),
    )


def _generation(message: pb.Generation) -> Generation:
    return Generation(
        generation=message.generation,
        role=GenerationRole[pb.GenerationRole.Name(message.role).removeprefix("GENERATION_ROLE_")],
        fingerprint=message.dense_fingerprint,
        dimension=message.dimension,
        embedder_address=message.embedder_address,
        due_count=message.due_count,
        create_time=_time(message.create_time),
        change_time=_time(message.change_time) if message.HasField("change_time") else None,
    )


def _verification(message: pb.VerifyMigrationResponse) -> Verification:
    return Verification(
        verified=message.verified,
        source=_generation(message.source),
        target=_generation(message.target),
        memory_count=message.memory_count,
        source_count=message.source_count,
        target_count=message.target_count,
        due_count=message.due_count,
        sample_count=message.sample_count,
        sample_recall=message.sample_recall,
        neighbour_overlap=message.neighbour_overlap,
        findings=tuple(message.findings),
    )


def _time(message: Timestamp) -> datetime:
    return message.ToDatetime(UTC)
