"""The health service of a server: a status for each of its services, and for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse

from .interceptors.call import Context

SERVICE_NAME = "grpc.health.v1.Health"
"""Full name of the health service."""
ALL = ""
"""Name that asks for the server as a whole."""

_SERVING = int(HealthCheckResponse.SERVING)
_NOT_SERVING = int(HealthCheckResponse.NOT_SERVING)


class Health:
    """NOT_SERVING until it is opened; then each service for itself, and the whole while all of them serve."""

    def __init__(self, service_names: Sequence[str]) -> None:
        """Knows the full names of the server's services."""
        self._statuses = aio.HealthServicer()
        self._serving = dict.fromkeys(service_names, True)
        self._opened = False
        self._ended = asyncio.Event()

    async def open(self) -> None:
        """Reports what is set for each service from now on."""
        self._opened = True
        await self.publish()

    async def set_serving(self, service_name: str, *, serving: bool) -> None:
        """Sets whether one service can answer.

        Raises:
            KeyError: The server has no such service.
        """
        if service_name not in self._serving:
            raise KeyError(service_name)
        self._serving[service_name] = serving
        await self.publish()

    async def publish(self) -> None:
        """Sends the present state to those who watch; called once before the server starts, because the library's default is SERVING."""
        for name, status in self._current().items():
            await self._statuses.set(name, status)

    async def shut(self) -> None:
        """Reports NOT_SERVING for good."""
        self._opened = False
        await self._statuses.enter_graceful_shutdown()

    def end_watches(self) -> None:
        """Ends all Watch streams: an open one would hold the server's stop for its whole grace."""
        self._ended.set()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """Answers with the status of a service, or NOT_FOUND."""
        return await self._statuses.Check(request, context)

    async def List(self, request: HealthListRequest, context: Context) -> HealthListResponse:
        """Answers with the status of every service."""
        return HealthListResponse(statuses={name: HealthCheckResponse(status=status) for name, status in self._current().items()})

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:
        """Writes the status of a service and each change of it until the server drains."""
        watch = asyncio.ensure_future(self._statuses.Watch(request, context))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((watch, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            ended.cancel()
            await asyncio.gather(watch, ended, return_exceptions=True)

    def _current(self) -> dict[str, int]:
        serving = {**self._serving, ALL: all(self._serving.values())}
        return {name: _SERVING if self._opened and each else _NOT_SERVING for name, each in serving.items()}
