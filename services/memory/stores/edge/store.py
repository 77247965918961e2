"""The store whose engine runs in a child process of memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from atlas.errors import AtlasError, NotFoundError
from atlas.failpoints import failpoint

from ...background import background
from ...operations import cut, cut_projections, from_wire, item_count
from ...store import (
    READ_TIMEOUT_S,
    BranchResult,
    DeleteGeneration,
    IndexSpec,
    Operation,
    Page,
    Replay,
    SalienceProjection,
    SearchRequest,
    StoredPoint,
    StoreFilter,
    StoreState,
    check_filter,
)
from ..settings import StoreSettings
from ..validation import check_cursor, check_dense, check_facet, check_operations, check_projections
from . import protocol
from .lanes import Lane
from .process import EngineProcess
from .rebuild import Builder, BuildRule, discard_builds
from .supervisor import EngineLimits, Supervisor

T = TypeVar("T")
Ask = Callable[[protocol.Call], Awaitable[msgspec.Raw]]

ITEMS_A_MESSAGE = 32
"""Most points that one message writes: a search that comes meanwhile waits a few milliseconds."""
PROJECTIONS_A_MESSAGE = 256
"""Most points whose salience one message writes."""
DATA_FOLDER = "engine"
"""Folder of the indexes inside the data folder."""

_LOG = logging.getLogger(__name__)
_BOOL = msgspec.msgpack.Decoder(bool)
_INT = msgspec.msgpack.Decoder(int)
_NONE = msgspec.msgpack.Decoder(type(None))
_STATE = msgspec.msgpack.Decoder(protocol.IndexState)
_COUNTS = msgspec.msgpack.Decoder(dict[str, int])
_RESULTS = msgspec.msgpack.Decoder(list[BranchResult], dec_hook=from_wire)
_POINTS = msgspec.msgpack.Decoder(list[StoredPoint], dec_hook=from_wire)
_PAGE = msgspec.msgpack.Decoder(Page, dec_hook=from_wire)


class EdgeStore:
    """`Store` over the embedded engine; `open_edge_store` is the way to one."""

    def __init__(self, folder: Path, limits: EngineLimits, scan: protocol.DenseDatatype, *, rule: BuildRule, watermark_bytes: int) -> None:
        """Starts nothing yet."""
        self.on_restart: Replay | None = None
        """Called after the engine came back, before the store serves again."""
        self._supervisor = Supervisor(folder, limits, self._prepare)
        self._scan = scan
        self._specs: dict[str, IndexSpec] = {}
        self._folder = folder
        self._rule = rule
        self._writing = asyncio.Lock()
        self._building = asyncio.Lock()
        self._builder = Builder(folder, self._write, lambda: self.engine_pid, self._writing, watermark_bytes=watermark_bytes)

    @property
    def state(self) -> StoreState:
        """Whether the engine answers now."""
        return self._supervisor.state

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine; None while there is none."""
        return self._supervisor.engine_pid

    async def start(self) -> None:
        """Starts the engine.

        Raises:
            StartupError: It did not start.
        """
        discard_builds(self._folder)
        await self._supervisor.start()

    async def stop(self) -> None:
        """Flushes and ends the engine."""
        await self._supervisor.stop()

    def check(self, operations: Sequence[Operation]) -> None:
        """Refuses what `apply` could not apply."""
        check_operations(operations, self._specs)

    async def ensure_index(self, spec: IndexSpec) -> bool:
        """Opens an index, creating it where it is missing; True if it was created now."""
        call = protocol.EnsureIndex(spec, self._scan)
        created = _BOOL.decode(await self._write(call))
        self._specs[spec.name] = spec
        return created

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Applies operations in order, a few dozen points a message."""
        self.check(operations)
        async with self._writing:
            await _apply(self._noted_write, operations)

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        """Writes saliences beside points, `PROJECTIONS_A_MESSAGE` of them a message."""
        check_projections(projections, self._specs)
        async with self._writing:
            for group in cut_projections(projections, limit=PROJECTIONS_A_MESSAGE):
                _NONE.decode(await self._noted_write(protocol.Project(tuple(group))))

    async def search(self, requests: Sequence[SearchRequest], *, timeout_s: float = READ_TIMEOUT_S) -> list[BranchResult]:
        """Runs searches with one message and one answer."""
        for position, request in enumerate(requests):
            self._check_search(request, f"requests[{position}]")
        call = protocol.Search(tuple(requests))
        return _RESULTS.decode(await self._read(call, timeout_s))

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
        call = protocol.Retrieve(index, generation, tuple(memory_ids), with_vectors)
        points = _POINTS.decode(await self._read(call, timeout_s))
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
        check_cursor(after)
        check_filter(condition)
        call = protocol.Scroll(index, generation, condition, limit, after)
        return _PAGE.decode(await self._read(call, timeout_s))

    async def count(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> int:
        """Counts matching points exactly."""
        check_filter(condition)
        call = protocol.Count(index, generation, condition)
        return _INT.decode(await self._read(call, timeout_s))

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
        check_facet(key)
        check_filter(condition)
        call = protocol.Facet(index, generation, key, condition)
        return _COUNTS.decode(await self._read(call, timeout_s))

    async def flush(self) -> None:
        """Has the engine write everything to disk, one index a message."""
        for index in list(self._specs):
            async with self._writing:
                _NONE.decode(await self._write(protocol.Flush(index)))

    async def rebuild(self, index: str, *, graph: bool) -> None:
        """Clears an index of dead vectors and gives it a graph, or takes it away, while it serves.

        Raises:
            NotFoundError: The index was not ensured.
            DiskFullError: There is no space for a copy.
            DependencyDownError: An engine went away; the index is as it was.
        """
        async with self._building:
            await self._builder.build(self._require(index), graph=graph)

    async def purge(self, index: str) -> bool:
        """Writes the points of an index into new files, in a second engine, and deletes the old ones; always True.

        Raises:
            NotFoundError: The index was not ensured.
            DiskFullError: There is no space for a copy.
            DependencyDownError: An engine went away; the index is as it was.
        """
        async with self._building:
            spec = self._require(index)
            state = _STATE.decode(await self._write(protocol.State(index)))
            await self._builder.build(spec, graph=self._rule.wants_graph(state.points), afresh=True)
        return True

    async def keep_in_shape(self, *, interval_s: float) -> None:
        """Builds indexes anew as they wear and grow, and looks at them every so often; runs until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            for index in list(self._specs):
                try:
                    state = _STATE.decode(await self._write(protocol.State(index)))
                    if self._rule.is_due(state):
                        await self.rebuild(index, graph=self._rule.wants_graph(state.points))
                except (AtlasError, OSError) as error:
                    _LOG.warning("index was not built anew", extra={"index": index, "cause": str(error)})

    async def _prepare(self, process: EngineProcess) -> None:
        """Opens the indexes in a fresh engine and has the tail applied to it."""

        async def ask(call: protocol.Call) -> msgspec.Raw:
            return await process.ask(call, Lane.WRITE, timeout_s=None)

        async def apply(operations: Sequence[Operation]) -> None:
            await _apply(ask, operations)

        for spec in list(self._specs.values()):
            await ask(protocol.EnsureIndex(spec, self._scan))
        if self.on_restart is not None:
            await self.on_restart(apply)

    async def _read(self, call: protocol.Call, timeout_s: float) -> msgspec.Raw:
        return await self._supervisor.ask(call, Lane.READ, timeout_s=timeout_s)

    async def _write(self, call: protocol.Call) -> msgspec.Raw:
        # No limit of its own: an engine that does not answer is killed, which ends the wait.
        return await self._supervisor.ask(call, Lane.WRITE, timeout_s=None)

    async def _noted_write(self, call: protocol.Call) -> msgspec.Raw:
        answer = await self._write(call)
        self._builder.note(call)
        return answer

    def _require(self, index: str) -> IndexSpec:
        spec = self._specs.get(index)
        if spec is None:
            raise NotFoundError(f"index {index!r} was not ensured", index=index)
        return spec

    def _check_search(self, request: SearchRequest, field: str) -> None:
        spec = self._require(request.index)
        if request.dense is not None:
            check_dense(request.dense, spec.dimension, f"{field}.dense")
        check_filter(request.filter)


async def _apply(ask: Ask, operations: Sequence[Operation]) -> None:
    for call in _messages(operations):
        failpoint("store.message.before")
        while not _BOOL.decode(await ask(call)):
            pass  # each turn deletes a bounded part of a generation
        failpoint("store.message.after")


def _messages(operations: Sequence[Operation]) -> Iterator[protocol.Apply]:
    """Groups operations into messages of at most `ITEMS_A_MESSAGE` items, in order."""
    group: list[Operation] = []
    held = 0
    for operation in cut(operations, limit=ITEMS_A_MESSAGE):
        # A generation takes several turns; what stands beside it would be applied in each.
        alone = isinstance(operation, DeleteGeneration)
        size = ITEMS_A_MESSAGE if alone else item_count(operation)
        if group and held + size > ITEMS_A_MESSAGE:
            yield protocol.Apply(tuple(group))
            group, held = [], 0
        group.append(operation)
        held += size
    if group:
        yield protocol.Apply(tuple(group))


@asynccontextmanager
async def open_edge_store(settings: StoreSettings, data_dir: Path) -> AsyncIterator[EdgeStore]:
    """Runs the embedded store of a data folder; its engine flushes and ends with the context.

    Raises:
        StartupError: The engine did not start, as when another process holds the folder.
    """
    limits = EngineLimits(
        start_timeout_s=settings.engine_start_timeout_ms / 1000,
        lock_wait_s=settings.engine_lock_wait_ms / 1000,
        stall_limit_s=settings.engine_stall_limit_ms / 1000,
        restart_wait_s=settings.engine_restart_wait_ms / 1000,
        stop_grace_s=settings.engine_stop_grace_ms / 1000,
    )
    folder = data_dir / DATA_FOLDER
    rule = BuildRule(settings.edge_graph_from_points, settings.edge_vacuum_share, settings.edge_vacuum_least_dead)
    store = EdgeStore(folder, limits, settings.edge_scan_datatype, rule=rule, watermark_bytes=settings.free_space_watermark_bytes)
    await store.start()
    try:
        async with background(shape=store.keep_in_shape(interval_s=settings.edge_shape_interval_ms / 1000)):
            yield store
    finally:
        await store.stop()
