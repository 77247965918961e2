"""Runs the memory service."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from atlas import failpoints
from atlas.clock import Clock, SystemClock
from atlas.failpoints import failpoint
from atlas.folders import make_private
from atlas.logs import configure_logs
from atlas.memory.v1 import (
    collection_pb2,
    collection_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
    operation_pb2,
    operation_pb2_grpc,
    salience_pb2,
    salience_pb2_grpc,
    snapshot_pb2,
    snapshot_pb2_grpc,
)
from atlas.metrics import new_registry
from atlas.server import Registration, RunningServer, run, serving

from .admission import Admission
from .background import background
from .catalog.collection_service import CollectionService
from .erasure.clearing import Clearer
from .erasure.eraser import Eraser
from .failpoints import FAILPOINTS
from .generations.filling import Filler
from .generations.holds import WriteHolds
from .generations.migration_calls import MigrationCalls
from .generations.operation_service import OperationService
from .ledger.forgetting import forget, rewritten
from .ledger.metrics import LedgerMetrics
from .ledger.projection import SalienceProjector
from .ledger.salience_service import SalienceService
from .memories.memory_service import MemoryService
from .memories.reading import MemoryReader
from .persistence.database import Database, open_database
from .persistence.free_space import FreeSpace
from .persistence.locks import hold
from .persistence.writer import Writer
from .repair.salvage import ASIDE
from .search.analyzer import Analyzer
from .search.candidates import CandidateFinder
from .search.contents import ContentCache
from .search.query import Places
from .settings import MemorySettings
from .snapshots.creating import SnapshotMaker
from .snapshots.manifest import Shelf
from .snapshots.restoring import SnapshotRestorer
from .snapshots.snapshot_service import SnapshotService
from .sources.mover import SourceCalls
from .startup import check_fingerprints, check_read, fit_ledger, recover
from .store import Store
from .stores import open_store
from .upkeep import compact_regularly, delete_outlived_regularly, flush_regularly, prune_regularly, report_engine

DATABASE_NAME = "memory.sqlite3"
"""File of journal, catalog and ledger in the data folder."""


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    failpoints.arm(os.environ, FAILPOINTS)
    settings = MemorySettings.load()
    configure_logs(settings.log_level, settings.log_format)
    async with running(settings) as server:
        await server.until_signal()


@asynccontextmanager
async def running(settings: MemorySettings, clock: Clock | None = None) -> AsyncIterator[RunningServer]:
    """Recovers what an earlier process left and serves for the length of the block.

    Args:
        settings: What to serve, and where.
        clock: Tells when things happen; the clock of this machine unless another is given.

    Raises:
        StartupError: The data folder is in use, damaged, or of a newer version.
    """
    clock = clock or SystemClock()
    make_private(settings.data_dir)
    failpoint("start.lock.before")
    with hold(settings.data_dir / "memory.lock"), ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare") as preparing:
        failpoint("start.lock.after")
        async with (
            open_database(settings.data_dir / DATABASE_NAME) as database,
            open_store(settings, data_dir=settings.data_dir) as store,
        ):
            failpoint("start.engine.after")
            analyzer = Analyzer(settings.analyzer_parameters)
            registry = new_registry()
            contents = ContentCache(max_bytes=settings.content_cache_bytes, registry=registry)
            writer = Writer(database, store, changing=contents.changing)
            await check_fingerprints(database, analyzer)
            await fit_ledger(database, clock, settings.ledger_policy)
            await recover(writer, database, store)
            metrics = LedgerMetrics(registry, commit_count=lambda: database.commit_count)
            projector = SalienceProjector(database, store, writer, rule=settings.salience_rule, clock=clock, metrics=metrics)
            projector.attach()
            shelf = Shelf(settings.data_dir / "snapshots")
            await asyncio.to_thread(shelf.clear_leftovers)
            clearer = Clearer(database, writer, store, count_copies=partial(count_copies, settings.data_dir, shelf), clock=clock)
            opened = Opened(settings, database, store, writer, analyzer, contents, preparing, projector, metrics, clock, shelf, clearer)
            services = build_services(opened)
            async with writer.running():
                async with (
                    serving(settings, services, readiness=partial(check_read, database, store), registry=registry) as server,
                    upkeep(opened, server, [service.name for service in services]),
                ):
                    yield server
                failpoint("stop.settle.before")
                await writer.settle()


@dataclass(frozen=True, slots=True)
class Opened:
    """What is open for as long as memory serves."""

    settings: MemorySettings
    database: Database
    store: Store
    writer: Writer
    analyzer: Analyzer
    contents: ContentCache
    preparing: ThreadPoolExecutor
    """Where texts become terms, off the event loop."""
    projector: SalienceProjector
    metrics: LedgerMetrics
    clock: Clock
    shelf: Shelf
    clearer: Clearer


@asynccontextmanager
async def upkeep(opened: Opened, server: RunningServer, names: Sequence[str]) -> AsyncIterator[None]:
    """Flushes, prunes, folds, projects and watches beside the block."""
    settings, database, writer, clock = opened.settings, opened.database, opened.writer, opened.clock

    async def set_serving(serving: bool) -> None:
        for name in names:
            await server.set_serving(name, serving)

    retention = {"replay_days": settings.replay_retention_days, "impression_days": settings.impression_retention_days}
    async with background(
        flush=flush_regularly(writer, database, interval_s=settings.flush_interval_ms / 1000),
        retire=delete_outlived_regularly(writer, clock, retention_days=settings.retired_generation_days),
        prune=prune_regularly(database, clock, **retention),
        compact=compact_regularly(database, clock, settings.ledger_policy),
        project=opened.projector.run(
            interval_s=settings.projection_interval_ms / 1000, flush_interval_s=settings.projection_flush_interval_ms / 1000
        ),
        clear=opened.clearer.run(),
        report=report_engine(opened.store, set_serving),
        disk=database.watch(),
    ):
        yield


def build_services(opened: Opened) -> list[Registration]:
    """Builds the services of this part over what is open."""
    settings, database, writer, clock = opened.settings, opened.database, opened.writer, opened.clock
    space = FreeSpace(settings.data_dir, watermark_bytes=settings.free_space_watermark_bytes)
    holds = WriteHolds()
    salience = _salience_service(opened, space)
    memories = _memory_service(opened, space, salience, holds)
    operations = OperationService(database, writer, Filler(database, opened.store, writer, clock), holds, space=space, clock=clock)
    collections = _collection_service(opened, space, holds)
    snapshots = _snapshot_service(opened, space)
    return [
        Registration.of(snapshot_pb2.DESCRIPTOR, "SnapshotService", snapshot_pb2_grpc.add_SnapshotServiceServicer_to_server, snapshots),
        Registration.of(
            collection_pb2.DESCRIPTOR, "CollectionService", collection_pb2_grpc.add_CollectionServiceServicer_to_server, collections
        ),
        Registration.of(
            operation_pb2.DESCRIPTOR, "OperationService", operation_pb2_grpc.add_OperationServiceServicer_to_server, operations
        ),
        Registration.of(memory_pb2.DESCRIPTOR, "MemoryService", memory_pb2_grpc.add_MemoryServiceServicer_to_server, memories),
        Registration.of(salience_pb2.DESCRIPTOR, "SalienceService", salience_pb2_grpc.add_SalienceServiceServicer_to_server, salience),
    ]


def _snapshot_service(opened: Opened, space: FreeSpace) -> SnapshotService:
    shelf = opened.shelf
    database, store, writer = opened.database, opened.store, opened.writer
    maker = SnapshotMaker(
        database,
        store,
        writer,
        shelf,
        path=opened.settings.data_dir / DATABASE_NAME,
        space=space,
        clock=opened.clock,
        new_id=new_id,
        version=version("atlas-memory"),
    )
    restorer = SnapshotRestorer(
        database,
        store,
        writer,
        space=space,
        new_id=new_id,
        lexical_fingerprint=opened.analyzer.fingerprint,
        on_restored=opened.clearer.wake,
    )
    return SnapshotService(maker, restorer, shelf, space=space, new_id=new_id)


def _salience_service(opened: Opened, space: FreeSpace) -> SalienceService:
    settings, database, clock = opened.settings, opened.database, opened.clock
    return SalienceService(
        database,
        policy=settings.ledger_policy,
        clock=clock,
        space=space,
        eraser=Eraser(database, opened.writer, opened.store, opened.clearer, rule=settings.salience_rule, clock=clock, new_id=new_id),
        projector=opened.projector,
        metrics=opened.metrics,
        new_id=new_id,
    )


def _memory_service(opened: Opened, space: FreeSpace, salience: SalienceService, holds: WriteHolds) -> MemoryService:
    settings, database, store = opened.settings, opened.database, opened.store
    return MemoryService(
        MemoryReader(database, store),
        CandidateFinder(database, store, opened.analyzer, opened.contents, depth=settings.branch_depth),
        opened.writer,
        store,
        analyzer=opened.analyzer,
        space=space,
        clock=opened.clock,
        forget=forget,
        rewritten=rewritten,
        salience_of=salience.salience_of,
        preparing=opened.preparing,
        admission=Admission(),
        places=Places(settings.extended_count, settings.explore_count),
        holds=holds,
        sources=SourceCalls(database, store, opened.writer, space=space, clock=opened.clock),
    )


def _collection_service(opened: Opened, space: FreeSpace, holds: WriteHolds) -> CollectionService:
    database, writer, store, clock = opened.database, opened.writer, opened.store, opened.clock
    parameters = opened.settings.analyzer_parameters
    migrations = MigrationCalls(
        database, writer, store, analyzer=opened.analyzer, parameters=parameters, space=space, clock=clock, new_id=new_id, holds=holds
    )
    return CollectionService(
        database,
        writer,
        store,
        analyzer=opened.analyzer,
        parameters=parameters,
        space=space,
        clock=clock,
        new_id=new_id,
        forget=forget,
        migrations=migrations,
    )


def count_copies(data_dir: Path, shelf: Shelf) -> int:
    """Counts what holds the store of an earlier moment: snapshots, and what repairs put aside. Blocks."""
    return shelf.count() + sum(1 for _ in data_dir.glob(f"{ASIDE}*"))


def new_id() -> str:
    """Returns an id that nobody else has."""
    return str(uuid.uuid4())


if __name__ == "__main__":
    run(main, computes=False)
