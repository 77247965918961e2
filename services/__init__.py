"""The deployable parts: one folder each; they meet only over gRPC."""

from atlas.grpc_core import poll_where_calls_are_awaited

poll_where_calls_are_awaited()
