"""A Qdrant server that is not there, too old, or away for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from qdrant_client.grpc import qdrant_pb2, qdrant_pb2_grpc

from atlas.errors import DependencyDownError, StartupError
from services.memory.store import Apply, StoreState, UpsertPoints
from services.memory.stores import StoreSettings
from services.memory.stores.qdrant import open_qdrant_store
from tests.contract.store_cases import filled, matching, point, qdrant_settings

PATIENCE_S = 60


class Relay:
    """A TCP relay in front of a server, which can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    def cut(self) -> None:
        self._open = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._open = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        their_reader, their_writer = await asyncio.open_connection(*self._target)
        ends = {writer, their_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_pump(reader, their_writer), _pump(their_reader, writer))
        finally:
            self._writers -= ends
            for each in ends:
                each.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed(**changes: Any) -> AsyncIterator[tuple[StoreSettings, Relay]]:
    settings = qdrant_settings()
    relay = Relay(settings.qdrant_host, settings.qdrant_grpc_port)
    server = await relay.start()
    port = server.sockets[0].getsockname()[1]
    try:
        yield settings.model_copy(update={"qdrant_host": "127.0.0.1", "qdrant_grpc_port": port, **changes}), relay
    finally:
        relay.cut()
        server.close()


async def until_state(store: Any, state: StoreState) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while store.state is not state:  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.01)


async def test_a_server_that_comes_back_is_given_the_tail_before_the_store_serves() -> None:
    async with relayed(engine_restart_wait_ms=50) as (settings, relay), open_qdrant_store(settings) as store:
        index = await filled(store, point(1))

        async def replay(apply: Apply) -> None:
            await apply([UpsertPoints(index, (point(2),))])

        store.on_restart = replay
        relay.cut()
        with pytest.raises(DependencyDownError) as caught:
            await store.count(index, "g1", None)
        assert caught.value.retry_after_ms is not None
        await until_state(store, StoreState.DOWN)
        with pytest.raises(DependencyDownError, match="50 ms"):
            await store.count(index, "g1", None)
        relay.mend()
        await until_state(store, StoreState.SERVING)
        assert await matching(store, index, None) == {1, 2}


async def test_a_flush_during_which_the_server_was_away_is_an_error() -> None:
    async with (
        relayed(engine_restart_wait_ms=10_000, qdrant_flush_interval_ms=500) as (settings, relay),
        open_qdrant_store(settings) as store,
    ):
        index = await filled(store, point(1))
        flush = asyncio.create_task(store.flush())
        await asyncio.sleep(0)
        relay.cut()
        with pytest.raises(DependencyDownError):
            await store.count(index, "g1", None)
        relay.mend()
        with pytest.raises(DependencyDownError, match="away during the flush interval"):
            await flush
        await store.flush()


async def test_a_server_that_does_not_answer_stops_the_start() -> None:
    settings = StoreSettings(store="qdrant", qdrant_grpc_port=1, engine_start_timeout_ms=1_000)
    with pytest.raises(StartupError, match="qdrant_grpc_port"):
        async with open_qdrant_store(settings):
            pass


class OldServer(qdrant_pb2_grpc.QdrantServicer):  # type: ignore[misc]
    async def HealthCheck(self, request: Any, context: Any) -> Any:
        return qdrant_pb2.HealthCheckReply(title="qdrant", version="1.18.4")


async def test_a_server_that_is_too_old_stops_the_start() -> None:
    server = grpc.aio.server()
    qdrant_pb2_grpc.add_QdrantServicer_to_server(OldServer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(StartupError, match=r"is 1\.18\.4; 1\.19 or later"):
            async with open_qdrant_store(StoreSettings(store="qdrant", qdrant_grpc_port=port)):
                pass
    finally:
        await server.stop(None)
