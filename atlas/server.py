"""Makes a server of a part's services: health, reflection, interceptors, drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Self, cast

import grpc.aio
import uvloop
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from prometheus_client import CollectorRegistry
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_fixed

from .errors import AtlasError, DeadlineError, DependencyDownError, OverloadedError, StartupError
from .health_service import SERVICE_NAME as HEALTH_SERVICE_NAME
from .health_service import Health
from .interceptors import Chain, Drain
from .interceptors.access_log import AccessLog
from .interceptors.call import Layer
from .interceptors.deadline import CallDeadline
from .interceptors.errors import Errors
from .interceptors.metrics import RpcMetrics
from .interceptors.request_id import RequestId
from .interpreter import calm_garbage_collection, hand_over_soon
from .listening import authority, bind, check_exposure, server_options
from .metrics import metrics_endpoint
from .reflection import add_reflection
from .settings import ServerSettings
from .turns import take_short_turns

_logger = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_READINESS_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Registration:
    """One service of a server."""

    name: str
    """Full name, such as `atlas.embedder.v1.EmbedderService`."""
    add: Callable[[Any, grpc.aio.Server], None]
    """Generated function that adds a servicer to a server."""
    servicer: object
    """What answers the calls."""

    @classmethod
    def of(cls, file: FileDescriptor, service: str, add: Callable[[Any, grpc.aio.Server], None], servicer: object) -> Self:
        """Returns the registration of the service that is called `service` in the proto `file`."""
        return cls(file.services_by_name[service].full_name, add, servicer)


class RunningServer:
    """A server that listens."""

    def __init__(
        self,
        server: grpc.aio.Server,
        health: Health,
        drain: Drain,
        settings: ServerSettings,
        readiness: asyncio.Task[None],
        ports: tuple[int, int | None],
    ) -> None:
        """Made by `serving` only."""
        self._server = server
        self._health = health
        self._drain = drain
        self._settings = settings
        self._readiness = readiness
        self._stopped = False
        self.host = settings.host
        """Address it listens on."""
        self.port, self.metrics_port = ports

    @property
    def address(self) -> str:
        """`host:port`, as `open_channel` takes it."""
        return authority(self.host, self.port)

    async def until_ready(self) -> None:
        """Waits until the server reports SERVING; raises what made readiness fail for good."""
        await asyncio.shield(self._readiness)

    async def until_signal(self) -> None:
        """Waits for SIGTERM or SIGINT; raises what made readiness fail for good.

        A second signal cancels the caller's task, which cuts a drain short.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"  # noqa: S101 (narrows the type)
        signalled = asyncio.Event()
        for number in _SIGNALS:
            loop.add_signal_handler(number, signalled.set)
        waiting = asyncio.ensure_future(signalled.wait())
        try:
            await asyncio.wait((waiting, self._readiness), return_when=asyncio.FIRST_EXCEPTION)
            if self._readiness.done():
                self._readiness.result()
        finally:
            waiting.cancel()
            for number in _SIGNALS:
                loop.add_signal_handler(number, task.cancel)

    async def set_serving(self, service_name: str, serving: bool) -> None:
        """Sets whether a service can answer, such as while an engine restarts; the server as a whole follows."""
        await self._health.set_serving(service_name, serving=serving)

    async def stop(self) -> None:
        """Drains and stops: NOT_SERVING, time for clients to notice, end of streams, then what still runs within the grace."""
        if self._stopped:
            return
        self._stopped = True
        self._readiness.cancel()
        await asyncio.gather(self._readiness, return_exceptions=True)
        await self._health.shut()
        _logger.info("draining")
        try:
            await asyncio.sleep(self._settings.lame_duck_ms / 1000)
            self._drain.begin()
            self._health.end_watches()
            await self._server.stop(self._settings.drain_grace_ms / 1000)
        except asyncio.CancelledError:
            await self._server.stop(None)
            raise
        _logger.info("stopped")


@asynccontextmanager
async def serving(
    settings: ServerSettings,
    services: Sequence[Registration],
    *,
    readiness: Callable[[], Awaitable[None]],
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[RunningServer]:
    """Serves `services` from the moment it is entered until it is left, then drains.

    Args:
        settings: Address, limits and times.
        services: The part's services; health and reflection are added.
        readiness: A real piece of work, such as a forward pass or a store read. Health says NOT_SERVING until it returned.
            It is repeated while it says that something is still away; any other error is for good, and comes out of
            `until_ready` and `until_signal`.
        registry: Where the metrics of the calls go; a new one by default.

    Raises:
        StartupError: The port is taken, or the address needs `insecure`.
    """
    check_exposure(settings)
    registry = registry if registry is not None else CollectorRegistry()
    names = [service.name for service in services]
    health, drain = Health(names), Drain()
    await health.publish()
    server = grpc.aio.server(
        interceptors=[_chain(settings, registry, drain)],
        options=server_options(settings),
        maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
    )
    handlers = cast("grpc.aio.Server", _ByName(server))
    for service in services:
        service.add(service.servicer, handlers)
    add_HealthServicer_to_server(health, handlers)
    add_reflection(handlers, (*names, HEALTH_SERVICE_NAME))
    port = bind(server, settings)
    async with AsyncExitStack() as stack:
        metrics_port = None
        if settings.metrics_port >= 0:
            metrics_port = stack.enter_context(metrics_endpoint(registry, settings.host, settings.metrics_port))
        await server.start()
        ready = asyncio.create_task(_become_ready(readiness, health), name="readiness")
        running = RunningServer(server, health, drain, settings, ready, (port, metrics_port))
        stack.push_async_callback(running.stop)
        _logger.info("listening", extra={"address": running.address, "metrics_port": metrics_port, "services": names})
        yield running


class _ByName:
    """Gives a server the handlers of services that find a method by its name, and not the methods one by one.

    For each method that is registered, gRPC keeps a task that waits for its next call, and with every call it goes through all of them: in
    memory these are over forty.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        """Takes the server as the generated code may have it."""
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service_name: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        """Leaves the methods to the generic handler, which the generated code adds as well."""


def run(main: Callable[[], Coroutine[Any, Any, None]], *, computes: bool) -> NoReturn:
    """Runs a part until `main` returns, and ends the process.

    Args:
        main: The part.
        computes: Whether it computes itself what it answers; one that does not is given a processor before one that does.

    Exits with 0 after a drain or a signal, with 1 and one line on standard error where the part could not start.
    """
    calm_garbage_collection()
    hand_over_soon()
    if not computes:
        take_short_turns()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_ended_by_signal(main))
        except (StartupError, AtlasError) as error:
            sys.exit(f"error: {error}")
    sys.exit(0)


async def _ended_by_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"  # noqa: S101 (narrows the type)
    for number in _SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        await main()
    except asyncio.CancelledError:
        # A signal before the part served, or a second one while it drained.
        _logger.warning("ended by a signal")


async def _become_ready(readiness: Callable[[], Awaitable[None]], health: Health) -> None:
    passing = retry_if_exception_type((DependencyDownError, DeadlineError, OverloadedError))

    async def attempt() -> None:
        # tenacity awaits what it recognises as a coroutine function; a lambda or a partial that returns one is not.
        await readiness()

    await AsyncRetrying(retry=passing, wait=wait_fixed(_READINESS_PAUSE_S), before_sleep=_log_not_ready)(attempt)
    await health.open()
    _logger.info("serving")


def _log_not_ready(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and isinstance(error, AtlasError):
        _logger.warning("not ready yet", extra={"reason": error.reason, "error": error.message})


def _chain(settings: ServerSettings, registry: CollectorRegistry, drain: Drain) -> Chain:
    request_id, errors = RequestId(), Errors()
    deadline = CallDeadline(
        default_s=min(settings.default_deadline_ms, settings.max_deadline_ms) / 1000,
        max_s=settings.max_deadline_ms / 1000,
        max_stream_s=settings.max_stream_ms / 1000,
    )
    layers: list[Layer] = [request_id, RpcMetrics(registry), AccessLog(), errors, deadline, drain]
    return Chain(layers, infrastructure_layers=[request_id, errors, drain])
