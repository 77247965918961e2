"""Runs the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import grpc.aio

from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.embedder.v1 import embedder_pb2
from atlas.gateway.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
)
from atlas.influence import Influence
from atlas.logs import configure_logs
from atlas.memory.v1 import collection_pb2, memory_pb2, operation_pb2, salience_pb2, snapshot_pb2
from atlas.metrics import new_registry
from atlas.reranker.v1 import reranker_pb2
from atlas.server import Registration, RunningServer, run, serving

from .administration_service import AdministrationService
from .clients import CollectionClient, EmbedderClient, LedgerClient, MemoryClient, RerankerClient, SalienceClient
from .clients.generations import GenerationClient
from .clients.snapshots import SnapshotClient
from .cutting import Cutter
from .embedders import Embedders, OpenEmbedder
from .ingest import GroupLimits, Ingester
from .learning import Eraser, UsageReporter
from .ledger_service import LedgerService
from .memories import Scope
from .migration.calls import Migrations
from .migration.driver import MigrationDriver
from .migration.filling import GenerationFiller
from .migration.switching import Switcher
from .models import Models
from .remember import Rememberer
from .search import SearchBudget, Searcher
from .search_metrics import SearchMetrics
from .server_state import Addresses, ServerState
from .service import GatewayService, Parts
from .settings import GatewaySettings
from .snapshot_calls import SnapshotCalls
from .writes import Writer

_EMBEDDER = [embedder_pb2.DESCRIPTOR.services_by_name["EmbedderService"].full_name]
_RERANKER = [reranker_pb2.DESCRIPTOR.services_by_name["RerankerService"].full_name]
_MEMORY = [
    memory_pb2.DESCRIPTOR.services_by_name["MemoryService"].full_name,
    collection_pb2.DESCRIPTOR.services_by_name["CollectionService"].full_name,
    salience_pb2.DESCRIPTOR.services_by_name["SalienceService"].full_name,
    operation_pb2.DESCRIPTOR.services_by_name["OperationService"].full_name,
    snapshot_pb2.DESCRIPTOR.services_by_name["SnapshotService"].full_name,
]


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = GatewaySettings.load()
    configure_logs(settings.log_level, settings.log_format)
    async with running(settings) as server:
        await server.until_signal()


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[RunningServer]:
    """Serves for the length of the block.

    The port listens at once. Health is SERVING once memory has answered a read, and stays so when a part goes away: calls then say
    what is missing, and heal by themselves.
    """
    async with AsyncExitStack() as stack:
        registry = new_registry()
        parts, migrating = await open_parts(settings, stack)
        service = GatewayService(parts, settings, metrics=SearchMetrics(registry), monotonic=time.monotonic)
        ledger = LedgerService(parts.ledger, parts.eraser, tenant=settings.tenant)
        administration = AdministrationService(migrating.migrations, migrating.snapshots, parts.memory, settings)
        services = [
            Registration.of(gateway_pb2.DESCRIPTOR, "GatewayService", gateway_pb2_grpc.add_GatewayServiceServicer_to_server, service),
            Registration.of(ledger_pb2.DESCRIPTOR, "LedgerService", ledger_pb2_grpc.add_LedgerServiceServicer_to_server, ledger),
            Registration.of(
                administration_pb2.DESCRIPTOR,
                "AdministrationService",
                administration_pb2_grpc.add_AdministrationServiceServicer_to_server,
                administration,
            ),
        ]

        async def readiness() -> None:
            # Memory is the one part that no search can do without.
            await parts.state.check_memory(deadline=Deadline.after(settings.part_check_ms / 1_000))

        async with serving(settings, services, readiness=readiness, registry=registry) as server:
            driving = asyncio.create_task(migrating.driver.run(), name="migration driver")
            try:
                yield server
            finally:
                driving.cancel()
                await asyncio.wait([driving])
        await parts.searcher.settle()


@dataclass(frozen=True, slots=True)
class Migrating:
    """What migrates collections."""

    migrations: Migrations
    """What an operator calls."""
    driver: MigrationDriver
    """What does the work."""
    snapshots: SnapshotCalls
    """Snapshots of memory."""


async def open_parts(settings: GatewaySettings, stack: AsyncExitStack) -> tuple[Parts, Migrating]:
    """Opens the channels to the parts and builds what calls them; `stack` closes the channels."""

    def opened(address: str, service_names: list[str]) -> grpc.aio.Channel:
        return open_channel(address, service_names=service_names, retry=True, max_message_bytes=settings.max_message_bytes)

    async def channel(address: str, service_names: list[str]) -> grpc.aio.Channel:
        return await stack.enter_async_context(opened(address, service_names))

    def connect(address: str) -> OpenEmbedder:
        further = opened(address, _EMBEDDER)
        return OpenEmbedder(EmbedderClient(further), further)

    embedder = EmbedderClient(await channel(settings.embedder_address, _EMBEDDER))
    reranker = RerankerClient(await channel(settings.reranker_address, _RERANKER))
    memory_channel = await channel(settings.memory_address, _MEMORY)
    memory, collections = MemoryClient(memory_channel), CollectionClient(memory_channel)
    models = Models(embedder, reranker)
    others = [address.strip() for address in settings.other_embedder_addresses.split(",")]
    embedders = Embedders(embedder, collections, models, address=settings.embedder_address, others=others, connect=connect)
    stack.push_async_callback(embedders.close)
    cutter = Cutter()
    writer = Writer(collections, batch_piece_count=settings.batch_piece_count)
    parts = _parts(settings, embedder, reranker, memory_channel, memory, collections, models, embedders, cutter, writer)
    return parts, _migrating(settings, GenerationClient(memory_channel), SnapshotClient(memory_channel), embedders)


def _migrating(settings: GatewaySettings, generations: GenerationClient, snapshots: SnapshotClient, embedders: Embedders) -> Migrating:
    filler = GenerationFiller(generations, embedders, batch_piece_count=settings.batch_piece_count)
    switcher = Switcher(generations, filler, embedders)
    driver = MigrationDriver(
        generations,
        filler,
        switcher,
        embedders,
        scope=Scope(settings.tenant),
        driver=str(uuid4()),
        poll_s=settings.operation_poll_ms / 1_000,
    )
    return Migrating(Migrations(generations, embedders, switcher, wake=driver.wake), driver, SnapshotCalls(snapshots, embedders))


def _parts(
    settings: GatewaySettings,
    embedder: EmbedderClient,
    reranker: RerankerClient,
    memory_channel: grpc.aio.Channel,
    memory: MemoryClient,
    collections: CollectionClient,
    models: Models,
    embedders: Embedders,
    cutter: Cutter,
    writer: Writer,
) -> Parts:
    salience, ledger = SalienceClient(memory_channel), LedgerClient(memory_channel)
    return Parts(
        searcher=Searcher(
            embedders=embedders,
            memory=memory,
            reranker=reranker,
            salience=salience,
            models=models,
            budget=SearchBudget(
                embed_share=settings.embed_share,
                answer_reserve_s=settings.answer_reserve_ms / 1_000,
                record_cap_s=settings.record_cap_ms / 1_000,
            ),
            influence=Influence(
                final=settings.salience_influence,
                fallback=settings.salience_fallback_influence,
                log_odds_limit=settings.salience_limit,
            ),
        ),
        salience=salience,
        ledger=ledger,
        usage=UsageReporter(memory, salience),
        eraser=Eraser(ledger, reranker),
        rememberer=Rememberer(
            memory=memory, embedders=embedders, cutter=cutter, writer=writer, interactive_text_count=settings.interactive_text_count
        ),
        ingester=Ingester(memory=memory, embedders=embedders, cutter=cutter, writer=writer, limits=_group_limits(settings)),
        memory=memory,
        collections=collections,
        state=ServerState(
            embedder=embedder,
            reranker=reranker,
            collections=collections,
            addresses=Addresses(settings.embedder_address, settings.reranker_address, settings.memory_address),
            scope=Scope(settings.tenant),
        ),
    )


def _group_limits(settings: GatewaySettings) -> GroupLimits:
    return GroupLimits(
        document_count=settings.group_document_count,
        text_bytes=settings.group_bytes,
        linger_s=settings.group_linger_ms / 1_000,
        flight_count=settings.group_flight_count,
    )


if __name__ == "__main__":
    run(main, computes=False)
