"""Memory's snapshots as the gateway passes them on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio

from atlas.channel import call, open_replies, upload
from atlas.deadlines import Deadline
from atlas.memory.v1 import snapshot_pb2 as pb
from atlas.memory.v1 import snapshot_pb2_grpc as rpc

from ..memories import Scope
from .memory import scope_message


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot."""

    snapshot_id: str
    create_time: datetime
    atlas_version: str
    schema_version: int
    size_bytes: int
    memory_count: int
    serving: tuple[tuple[str, str], ...]
    """Collection and DENSE fingerprint of what served."""
    digest: str


class SnapshotClient:
    """Calls memory's `SnapshotService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.SnapshotServiceStub(channel)

    async def create(self, scope: Scope, *, deadline: Deadline) -> Snapshot:
        """Makes a snapshot."""
        request = pb.CreateSnapshotRequest(scope=scope_message(scope))
        return _snapshot((await call(self._stub.CreateSnapshot, request, deadline=deadline)).snapshot)

    async def list(self, scope: Scope, *, deadline: Deadline) -> list[Snapshot]:
        """Lists snapshots, newest first."""
        request = pb.ListSnapshotsRequest(scope=scope_message(scope))
        return [_snapshot(one) for one in (await call(self._stub.ListSnapshots, request, deadline=deadline)).snapshots]

    async def delete(self, scope: Scope, snapshot_id: str, *, deadline: Deadline) -> None:
        """Deletes a snapshot."""
        request = pb.DeleteSnapshotRequest(scope=scope_message(scope), snapshot_id=snapshot_id)
        await call(self._stub.DeleteSnapshot, request, deadline=deadline)

    async def download(self, scope: Scope, snapshot_id: str, *, deadline: Deadline) -> AsyncIterator[bytes]:
        """Gives the parts of a snapshot's archive."""
        request = pb.DownloadSnapshotRequest(scope=scope_message(scope), snapshot_id=snapshot_id)
        async with open_replies(self._stub.DownloadSnapshot, request, deadline=deadline) as parts:
            async for part in parts:
                yield part.data

    async def upload(self, scope: Scope, parts: AsyncIterator[bytes], *, deadline: Deadline) -> Snapshot:
        """Sends the parts of an archive."""

        async def requests() -> AsyncIterator[pb.UploadSnapshotRequest]:
            async for part in parts:
                yield pb.UploadSnapshotRequest(scope=scope_message(scope), data=part)

        return _snapshot((await upload(self._stub.UploadSnapshot, requests(), deadline=deadline)).snapshot)

    async def restore(
        self, scope: Scope, snapshot_id: str, *, replace: bool, known_fingerprints: Sequence[str], deadline: Deadline
    ) -> tuple[Snapshot, int]:
        """Puts the store back to a snapshot; returns it and how many queries were compared."""
        request = pb.RestoreSnapshotRequest(
            scope=scope_message(scope), snapshot_id=snapshot_id, replace=replace, known_fingerprints=known_fingerprints
        )
        reply = await call(self._stub.RestoreSnapshot, request, deadline=deadline)
        return _snapshot(reply.snapshot), reply.checked_query_count


def _snapshot(message: pb.Snapshot) -> Snapshot:
    return Snapshot(
        snapshot_id=message.snapshot_id,
        create_time=message.create_time.ToDatetime(UTC),
        atlas_version=message.atlas_version,
        schema_version=message.schema_version,
        size_bytes=message.size_bytes,
        memory_count=message.memory_count,
        serving=tuple((one.collection, one.dense_fingerprint) for one in message.generations if one.active),
        digest=message.digest,
    )
