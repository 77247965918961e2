"""Decodes requests and encodes replies inside the handler, where a failure gets its right status.

gRPC itself answers a malformed request with UNKNOWN and the text of a Python exception.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from atlas.errors import InvalidInputError

from .call import Call, Proceed

Deserializer = Callable[[bytes], Any]


def behaviour(handler: grpc.RpcMethodHandler[Any, Any]) -> Proceed:
    """Returns a handler's behaviour as bytes in, bytes out."""
    if not handler.response_streaming:
        return _unary(handler)
    if inspect.isasyncgenfunction(_function(handler)):
        return _streaming(handler)
    return _writing(handler)


def late_serializer(handler: grpc.RpcMethodHandler[Any, Any]) -> Callable[[Any], bytes] | None:
    """Returns what gRPC still has to serialise with: only a handler that calls `context.write` itself needs it."""
    if handler.response_streaming and not inspect.isasyncgenfunction(_function(handler)):
        return handler.response_serializer
    return None


def _unary(handler: grpc.RpcMethodHandler[Any, Any]) -> Proceed:
    function, serialize = _function(handler), handler.response_serializer or bytes

    async def proceed(call: Call) -> bytes:
        return serialize(await function(_request(handler, call), call.context))

    return proceed


def _streaming(handler: grpc.RpcMethodHandler[Any, Any]) -> Proceed:
    function, serialize = _function(handler), handler.response_serializer or bytes

    async def proceed(call: Call) -> None:
        # Closing it here runs the servicer's own clean-up in this task, also when the caller left.
        async with aclosing(function(_request(handler, call), call.context)) as replies:
            async for reply in replies:
                await call.context.write(serialize(reply))

    return proceed


def _writing(handler: grpc.RpcMethodHandler[Any, Any]) -> Proceed:
    function = _function(handler)

    async def proceed(call: Call) -> None:
        await function(_request(handler, call), call.context)

    return proceed


def _function(handler: grpc.RpcMethodHandler[Any, Any]) -> Callable[[Any, Any], Any]:
    function = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    assert function is not None, "gRPC fills in the one that fits the handler's kind"  # noqa: S101 (narrows the type)
    return function


def _request(handler: grpc.RpcMethodHandler[Any, Any], call: Call) -> Any:
    decode = handler.request_deserializer or bytes
    if isinstance(call.request, bytes):
        return _decoded(decode, call.request)
    return _decoded_stream(decode, call.request)


async def _decoded_stream(decode: Deserializer, requests: AsyncIterable[bytes]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _decoded(decode, request)


def _decoded(decode: Deserializer, request: bytes) -> Any:
    try:
        return decode(request)
    except DecodeError as error:
        raise InvalidInputError(
            f"the request of {len(request)} bytes is no valid message: its wire format is broken, or a string is no UTF-8",
            reason="MALFORMED_MESSAGE",
            field="request",
            size_bytes=len(request),
        ) from error
