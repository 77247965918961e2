"""The administration's calls about snapshots: check, call, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator

from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.gateway.v1 import administration_pb2 as pb

from .clients.snapshots import Snapshot, SnapshotClient
from .embedders import Embedders
from .memories import Scope
from .messages import time_message

_PROBE_S = 5.0


class SnapshotCalls:
    """Makes, streams and restores snapshots of memory."""

    def __init__(self, snapshots: SnapshotClient, embedders: Embedders) -> None:
        self._snapshots = snapshots
        self._embedders = embedders

    async def create(self, scope: Scope, *, deadline: Deadline) -> pb.CreateSnapshotResponse:
        """Makes a snapshot."""
        return pb.CreateSnapshotResponse(snapshot=_message(await self._snapshots.create(scope, deadline=deadline)))

    async def listed(self, scope: Scope, *, deadline: Deadline) -> pb.ListSnapshotsResponse:
        """Lists snapshots, newest first."""
        return pb.ListSnapshotsResponse(snapshots=[_message(one) for one in await self._snapshots.list(scope, deadline=deadline)])

    async def delete(self, scope: Scope, request: pb.DeleteSnapshotRequest, *, deadline: Deadline) -> pb.DeleteSnapshotResponse:
        """Deletes a snapshot."""
        await self._snapshots.delete(scope, request.snapshot_id, deadline=deadline)
        return pb.DeleteSnapshotResponse()

    async def download(
        self, scope: Scope, request: pb.DownloadSnapshotRequest, *, deadline: Deadline
    ) -> AsyncIterator[pb.DownloadSnapshotResponse]:
        """Gives the parts of a snapshot's archive."""
        async for data in self._snapshots.download(scope, request.snapshot_id, deadline=deadline):
            yield pb.DownloadSnapshotResponse(data=data)

    async def upload(
        self, scope: Scope, requests: AsyncIterator[pb.UploadSnapshotRequest], *, deadline: Deadline
    ) -> pb.UploadSnapshotResponse:
        """Takes the parts of an archive."""

        async def parts() -> AsyncIterator[bytes]:
            async for request in requests:
                yield request.data

        return pb.UploadSnapshotResponse(snapshot=_message(await self._snapshots.upload(scope, parts(), deadline=deadline)))

    async def restore(self, scope: Scope, request: pb.RestoreSnapshotRequest, *, deadline: Deadline) -> pb.RestoreSnapshotResponse:
        """Puts the store back to a snapshot; refused for vectors that no embedder here makes."""
        known = [] if request.any_fingerprint else await self._known(scope, deadline)
        snapshot, checked = await self._snapshots.restore(
            scope, request.snapshot_id, replace=request.replace, known_fingerprints=known, deadline=deadline
        )
        # What was known of the collections' spaces is about another store.
        await self._embedders.learn_migrated(scope, deadline=deadline)
        return pb.RestoreSnapshotResponse(snapshot=_message(snapshot), checked_query_count=checked)

    async def _known(self, scope: Scope, deadline: Deadline) -> list[str]:
        await self._embedders.learn(scope, deadline=deadline)
        found: list[str] = []
        for address in self._embedders.addresses:
            try:
                found.append((await self._embedders.at(address, deadline=deadline.child(cap_s=_PROBE_S))).model.fingerprint)
            except AtlasError:
                if address == self._embedders.address:
                    raise
                # One that is away makes no vectors here: what only it makes is refused, naming those that do.
        return found


def _message(snapshot: Snapshot) -> pb.Snapshot:
    return pb.Snapshot(
        snapshot_id=snapshot.snapshot_id,
        create_time=time_message(snapshot.create_time),
        atlas_version=snapshot.atlas_version,
        schema_version=snapshot.schema_version,
        size_bytes=snapshot.size_bytes,
        memory_count=snapshot.memory_count,
        dense_fingerprints=sorted({fingerprint for _, fingerprint in snapshot.serving}),
        digest=snapshot.digest,
    )
