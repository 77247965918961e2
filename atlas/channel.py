"""Channels and calls to other parts: keepalive, limits, deadlines, errors, and the one retry policy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio

from . import logs
from .deadlines import Deadline
from .interceptors.request_id import REQUEST_ID_KEY
from .settings import MAX_MESSAGE_BYTES
from .status import from_rpc_error

Request = TypeVar("Request")
Response = TypeVar("Response")

MAX_ATTEMPTS = 3
"""Calls that one call of the gateway may become, the first one included."""

_RETRY_POLICY = {
    "maxAttempts": MAX_ATTEMPTS,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# In the long run a tenth of the calls may be retries: a part that fails everything is not flooded with more. Half of the
# tokens may go at once, so that the calls in flight to a part that was killed all get their second attempt.
_RETRY_THROTTLING = {"maxTokens": 100, "tokenRatio": 0.1}


def open_channel(
    target: str,
    *,
    service_names: Sequence[str],
    retry: bool = False,
    health_service: str | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> grpc.aio.Channel:
    """Opens a channel to a part; it connects by itself, again and again.

    Args:
        target: `host:port`, or any name that gRPC resolves, such as `dns:///embedder:50051`.
        service_names: Full names of the services that are called; the retry policy holds for these.
        retry: Whether calls that end with UNAVAILABLE are repeated. Only the gateway does that, for one caller's call must
            not be multiplied at each step.
        health_service: Service whose health decides whether an address gets calls. None sends calls in any case.
        max_message_bytes: Largest message in either direction.
    """
    config = json.dumps(_service_config(service_names, retry=retry, health_service=health_service))
    return grpc.aio.insecure_channel(target, options=[("grpc.service_config", config), *_options(max_message_bytes)])


async def call(method: Callable[..., Awaitable[Response]], request: Any, *, deadline: Deadline, wait_for_ready: bool = False) -> Response:
    """Makes a call with one request and one reply, carrying the id of the request that is being served.

    Args:
        method: A method of a generated stub.
        request: Its request.
        deadline: When the reply is worth nothing any more.
        wait_for_ready: Whether to wait for a part that is away. Not for calls that a user waits for.

    Raises:
        AtlasError: What the part answered, or DependencyDownError, or DeadlineError.
    """
    deadline.check("the call was sent")
    with _errors_mapped():
        return await method(request, timeout=deadline.remaining_s, metadata=_metadata(), wait_for_ready=wait_for_ready)


@asynccontextmanager
async def open_stream(
    method: Callable[..., grpc.aio.StreamStreamCall[Request, Response]], *, deadline: Deadline
) -> AsyncIterator[grpc.aio.StreamStreamCall[Request, Response]]:
    """Opens a stream in both directions: `write`, `done_writing`, and `async for` over the replies.

    Inside the block a failed stream raises an AtlasError; leaving the block cancels what still runs.

    Args:
        method: A method of a generated stub.
        deadline: When the whole stream ends.
    """
    deadline.check("the stream was opened")
    stream = method(timeout=deadline.remaining_s, metadata=_metadata())
    try:
        with _errors_mapped():
            yield stream
    finally:
        stream.cancel()


@asynccontextmanager
async def open_replies(
    method: Callable[..., grpc.aio.UnaryStreamCall[Request, Response]], request: Request, *, deadline: Deadline
) -> AsyncIterator[grpc.aio.UnaryStreamCall[Request, Response]]:
    """Makes a call with one request and a stream of replies: `async for` over them.

    Inside the block a failed stream raises an AtlasError; leaving the block cancels what still runs.

    Args:
        method: A method of a generated stub.
        request: Its request.
        deadline: When the whole stream ends.
    """
    deadline.check("the call was sent")
    replies = method(request, timeout=deadline.remaining_s, metadata=_metadata())
    try:
        with _errors_mapped():
            yield replies
    finally:
        replies.cancel()


async def upload(
    method: Callable[..., grpc.aio.StreamUnaryCall[Request, Response]], requests: AsyncIterator[Request], *, deadline: Deadline
) -> Response:
    """Makes a call with many requests and one reply.

    Raises:
        AtlasError: What the part answered, or DependencyDownError, or DeadlineError.
    """
    deadline.check("the call was sent")
    with _errors_mapped():
        return await method(requests, timeout=deadline.remaining_s, metadata=_metadata())


@contextmanager
def _errors_mapped() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


def _metadata() -> tuple[tuple[str, str], ...]:
    request_id = logs.request_id.get()
    return () if request_id is None else ((REQUEST_ID_KEY, request_id),)


def _service_config(service_names: Sequence[str], *, retry: bool, health_service: str | None) -> dict[str, Any]:
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry:
        config["methodConfig"] = [{"name": [{"service": name} for name in service_names], "retryPolicy": _RETRY_POLICY}]
        config["retryThrottling"] = _RETRY_THROTTLING
    if health_service is not None:
        config["healthCheckConfig"] = {"serviceName": health_service}
    return config


def _options(max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without it, keepalive does not notice a peer that is frozen.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # The default waits up to two minutes before it looks for a part that came back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # The parts meet directly; a proxy of the user's is not for them.
        ("grpc.enable_http_proxy", 0),
    ]
