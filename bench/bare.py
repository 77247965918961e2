"""The peer of every call: a gRPC server that computes nothing, on the same transport as the parts."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

from atlas.grpc_core import poll_where_calls_are_awaited

PATH = "/atlas.bench.Bare/Call"


class BareCalls:
    """Calls of that server: what it costs here and now to ask another process anything by gRPC."""

    def __init__(self, method: Any) -> None:
        """Takes a method of an open channel."""
        self._method = method

    async def call(self, sent_bytes: int = 1_700) -> None:
        """Sends that many bytes and gets as many back as the server was told to send."""
        await self._method(bytes(sent_bytes))


@asynccontextmanager
async def bare_server(reply_bytes: int = 1_600) -> AsyncIterator[BareCalls]:
    """Runs the server in a process of its own for the length of the block."""
    import grpc.aio  # not above: the server's process chooses its transport before it imports gRPC

    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, reply_bytes), daemon=True)
    process.start()
    # Else nobody would hear that it died before it listened.
    theirs.close()
    try:
        port = await asyncio.to_thread(mine.recv)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield BareCalls(channel.unary_unary(PATH))
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, reply_bytes: int) -> None:
    poll_where_calls_are_awaited()
    import grpc.aio
    import uvloop

    async def answer(_request: bytes, _context: Any) -> bytes:
        return bytes(reply_bytes)

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
            return grpc.unary_unary_rpc_method_handler(answer) if details.method == PATH else None

    async def serve() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Handlers(),))
        pipe.send(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await server.wait_for_termination()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
