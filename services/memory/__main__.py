"""Runs the memory service."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from atlas.clock import SystemClock
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

from . import ledger
from .admission import Admission
from .analyzer import Analyzer
from .background import background
from .candidates import CandidateFinder
from .collection_service import CollectionService
from .database import Database, open_database
from .deletions import Forget
from .free_space import FreeSpace
from .generations.filling import Filler
from .generations.holds import WriteHolds
from .generations.migration_calls import MigrationCalls
from .generations.operation_service import OperationService
from .locks import hold
from .reading import MemoryReader
from .salience import SalienceRule
from .salience_service import SalienceService
from .service import MemoryService
from .settings import MemorySettings
from .snapshots.creating import SnapshotMaker
from .snapshots.manifest import Shelf
from .snapshots.restoring import SnapshotRestorer
from .snapshots.snapshot_service import SnapshotService
from .sources.mover import SourceCalls
from .startup import check_fingerprints, check_read, recover
from .store import Store
from .stores import open_store
from .upkeep import delete_outlived_regularly, flush_regularly, prune_regularly, report_engine
from .writer import Writer


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = MemorySettings.load()
    configure_logs(settings.log_level, settings.log_format)
    async with running(settings) as server:
        await server.until_signal()


@asynccontextmanager
async def running(settings: MemorySettings) -> AsyncIterator[RunningServer]:
    """Recovers what an earlier process left and serves for the length of the block.

    Raises:
        StartupError: The data folder is in use, damaged, or of a newer version.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with hold(settings.data_dir / "memory.lock"), ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare") as preparing:
        async with (
            open_database(settings.data_dir / "memory.sqlite3") as database,
            open_store(settings, data_dir=settings.data_dir) as store,
        ):
            analyzer = Analyzer(settings.analyzer_parameters)
            writer = Writer(database, store)
            await check_fingerprints(database, analyzer)
            await recover(writer, database, store)
            services = build_services(settings, database, store, writer, analyzer, preparing)
            async with writer.running():
                async with (
                    serving(settings, services, readiness=partial(check_read, database, store), registry=new_registry()) as server,
                    upkeep(settings, database, store, writer, server, [service.name for service in services]),
                ):
                    yield server
                await writer.settle()


@asynccontextmanager
async def upkeep(
    settings: MemorySettings, database: Database, store: Store, writer: Writer, server: RunningServer, names: Sequence[str]
) -> AsyncIterator[None]:
    """Flushes, prunes and watches beside the block."""

    async def set_serving(serving: bool) -> None:
        for name in names:
            await server.set_serving(name, serving)

    retention = {"replay_days": settings.replay_retention_days, "impression_days": settings.impression_retention_days}
    async with background(
        flush=flush_regularly(writer, database, interval_s=settings.flush_interval_ms / 1000),
        retire=delete_outlived_regularly(writer, SystemClock(), retention_days=settings.retired_generation_days),
        prune=prune_regularly(database, SystemClock(), **retention),
        report=report_engine(store, set_serving),
    ):
        yield


def build_services(
    settings: MemorySettings, database: Database, store: Store, writer: Writer, analyzer: Analyzer, preparing: ThreadPoolExecutor
) -> list[Registration]:
    """Builds the services of this part over what is open."""
    clock = SystemClock()
    space = FreeSpace(settings.data_dir, watermark_bytes=settings.free_space_watermark_bytes)
    forget = _forgetting(settings.salience_rule)
    holds = WriteHolds()
    salience = SalienceService(database, rule=settings.salience_rule, clock=clock, space=space)
    memories = MemoryService(
        MemoryReader(database, store),
        CandidateFinder(database, store, analyzer, depth=settings.branch_depth),
        writer,
        store,
        analyzer=analyzer,
        space=space,
        clock=clock,
        forget=forget,
        salience_of=salience.salience_of,
        preparing=preparing,
        admission=Admission(),
        holds=holds,
        sources=SourceCalls(database, store, writer, space=space, clock=clock),
    )
    migrations = MigrationCalls(
        database,
        writer,
        store,
        analyzer=analyzer,
        parameters=settings.analyzer_parameters,
        space=space,
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        holds=holds,
    )
    operations = OperationService(database, writer, Filler(database, store, writer, clock), holds, space=space, clock=clock)
    collections = CollectionService(
        database,
        writer,
        store,
        analyzer=analyzer,
        parameters=settings.analyzer_parameters,
        space=space,
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        forget=forget,
        migrations=migrations,
    )
    snapshots = _snapshots(settings, database, store, writer, analyzer, space)
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


def _snapshots(
    settings: MemorySettings, database: Database, store: Store, writer: Writer, analyzer: Analyzer, space: FreeSpace
) -> SnapshotService:
    def new_id() -> str:
        return str(uuid.uuid4())

    shelf = Shelf(settings.data_dir / "snapshots")
    maker = SnapshotMaker(database, store, writer, shelf, space=space, clock=SystemClock(), new_id=new_id, version=version("atlas-memory"))
    restorer = SnapshotRestorer(database, store, writer, space=space, new_id=new_id, lexical_fingerprint=analyzer.fingerprint)
    return SnapshotService(maker, restorer, shelf, space=space, new_id=new_id)


def _forgetting(rule: SalienceRule) -> Forget:
    def forget(connection: sqlite3.Connection, tenant: str, memory_ids: Sequence[str]) -> None:
        ledger.forget(connection, tenant, memory_ids, rule)

    return forget


if __name__ == "__main__":
    run(main)
