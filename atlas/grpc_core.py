"""What gRPC's core takes from the environment. It does so once, when gRPC is imported: whoever serves calls this before."""

from __future__ import annotations

import os

_SOCKETS_WITHOUT_THREADS = "-event_engine_client,-event_engine_listener"


def poll_where_calls_are_awaited() -> None:
    """Has the thread that waits for calls read the sockets itself, instead of threads of the core that hand over what they read.

    A search makes four calls between parts, and each message changes threads once less: `docs/decisions/0035` has what that gains. What the
    environment says already is left as it is.
    """
    os.environ.setdefault("GRPC_EXPERIMENTS", _SOCKETS_WITHOUT_THREADS)


def fork_without_handlers() -> None:
    """Has gRPC do nothing when this process forks, for one whose children become another program.

    Its handlers run in the child before it does, and crash it now and then: uvloop starts children by a plain fork.
    """
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
