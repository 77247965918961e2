"""The gateway's administration: what it refuses by itself, and how it names an embedder that is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest_asyncio

from atlas.channel import open_channel
from atlas.gateway.v1 import administration_pb2 as pb
from atlas.gateway.v1 import administration_pb2_grpc as rpc

from .gateway_stubs import open_house
from .memory_part import failure_of

Code = grpc.StatusCode
TIMEOUT_S = 20.0


@pytest_asyncio.fixture
async def administration() -> AsyncIterator[Any]:
    async with open_house() as house, open_channel(house.server.address, service_names=[]) as channel:
        yield rpc.AdministrationServiceStub(channel)


async def test_a_wrong_request_is_refused_naming_the_field(administration: Any) -> None:
    cases: list[tuple[Any, str]] = [
        (administration.StartMigration(pb.StartMigrationRequest(), timeout=TIMEOUT_S), "embedder_address"),
        (administration.StartMigration(pb.StartMigrationRequest(embedder_address="x" * 1_025), timeout=TIMEOUT_S), "embedder_address"),
        (administration.StartMigration(pb.StartMigrationRequest(embedder_address="h:1", collection="No"), timeout=TIMEOUT_S), "collection"),
        (administration.StartMigration(pb.StartMigrationRequest(embedder_address="h:1", truncation=9), timeout=TIMEOUT_S), "truncation"),
        (
            administration.StartMigration(pb.StartMigrationRequest(embedder_address="h:1", request_id="x" * 129), timeout=TIMEOUT_S),
            "request_id",
        ),
        (
            administration.RollbackGeneration(pb.RollbackGenerationRequest(embedder_address="x" * 1_025), timeout=TIMEOUT_S),
            "embedder_address",
        ),
        (administration.SwitchGeneration(pb.SwitchGenerationRequest(collection="a/b"), timeout=TIMEOUT_S), "collection"),
        (administration.VerifyMigration(pb.VerifyMigrationRequest(collection="a/b"), timeout=TIMEOUT_S), "collection"),
        (administration.ListGenerations(pb.ListGenerationsRequest(collection="a/b"), timeout=TIMEOUT_S), "collection"),
        (administration.ListOperations(pb.ListOperationsRequest(page_size=1_001), timeout=TIMEOUT_S), "page_size"),
        (administration.MoveSource(pb.MoveSourceRequest(from_source="x" * 2_049, to_source="b"), timeout=TIMEOUT_S), "from_source"),
    ]
    for call, field in cases:
        failure = await failure_of(call)
        assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, (field,)), failure.message


async def test_an_embedder_that_is_away_is_said_and_nothing_is_begun(administration: Any) -> None:
    request = pb.StartMigrationRequest(embedder_address="127.0.0.1:1")
    failure = await failure_of(administration.StartMigration(request, timeout=TIMEOUT_S))
    assert (failure.code, failure.reason, failure.fields) == (Code.UNAVAILABLE, "EMBEDDER_AWAY", ("embedder_address",))
    assert failure.message.startswith("the embedder at 127.0.0.1:1 does not answer the gateway")
    assert failure.values["embedder_address"] == "127.0.0.1:1"
