"""Puts the layers around every handler of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import grpc
import grpc.aio

from . import codec
from .call import Call, Context, Layer, Proceed

_HANDLERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class Chain(grpc.aio.ServerInterceptor):
    """Runs each call through layers, outermost first.

    One interceptor instead of one a layer: a handler is wrapped once, not at every call.
    """

    def __init__(self, layers: Sequence[Layer], infrastructure_layers: Sequence[Layer]) -> None:
        """Creates the chain.

        Args:
            layers: Around the RPCs of the part.
            infrastructure_layers: Around health and reflection, whose streams stay open for as long as a client likes.
        """
        self._layers = layers
        self._infrastructure_layers = infrastructure_layers
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Returns the wrapped handler of an RPC, or None for one that does not exist."""
        path = handler_call_details.method
        if path not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            self._wrapped[path] = self._wrap(path, handler)
        return self._wrapped[path]

    def _wrap(self, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        _, service, method = path.split("/")
        proceed: Proceed = codec.behaviour(handler)
        layers = self._infrastructure_layers if service.startswith("grpc.") else self._layers
        for layer in reversed(layers):
            proceed = partial(layer, proceed=proceed)

        async def serve(request: Any, context: Context) -> bytes | None:
            return await proceed(Call(service, method, request, context))

        kind = (handler.request_streaming, handler.response_streaming)
        return _HANDLERS[kind](serve, response_serializer=codec.late_serializer(handler))
