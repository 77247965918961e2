"""The gateway: the one address that callers need; it orchestrates and keeps nothing."""

from atlas.grpc_core import poll_where_calls_are_awaited

poll_where_calls_are_awaited()
