"""Serves snapshots over gRPC: checks, calls, encodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from grpc import aio

from atlas import deadlines
from atlas.errors import ConflictError, InvalidInputError
from atlas.failpoints import failpoint
from atlas.memory.v1 import snapshot_pb2 as pb
from atlas.memory.v1 import snapshot_pb2_grpc as rpc

from ..generations.messages import whole_tenant
from ..memories.encoding import to_timestamp
from ..persistence.free_space import FreeSpace
from .archive import archived, take_in
from .creating import SnapshotMaker
from .manifest import GenerationEntry, Manifest, Shelf
from .restoring import SnapshotRestorer

Context = aio.ServicerContext


class SnapshotService(rpc.SnapshotServiceServicer):
    """Makes, keeps and restores snapshots."""

    def __init__(
        self, maker: SnapshotMaker, restorer: SnapshotRestorer, shelf: Shelf, *, space: FreeSpace, new_id: Callable[[], str]
    ) -> None:
        self._maker = maker
        self._restorer = restorer
        self._shelf = shelf
        self._space = space
        self._new_id = new_id
        self._busy = False

    async def CreateSnapshot(
        self, request: pb.CreateSnapshotRequest, context: Context[pb.CreateSnapshotRequest, pb.CreateSnapshotResponse]
    ) -> pb.CreateSnapshotResponse:
        """Makes a snapshot of one moment."""
        whole_tenant(request.scope)
        with self._alone():
            return pb.CreateSnapshotResponse(snapshot=_snapshot(await self._maker.make()))

    async def ListSnapshots(
        self, request: pb.ListSnapshotsRequest, context: Context[pb.ListSnapshotsRequest, pb.ListSnapshotsResponse]
    ) -> pb.ListSnapshotsResponse:
        """Lists the snapshots in the data folder."""
        whole_tenant(request.scope)
        manifests = await asyncio.to_thread(self._shelf.manifests)
        return pb.ListSnapshotsResponse(snapshots=[_snapshot(one) for one in manifests])

    async def DeleteSnapshot(
        self, request: pb.DeleteSnapshotRequest, context: Context[pb.DeleteSnapshotRequest, pb.DeleteSnapshotResponse]
    ) -> pb.DeleteSnapshotResponse:
        """Deletes a snapshot."""
        whole_tenant(request.scope)
        place = await asyncio.to_thread(self._shelf.place, request.snapshot_id)
        with self._alone():
            await asyncio.to_thread(self._shelf.delete, place)
        return pb.DeleteSnapshotResponse()

    async def DownloadSnapshot(
        self, request: pb.DownloadSnapshotRequest, context: Context[pb.DownloadSnapshotRequest, pb.DownloadSnapshotResponse]
    ) -> AsyncIterator[pb.DownloadSnapshotResponse]:
        """Gives a snapshot as the bytes of an archive."""
        whole_tenant(request.scope)
        place = await asyncio.to_thread(self._shelf.place, request.snapshot_id)
        parts = archived(place)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield pb.DownloadSnapshotResponse(data=part)

    async def UploadSnapshot(
        self,
        request_iterator: AsyncIterator[pb.UploadSnapshotRequest],
        context: Context[pb.UploadSnapshotRequest, pb.UploadSnapshotResponse],
    ) -> pb.UploadSnapshotResponse:
        """Takes an archive and keeps it as a snapshot."""
        self._shelf.folder.mkdir(parents=True, exist_ok=True)
        archive = self._shelf.folder / f"{self._new_id()}.upload"
        try:
            await self._receive(request_iterator, archive)
            failpoint("snapshot.upload.received")
            with self._alone():
                manifest = await asyncio.to_thread(take_in, archive, self._shelf)
        finally:
            await asyncio.to_thread(archive.unlink, missing_ok=True)
        return pb.UploadSnapshotResponse(snapshot=_snapshot(manifest))

    async def RestoreSnapshot(
        self, request: pb.RestoreSnapshotRequest, context: Context[pb.RestoreSnapshotRequest, pb.RestoreSnapshotResponse]
    ) -> pb.RestoreSnapshotResponse:
        """Puts the store back to a snapshot."""
        whole_tenant(request.scope)
        place = await asyncio.to_thread(self._shelf.place, request.snapshot_id)
        with self._alone():
            restored = await self._restorer.restore(
                place,
                replace=request.replace,
                known_fingerprints=list(request.known_fingerprints),
                deadline=deadlines.current(),
            )
        return pb.RestoreSnapshotResponse(snapshot=_snapshot(restored.manifest), checked_query_count=restored.checked_query_count)

    async def _receive(self, parts: AsyncIterator[pb.UploadSnapshotRequest], archive: Path) -> None:
        first = True
        stream = await asyncio.to_thread(archive.open, "wb")
        try:
            async for part in parts:
                if first:
                    whole_tenant(part.scope)
                    first = False
                self._space.check()
                await asyncio.to_thread(stream.write, part.data)
        finally:
            await asyncio.to_thread(stream.close)
        if first:
            raise InvalidInputError("the stream is empty; an archive of a snapshot is needed", reason="NO_SNAPSHOT", field="data")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._busy:
            raise ConflictError("another snapshot is made, restored or deleted; try again when it has ended", reason="SNAPSHOT_RUNS")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


def _snapshot(manifest: Manifest) -> pb.Snapshot:
    return pb.Snapshot(
        snapshot_id=manifest.snapshot_id,
        create_time=to_timestamp(manifest.create_time_us),
        atlas_version=manifest.atlas_version,
        schema_version=manifest.schema_version,
        size_bytes=manifest.size_bytes,
        memory_count=manifest.memory_count,
        generations=[_generation(entry) for entry in manifest.generations],
        digest=manifest.digest,
    )


def _generation(entry: GenerationEntry) -> pb.SnapshotGeneration:
    return pb.SnapshotGeneration(
        tenant=entry.tenant,
        collection=entry.collection,
        generation=entry.generation,
        active=entry.active,
        dense_fingerprint=entry.dense_fingerprint,
        lexical_fingerprint=entry.lexical_fingerprint,
        point_count=entry.point_count,
    )
