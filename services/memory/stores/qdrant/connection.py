"""The connection to a Qdrant server: its version, its faults, and its coming back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from atlas.errors import (
    AtlasError,
    DeadlineError,
    DependencyDownError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    StartupError,
)

from ...store import StoreState
from ..availability import RETRY_AFTER_MS, Availability

_LOG = logging.getLogger(__name__)

OLDEST_VERSION = (1, 19)
"""First version that counts IDF inside a filter and resolves filters before it logs a write."""
ATTEMPTS_BEFORE_DOWN = 3
"""Failed attempts in a row after which the store calls itself DOWN; it goes on trying."""
_WAIT = wait_exponential(multiplier=0.05, max=5.0)

_ERRORS: dict[grpc.StatusCode, type[AtlasError]] = {
    grpc.StatusCode.UNAVAILABLE: DependencyDownError,
    grpc.StatusCode.CANCELLED: DependencyDownError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
}


class Connection:
    """Guards calls to a server and has the tail replayed after it was away."""

    def __init__(self, client: AsyncQdrantClient, *, wait_s: float, replay: Callable[[], Awaitable[None]]) -> None:
        """Takes an open client.

        Args:
            client: The client of the server.
            wait_s: Most seconds that a call waits for a server that is away.
            replay: Called when the server came back, before calls go on.
        """
        self._client = client
        self._availability = Availability(wait_s=wait_s)
        self._replay = replay
        self._watch: asyncio.Task[None] | None = None
        self._loss_count = 0
        self._numbers: tuple[int, ...] = OLDEST_VERSION

    @property
    def version(self) -> tuple[int, ...]:
        """Version of the server, once `open` has returned."""
        return self._numbers

    @property
    def loss_count(self) -> int:
        """How often the server was found away."""
        return self._loss_count

    @property
    def state(self) -> StoreState:
        """Whether the server answered last."""
        return self._availability.state

    async def open(self, *, timeout_s: float) -> None:
        """Waits for the server and checks its version.

        Raises:
            StartupError: It did not answer in time, or is too old.
        """
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(grpc.aio.AioRpcError),
            wait=_WAIT,
            stop=stop_after_delay(timeout_s),
            reraise=True,
        )
        try:
            version: str = await attempts(self._version)
        except grpc.aio.AioRpcError as error:
            raise StartupError(f"the Qdrant server does not answer (qdrant_host, qdrant_grpc_port): {error.details()}") from error
        self._numbers = _numbers(version)
        if self._numbers < OLDEST_VERSION:
            oldest = ".".join(map(str, OLDEST_VERSION))
            raise StartupError(f"the Qdrant server is {version}; {oldest} or later is needed")
        self._availability.become(StoreState.SERVING)

    async def close(self) -> None:
        """Ends the watch and the client."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._availability.become(StoreState.DOWN)
        await self._client.close()

    @asynccontextmanager
    async def calling(self, timeout_s: float | None) -> AsyncIterator[None]:
        """Holds one call: waits for a server that is away, and turns faults into our errors.

        Raises:
            DeadlineError: The call took longer than `timeout_s` seconds.
            DependencyDownError: The server is away; from now on it is watched for.
            AtlasError: The server refused the call.
        """
        await self._availability.serving(timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                with translated():
                    yield
        except TimeoutError:
            raise DeadlineError(
                f"the Qdrant server did not answer within {(timeout_s or 0) * 1000:.0f} ms",
                wait_ms=round((timeout_s or 0) * 1000),
            ) from None
        except DependencyDownError:
            self._lost()
            raise

    async def _version(self) -> str:
        return (await self._client.info()).version

    def _lost(self) -> None:
        if self._watch is None or self._watch.done():
            self._loss_count += 1
            self._availability.become(StoreState.RESTARTING)
            self._watch = asyncio.create_task(self._await_return(), name="qdrant watch")

    async def _await_return(self) -> None:
        attempts = AsyncRetrying(
            # Whatever keeps the server from coming back is logged and tried again.
            retry=retry_if_exception_type(Exception),
            wait=_WAIT,
            before_sleep=self._note_failure,
        )
        await attempts(self._returned)
        self._availability.become(StoreState.SERVING)
        _LOG.info("qdrant server serves again")

    async def _returned(self) -> None:
        await self._version()
        await self._replay()

    def _note_failure(self, state: RetryCallState) -> None:
        if state.attempt_number >= ATTEMPTS_BEFORE_DOWN:
            self._availability.become(StoreState.DOWN)
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, grpc.aio.AioRpcError):
            _LOG.warning("qdrant server is away", extra={"attempt": state.attempt_number, "cause": error.details()})
        else:
            _LOG.error("qdrant server could not be used again", exc_info=error, extra={"attempt": state.attempt_number})


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns the client's faults into our errors."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise OverloadedError(f"the Qdrant server is overloaded: {error}", retry_after_ms=error.retry_after_s * 1000) from error
    except grpc.aio.AioRpcError as error:
        raise _error_of(error) from error


def _error_of(error: grpc.aio.AioRpcError) -> AtlasError:
    kind = _ERRORS.get(error.code(), AtlasError)
    return kind(
        f"the Qdrant server answered {error.code().name}: {error.details()}",
        retry_after_ms=RETRY_AFTER_MS if kind is DependencyDownError else None,
        qdrant_status=error.code().name,
    )


def _numbers(version: str) -> tuple[int, ...]:
    head = version.removeprefix("v").split("-")[0].split("+")[0]
    return tuple(int(part) for part in head.split(".") if part.isdecimal())
