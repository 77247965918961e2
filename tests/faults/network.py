"""A gateway whose three parts stand behind proxies, and how well it keeps deadlines while one of them is frozen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from atlas.gateway.v1 import gateway_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.gateway_stubs import QUERY, EmbedderStub, MemoryStub, RerankerStub, open_gateway

from .logs import quiet
from .proxy import Proxy, proxied

PARTS = ("embedder", "reranker", "memory")


@dataclass
class Town:
    """A gateway, the proxies before its parts, and the parts."""

    gateway: Any
    proxies: dict[str, Proxy]
    parts: dict[str, Any]

    async def search(self, timeout_s: float, **fields: Any) -> gateway_pb2.SearchResponse:
        request = gateway_pb2.SearchRequest(query=type_pb2.Input(text=QUERY), **fields)
        answer: gateway_pb2.SearchResponse = await self.gateway.Search(request, timeout=timeout_s)
        return answer


@asynccontextmanager
async def open_town(**settings: Any) -> AsyncIterator[Town]:
    """Runs all of it for the length of the block."""
    async with AsyncExitStack() as stack:
        parts = {"embedder": EmbedderStub(), "reranker": RerankerStub(), "memory": MemoryStub()}
        for part in parts.values():
            await part.start()
            stack.push_async_callback(part.stop)
        proxies = {name: await stack.enter_async_context(proxied(part.port)) for name, part in parts.items()}
        addresses = {f"{name}_address": proxy.address for name, proxy in proxies.items()}
        gateway, _ = await stack.enter_async_context(open_gateway(result_count=20, **addresses, **settings))
        yield Town(gateway, proxies, parts)


@dataclass
class Frozen:
    """What callers saw while a part was frozen."""

    part: str
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    worst_overrun_ms: float = 0.0
    """Longest time that a call took beyond its deadline."""
    most_in_flight: int = 0
    healed_s: float = 0.0
    """From the thaw to the first complete answer."""

    def __str__(self) -> str:
        return (
            f"{self.part} frozen: {self.calls} calls {dict(self.outcomes)}, at most {self.most_in_flight} in flight, "
            f"worst overrun of a deadline {self.worst_overrun_ms:.0f} ms, complete answers {self.healed_s:.2f} s after the thaw"
        )


async def freeze(part: str, *, seconds: float, callers: int = 8, deadline_s: float = 1.0) -> Frozen:
    """Freezes one part under load and measures."""
    found = Frozen(part)
    # The gateway says of every answer that a stage is missing.
    with quiet("gateway", logging.ERROR):
        async with open_town() as town:
            await town.search(10.0)
            end = asyncio.get_running_loop().time() + seconds
            flying = 0

            async def caller() -> None:
                nonlocal flying
                while asyncio.get_running_loop().time() < end:
                    begin = time.monotonic()
                    flying += 1
                    found.most_in_flight = max(found.most_in_flight, flying)
                    outcome = await _outcome(town, deadline_s)
                    flying -= 1
                    found.calls += 1
                    found.outcomes[outcome] += 1
                    found.worst_overrun_ms = max(found.worst_overrun_ms, 1000 * (time.monotonic() - begin - deadline_s))

            town.proxies[part].freeze()
            await asyncio.gather(*(caller() for _ in range(callers)))
            town.proxies[part].thaw()
            begin = time.monotonic()
            while await _outcome(town, deadline_s) != "complete":  # noqa: ASYNC110 - each turn is a call
                await asyncio.sleep(0.02)
            found.healed_s = time.monotonic() - begin
    return found


async def _outcome(town: Town, deadline_s: float) -> str:
    try:
        answer = await town.search(deadline_s)
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    return "complete" if not answer.degraded else "degraded " + " ".join(each.stage for each in answer.degraded)
