"""The store whose points a Qdrant server keeps."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from atlas.errors import DependencyDownError, NotFoundError

from ...operations import (
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    Point,
    ReplacePayloads,
    UpsertPoints,
    cut,
    point_id,
    stored_payload,
)
from ...store import (
    READ_TIMEOUT_S,
    BranchResult,
    Page,
    Replay,
    SalienceProjection,
    SearchRequest,
    StoredPoint,
    StoreFilter,
    StoreState,
    check_filter,
)
from ..points import stored_point
from ..schema import DENSE, LEXICAL
from ..settings import StoreSettings
from ..validation import check_cursor, check_dense, check_facet, check_operations, check_projections
from .aliases import Aliases
from .collections import ensure_collection
from .connection import Connection, translated
from .filters import Filters, having
from .projection import project
from .purging import purge
from .search import Searches

ITEMS_A_MESSAGE = 64
"""Most points that one message writes."""
_FACET_LIMIT = 1_000_000


class QdrantStore:
    """`Store` over a Qdrant server; `open_qdrant_store` is the way to one.

    IDF is counted inside the generation. A server that comes back is given the tail again.
    """

    def __init__(self, client: AsyncQdrantClient, settings: StoreSettings) -> None:
        """Takes a client; `start` makes the first contact."""
        self.on_restart: Replay | None = None
        """Called after the server came back, before the store serves again."""
        self._client = client
        self._datatype = models.Datatype(settings.qdrant_datatype)
        self._flush_wait_s = 2 * settings.qdrant_flush_interval_ms / 1000
        self._write_timeout_s = settings.engine_stall_limit_ms / 1000
        self._connection = Connection(client, wait_s=settings.engine_restart_wait_ms / 1000, replay=self._replay)
        self._specs: dict[str, IndexSpec] = {}
        self._aliases = Aliases(client)
        self._applied_at_s = -math.inf

    @property
    def _filters(self) -> Filters:
        return Filters(self._connection.version)

    @property
    def state(self) -> StoreState:
        """Whether the server answered last."""
        return self._connection.state

    async def start(self, *, timeout_s: float) -> None:
        """Waits for the server and checks its version.

        Raises:
            StartupError: It does not answer, or is too old.
        """
        await self._connection.open(timeout_s=timeout_s)

    async def stop(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    def check(self, operations: Sequence[Operation]) -> None:
        """Refuses what `apply` could not apply."""
        check_operations(operations, self._specs)

    async def ensure_index(self, spec: IndexSpec) -> bool:
        """Makes sure of the collection; True if it was created now."""
        async with self._connection.calling(self._write_timeout_s):
            created = await ensure_collection(self._client, spec, self._datatype)
            await self._aliases.load(spec.name)
        self._specs[spec.name] = spec
        return created

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Applies operations in order and waits until searches see them."""
        self.check(operations)
        async with self._connection.calling(None):
            await self._apply(operations)

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        """Sends saliences without waiting until they are applied."""
        check_projections(projections, self._specs)
        async with self._connection.calling(self._write_timeout_s):
            await project(self._client, projections)

    async def search(self, requests: Sequence[SearchRequest], *, timeout_s: float = READ_TIMEOUT_S) -> list[BranchResult]:
        """Runs searches with two batches: the branches, then what each branch lacks."""
        for position, request in enumerate(requests):
            self._check_search(request, f"requests[{position}]")
        async with self._connection.calling(timeout_s):
            return await Searches(self._client, self._filters, timeout_s).run(requests)

    async def retrieve(
        self,
        index: str,
        generation: str,
        memory_ids: Sequence[str],
        *,
        with_vectors: bool = False,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, StoredPoint]:
        """Reads points by `memory_id`."""
        self._require(index)
        ids = [point_id(generation, memory_id) for memory_id in memory_ids]
        async with self._connection.calling(timeout_s):
            records = await self._client.retrieve(index, ids, with_payload=True, with_vectors=with_vectors, timeout=_whole(timeout_s))
        points = [_stored(record) for record in records]
        return {point.memory_id: point for point in points}

    async def scroll(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        limit: int,
        after: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Page:
        """Reads one page of matching points."""
        self._require(index)
        check_cursor(after)
        check_filter(condition)
        async with self._connection.calling(timeout_s):
            records, following = await self._client.scroll(
                index,
                scroll_filter=self._filters.within(generation, condition),
                limit=limit,
                offset=after,
                with_payload=True,
                with_vectors=False,
                timeout=_whole(timeout_s),
            )
        points = tuple(_stored(record) for record in records)
        return Page(points, None if following is None else str(following))

    async def count(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> int:
        """Counts matching points exactly."""
        self._require(index)
        check_filter(condition)
        async with self._connection.calling(timeout_s):
            answer = await self._client.count(index, self._filters.within(generation, condition), exact=True, timeout=_whole(timeout_s))
        return answer.count

    async def facet(
        self,
        index: str,
        generation: str,
        key: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, int]:
        """Counts matching points by the value of a field."""
        self._require(index)
        check_facet(key)
        check_filter(condition)
        async with self._connection.calling(timeout_s):
            answer = await self._client.facet(
                index,
                key,
                facet_filter=self._filters.within(generation, condition),
                limit=_FACET_LIMIT,
                exact=True,
                timeout=_whole(timeout_s),
            )
        return {str(hit.value): hit.count for hit in answer.hits}

    async def purge(self, index: str) -> bool:
        """Asks the server to build segments with deleted points anew; always False, since it does not tell what its files hold."""
        self._require(index)
        async with self._connection.calling(None):
            await purge(self._client, index, settle_s=self._flush_wait_s)
        return False

    async def flush(self) -> None:
        """Waits until twice the server's flush interval has passed since the last write.

        The server writes its log to disk by itself and tells nobody. A server that was away
        meanwhile may have lost what it had not written, so that is an error.
        """
        losses = self._connection.loss_count
        wait_s = self._applied_at_s + self._flush_wait_s - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, wait_s))
        async with self._connection.calling(self._write_timeout_s):
            await self._client.info()
        if self._connection.loss_count != losses:
            raise DependencyDownError("the Qdrant server was away during the flush interval")

    async def _replay(self) -> None:
        with translated():
            for spec in list(self._specs.values()):
                await ensure_collection(self._client, spec, self._datatype)
                await self._aliases.load(spec.name)
            if self.on_restart is not None:
                await self.on_restart(self._apply)

    async def _apply(self, operations: Sequence[Operation]) -> None:
        for part in cut(operations, limit=ITEMS_A_MESSAGE):
            # One by one: a deletion before it may take the very name away that it needs.
            await self._aliases.before(part)
            results = await self._client.batch_update_points(part.index, self._updates(part), wait=True)
            _check_results(results)
            await self._aliases.after(part)
        self._applied_at_s = asyncio.get_running_loop().time()

    def _updates(self, operation: Operation) -> list[models.UpdateOperation]:
        match operation:
            case UpsertPoints(_, points):
                records = models.PointsList(points=[_record(point) for point in points])
                return [models.UpsertOperation(upsert=records)]
            case ReplacePayloads(_, generation, payloads):
                return [
                    models.OverwritePayloadOperation(
                        overwrite_payload=models.SetPayload(
                            payload=stored_payload(generation, memory_id, payload),
                            # By filter, because the form by id fails where the point is gone.
                            filter=having([point_id(generation, memory_id)]),
                        )
                    )
                    for memory_id, payload in payloads.items()
                ]
            case DeletePoints(_, generation, memory_ids):
                ids = [point_id(generation, memory_id) for memory_id in memory_ids]
                return [models.DeleteOperation(delete=models.PointIdsList(points=list(ids)))]
            case DeleteGeneration(_, generation):
                selector = models.FilterSelector(filter=self._filters.within(generation))
                return [models.DeleteOperation(delete=selector)]

    def _check_search(self, request: SearchRequest, field: str) -> None:
        spec = self._require(request.index)
        if request.dense is not None:
            check_dense(request.dense, spec.dimension, f"{field}.dense")
        check_filter(request.filter)

    def _require(self, index: str) -> IndexSpec:
        spec = self._specs.get(index)
        if spec is None:
            raise NotFoundError(f"index {index!r} was not ensured", index=index)
        return spec


def _record(point: Point) -> models.PointStruct:
    sparse = models.SparseVector(indices=point.sparse_indices.tolist(), values=point.sparse_values.tolist())
    return models.PointStruct(
        id=point_id(point.generation, point.memory_id),
        vector={DENSE: point.dense.tolist(), LEXICAL: sparse},
        payload=stored_payload(point.generation, point.memory_id, point.payload),
    )


def _check_results(results: Sequence[models.UpdateResult]) -> None:
    for result in results:
        if result.status is not models.UpdateStatus.COMPLETED:
            raise DependencyDownError(
                f"the Qdrant server answered {result.status} to a write; it may be applied later",
                qdrant_status=str(result.status),
            )


def _stored(record: models.Record) -> StoredPoint:
    vectors: Any = record.vector or {}
    return stored_point(record.payload or {}, vectors)


def _whole(seconds: float) -> int:
    """Returns what the server is told of a limit that is kept exactly on this side."""
    return max(1, math.ceil(seconds))


def _client(settings: StoreSettings) -> AsyncQdrantClient:
    key = settings.qdrant_api_key
    return AsyncQdrantClient(
        host=settings.qdrant_host,
        grpc_port=settings.qdrant_grpc_port,
        prefer_grpc=True,
        https=settings.qdrant_tls,
        api_key=None if key is None else key.get_secret_value(),
        timeout=_whole(settings.engine_stall_limit_ms / 1000),
        # The check would ask the HTTP port from a thread; `Connection.open` asks by gRPC.
        check_compatibility=False,
        grpc_options={
            "grpc.keepalive_time_ms": 30_000,
            "grpc.keepalive_timeout_ms": 10_000,
            # gRPC's own waits grow to two minutes; a server that is back should be found sooner.
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.min_reconnect_backoff_ms": 1_000,
            "grpc.max_reconnect_backoff_ms": 2_000,
        },
    )


@asynccontextmanager
async def open_qdrant_store(settings: StoreSettings) -> AsyncIterator[QdrantStore]:
    """Connects to a Qdrant server of version 1.19 or later.

    Raises:
        StartupError: It does not answer, or is too old.
    """
    store = QdrantStore(_client(settings), settings)
    try:
        await store.start(timeout_s=settings.engine_start_timeout_ms / 1000)
        yield store
    finally:
        await store.stop()
