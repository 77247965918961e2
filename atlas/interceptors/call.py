"""One call while it is served, and what a layer around it looks like."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class Call:
    """One call; the layers around it share this object."""

    service: str
    """Full name of the service, such as `atlas.memory.v1.MemoryService`."""
    method: str
    """Name of the RPC."""
    request: bytes | AsyncIterable[bytes]
    """The request as it came, or the stream of requests."""
    context: Context
    """gRPC's view of the call."""
    code: grpc.StatusCode = grpc.StatusCode.OK
    """How it ended; set by the error layer."""
    reason: str = ""
    """Reason of the error it ended with; empty after success."""

    @property
    def request_streaming(self) -> bool:
        """Whether the caller sends a stream."""
        return not isinstance(self.request, bytes)


Proceed = Callable[[Call], Awaitable[bytes | None]]
"""The rest of the way: the next layer, or the handler. Returns the reply, None after a stream of replies."""


class Layer(Protocol):
    """Something that happens around every call."""

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves `call` by way of `proceed`."""
        ...
