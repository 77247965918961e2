"""The gateway's administration: check, call, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from atlas import deadlines
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import administration_pb2 as pb
from atlas.gateway.v1 import administration_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from . import requests
from .clients import MemoryClient
from .clients.generations import Generation
from .memories import Scope
from .messages import time_message
from .migration.calls import MigrationOrder, Migrations
from .settings import GatewaySettings
from .snapshot_calls import SnapshotCalls

MAX_ADDRESS_BYTES = 1_024
"""Longest address of an embedder."""


class AdministrationService(rpc.AdministrationServiceServicer):
    """Changes whole collections while callers go on."""

    def __init__(self, migrations: Migrations, snapshots: SnapshotCalls, memory: MemoryClient, settings: GatewaySettings) -> None:
        self._migrations = migrations
        self._snapshots = snapshots
        self._memory = memory
        self._settings = settings

    async def StartMigration(
        self, request: pb.StartMigrationRequest, context: aio.ServicerContext[pb.StartMigrationRequest, pb.StartMigrationResponse]
    ) -> pb.StartMigrationResponse:
        """Begins to embed a collection anew."""
        requests.check_request_id(request.request_id)
        if request.truncation not in type_pb2.Truncation.values():
            raise InvalidInputError(
                f"truncation is {request.truncation}; 0 to {max(type_pb2.Truncation.values())} are known",
                field="truncation",
                value=request.truncation,
            )
        order = MigrationOrder(
            self._collection(request.collection),
            _checked_address(request.embedder_address, required=True),
            request.truncation,
            request.request_id,
        )
        started = await self._migrations.start(self._scope(), order, deadline=deadlines.current())
        return pb.StartMigrationResponse(operation=started.operation, generation=_generation(started.generation), created=started.created)

    async def VerifyMigration(
        self, request: pb.VerifyMigrationRequest, context: aio.ServicerContext[pb.VerifyMigrationRequest, pb.VerifyMigrationResponse]
    ) -> pb.VerifyMigrationResponse:
        """Compares the generation that is being filled with the one that serves."""
        found = await self._migrations.generations.verify(
            self._scope(), self._collection(request.collection), sample_count=request.sample_count, deadline=deadlines.current()
        )
        said = found.described
        return pb.VerifyMigrationResponse(
            verified=said.verified,
            source=_generation(found.source),
            target=_generation(found.target),
            memory_count=said.memory_count,
            source_count=said.source_count,
            target_count=said.target_count,
            due_count=said.due_count,
            sample_count=said.sample_count,
            sample_recall=said.sample_recall,
            neighbour_overlap=said.neighbour_overlap,
            findings=said.findings,
        )

    async def SwitchGeneration(
        self, request: pb.SwitchGenerationRequest, context: aio.ServicerContext[pb.SwitchGenerationRequest, pb.SwitchGenerationResponse]
    ) -> pb.SwitchGenerationResponse:
        """Lets the filled generation serve."""
        operation, generations = await self._migrations.switch(
            self._scope(), self._collection(request.collection), force=request.force, deadline=deadlines.current()
        )
        return pb.SwitchGenerationResponse(generation=_generation(generations.serving), operation=operation)

    async def RollbackGeneration(
        self,
        request: pb.RollbackGenerationRequest,
        context: aio.ServicerContext[pb.RollbackGenerationRequest, pb.RollbackGenerationResponse],
    ) -> pb.RollbackGenerationResponse:
        """Goes back to the generation before."""
        requests.check_request_id(request.request_id)
        operation, generations = await self._migrations.roll_back(
            self._scope(),
            self._collection(request.collection),
            embedder_address=_checked_address(request.embedder_address),
            # One that was done must not be undone by the repetition of a call whose answer was lost.
            request_id=request.request_id or str(uuid4()),
            deadline=deadlines.current(),
        )
        return pb.RollbackGenerationResponse(operation=operation, generation=_generation(generations.serving))

    async def ListGenerations(
        self, request: pb.ListGenerationsRequest, context: aio.ServicerContext[pb.ListGenerationsRequest, pb.ListGenerationsResponse]
    ) -> pb.ListGenerationsResponse:
        """Lists a collection's generations."""
        found = await self._migrations.generations.generations(
            self._scope(), self._collection(request.collection), deadline=deadlines.current()
        )
        return pb.ListGenerationsResponse(generations=[_generation(one) for one in (found.serving, *found.others)])

    async def DeleteGeneration(
        self, request: pb.DeleteGenerationRequest, context: aio.ServicerContext[pb.DeleteGenerationRequest, pb.DeleteGenerationResponse]
    ) -> pb.DeleteGenerationResponse:
        """Deletes a generation that was kept for a rollback."""
        count = await self._migrations.generations.delete(
            self._scope(), self._collection(request.collection), request.generation, deadline=deadlines.current()
        )
        return pb.DeleteGenerationResponse(memory_count=count)

    async def GetOperation(
        self, request: pb.GetOperationRequest, context: aio.ServicerContext[pb.GetOperationRequest, pb.GetOperationResponse]
    ) -> pb.GetOperationResponse:
        """Describes an operation."""
        operation = await self._migrations.generations.operation(self._scope(), request.operation_id, deadline=deadlines.current())
        return pb.GetOperationResponse(operation=operation)

    async def ListOperations(
        self, request: pb.ListOperationsRequest, context: aio.ServicerContext[pb.ListOperationsRequest, pb.ListOperationsResponse]
    ) -> pb.ListOperationsResponse:
        """Lists operations, newest first."""
        operations, token = await self._migrations.generations.operations(
            self._scope(),
            page_size=requests.page_size(request.page_size),
            page_token=request.page_token,
            deadline=deadlines.current(),
        )
        return pb.ListOperationsResponse(operations=operations, next_page_token=token)

    async def CancelOperation(
        self, request: pb.CancelOperationRequest, context: aio.ServicerContext[pb.CancelOperationRequest, pb.CancelOperationResponse]
    ) -> pb.CancelOperationResponse:
        """Ends an operation."""
        operation = await self._migrations.generations.cancel(self._scope(), request.operation_id, deadline=deadlines.current())
        return pb.CancelOperationResponse(operation=operation)

    async def MoveSource(
        self, request: pb.MoveSourceRequest, context: aio.ServicerContext[pb.MoveSourceRequest, pb.MoveSourceResponse]
    ) -> pb.MoveSourceResponse:
        """Gives what was ingested from a source another one."""
        requests.check_request_id(request.request_id)
        for field in ("from_source", "to_source"):
            requests.check_size("source", getattr(request, field), path=field)
        source_count, memory_count = await self._memory.move_source(
            self._scope(),
            self._collection(request.collection),
            request.from_source,
            request.to_source,
            request_id=request.request_id,
            deadline=deadlines.current(),
        )
        return pb.MoveSourceResponse(source_count=source_count, memory_count=memory_count)

    async def CreateSnapshot(
        self, request: pb.CreateSnapshotRequest, context: aio.ServicerContext[pb.CreateSnapshotRequest, pb.CreateSnapshotResponse]
    ) -> pb.CreateSnapshotResponse:
        """Makes a snapshot of everything that memory holds."""
        return await self._snapshots.create(self._scope(), deadline=deadlines.current())

    async def ListSnapshots(
        self, request: pb.ListSnapshotsRequest, context: aio.ServicerContext[pb.ListSnapshotsRequest, pb.ListSnapshotsResponse]
    ) -> pb.ListSnapshotsResponse:
        """Lists snapshots, newest first."""
        return await self._snapshots.listed(self._scope(), deadline=deadlines.current())

    async def DeleteSnapshot(
        self, request: pb.DeleteSnapshotRequest, context: aio.ServicerContext[pb.DeleteSnapshotRequest, pb.DeleteSnapshotResponse]
    ) -> pb.DeleteSnapshotResponse:
        """Deletes a snapshot."""
        return await self._snapshots.delete(self._scope(), request, deadline=deadlines.current())

    async def DownloadSnapshot(
        self, request: pb.DownloadSnapshotRequest, context: aio.ServicerContext[pb.DownloadSnapshotRequest, pb.DownloadSnapshotResponse]
    ) -> AsyncIterator[pb.DownloadSnapshotResponse]:
        """Gives a snapshot as the bytes of an archive."""
        async for part in self._snapshots.download(self._scope(), request, deadline=deadlines.current()):
            yield part

    async def UploadSnapshot(
        self,
        request_iterator: AsyncIterator[pb.UploadSnapshotRequest],
        context: aio.ServicerContext[pb.UploadSnapshotRequest, pb.UploadSnapshotResponse],
    ) -> pb.UploadSnapshotResponse:
        """Takes the bytes of an archive and keeps it as a snapshot."""
        return await self._snapshots.upload(self._scope(), request_iterator, deadline=deadlines.current())

    async def RestoreSnapshot(
        self, request: pb.RestoreSnapshotRequest, context: aio.ServicerContext[pb.RestoreSnapshotRequest, pb.RestoreSnapshotResponse]
    ) -> pb.RestoreSnapshotResponse:
        """Puts the store back to a snapshot."""
        return await self._snapshots.restore(self._scope(), request, deadline=deadlines.current())

    def _scope(self) -> Scope:
        # Without access control everybody is the one tenant of the settings, and sees all of it.
        return Scope(tenant=self._settings.tenant)

    def _collection(self, name: str) -> str:
        requests.check_collection(name, "collection")
        return name or self._settings.collection


def _checked_address(address: str, *, required: bool = False) -> str:
    size_bytes = len(address.encode())
    if size_bytes > MAX_ADDRESS_BYTES:
        raise InvalidInputError(
            f"embedder_address has {size_bytes} bytes; at most {MAX_ADDRESS_BYTES} are allowed",
            field="embedder_address",
            size_bytes=size_bytes,
            max_bytes=MAX_ADDRESS_BYTES,
        )
    if required and not address:
        raise InvalidInputError("embedder_address is empty; HOST:PORT of an embedder is needed", field="embedder_address")
    return address


def _generation(generation: Generation) -> pb.Generation:
    return pb.Generation(
        generation=generation.generation,
        role=pb.GenerationRole.Name(pb.GenerationRole.ValueType(generation.role)),
        dense_fingerprint=generation.fingerprint,
        dimension=generation.dimension,
        embedder_address=generation.embedder_address,
        due_count=generation.due_count,
        create_time=time_message(generation.create_time),
        change_time=_optional(generation.change_time),
    )


def _optional(time: datetime | None) -> Timestamp | None:
    return None if time is None else time_message(time)
