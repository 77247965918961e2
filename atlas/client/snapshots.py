"""Snapshots of a whole memory: made, streamed to and from files, restored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from atlas.channel import call, open_replies, upload
from atlas.deadlines import Deadline
from atlas.gateway.v1 import administration_pb2 as pb
from atlas.gateway.v1 import administration_pb2_grpc as rpc

from .connected import Connected
from .writes import request_made

LONG_S = 3_600.0
"""Longest that making, streaming or restoring takes, in seconds, unless its caller says otherwise."""
_PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that memory held at one moment."""

    snapshot_id: str
    create_time: datetime
    atlas_version: str
    schema_version: int
    size_bytes: int
    memory_count: int
    dense_fingerprints: tuple[str, ...]
    """Spaces of the vectors that served."""
    digest: str
    """SHA-256 over all tables."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    snapshot: Snapshot
    checked_query_count: int
    """Queries whose results were compared, id by id."""


Progress = Callable[[int], None]
"""Is told of bytes that went through."""


class AsyncSnapshots:
    """Snapshots of one gateway's memory; every method raises a subclass of `AtlasError`."""

    def __init__(self, connection: Connected, *, timeout_s: float) -> None:
        """Calls over the connection of an `AsyncAtlas`; short calls take at most `timeout_s`, unless they say otherwise."""
        self._stub = rpc.AdministrationServiceStub(connection.channel)
        self._timeout_s = timeout_s

    async def create(self, *, timeout_s: float = LONG_S) -> Snapshot:
        """Makes a snapshot of one moment; calls go on meanwhile."""
        return _snapshot((await call(self._stub.CreateSnapshot, pb.CreateSnapshotRequest(), deadline=Deadline.after(timeout_s))).snapshot)

    async def list(self, *, timeout_s: float | None = None) -> tuple[Snapshot, ...]:
        """Lists the snapshots that memory keeps, newest first."""
        reply = await call(self._stub.ListSnapshots, pb.ListSnapshotsRequest(), deadline=self._deadline(timeout_s))
        return tuple(_snapshot(one) for one in reply.snapshots)

    async def delete(self, snapshot_id: str, *, timeout_s: float | None = None) -> None:
        """Deletes a snapshot that memory keeps."""
        with request_made():
            request = pb.DeleteSnapshotRequest(snapshot_id=snapshot_id)
        await call(self._stub.DeleteSnapshot, request, deadline=self._deadline(timeout_s))

    async def download(self, snapshot_id: str, *, timeout_s: float = LONG_S) -> AsyncIterator[bytes]:
        """Gives the parts of a snapshot's archive."""
        with request_made():
            request = pb.DownloadSnapshotRequest(snapshot_id=snapshot_id)
        async with open_replies(self._stub.DownloadSnapshot, request, deadline=Deadline.after(timeout_s)) as parts:
            async for part in parts:
                yield part.data

    async def upload(self, archive: Path, *, progress: Progress | None = None, timeout_s: float = LONG_S) -> Snapshot:
        """Sends an archive, which memory then keeps; nothing is restored yet."""
        requests = _parts(archive, progress)
        return _snapshot((await upload(self._stub.UploadSnapshot, requests, deadline=Deadline.after(timeout_s))).snapshot)

    async def restore(
        self, snapshot_id: str, *, replace: bool = False, any_fingerprint: bool = False, timeout_s: float = LONG_S
    ) -> Restored:
        """Puts memory back to a snapshot, in one step, once all of it is loaded and verified.

        Args:
            snapshot_id: Which.
            replace: Replace what memory holds; else only an empty one is filled.
            any_fingerprint: Also if no embedder here makes its vectors.
            timeout_s: Most seconds for this call.
        """
        with request_made():
            request = pb.RestoreSnapshotRequest(snapshot_id=snapshot_id, replace=replace, any_fingerprint=any_fingerprint)
        reply = await call(self._stub.RestoreSnapshot, request, deadline=Deadline.after(timeout_s))
        return Restored(_snapshot(reply.snapshot), reply.checked_query_count)

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline.after(self._timeout_s if timeout_s is None else timeout_s)


async def _parts(archive: Path, progress: Progress | None) -> AsyncIterator[pb.UploadSnapshotRequest]:
    with archive.open("rb") as stream:
        while data := stream.read(_PART_BYTES):
            yield pb.UploadSnapshotRequest(data=data)
            if progress is not None:
                progress(len(data))


def _snapshot(message: pb.Snapshot) -> Snapshot:
    return Snapshot(
        snapshot_id=message.snapshot_id,
        create_time=message.create_time.ToDatetime(UTC),
        atlas_version=message.atlas_version,
        schema_version=message.schema_version,
        size_bytes=message.size_bytes,
        memory_count=message.memory_count,
        dense_fingerprints=tuple(message.dense_fingerprints),
        digest=message.digest,
    )
