"""What the replies of all parts have in common: their timing, and that they may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atlas.errors import InvalidInputError, ModelFaultError
from atlas.type.v1 import type_pb2

from ..messages import seconds_of


@dataclass(frozen=True, slots=True)
class ServerTime:
    """Where the time of a call went, as its server saw it."""

    queue_s: float = 0.0
    """Waiting for a worker, in seconds."""
    compute_s: float = 0.0
    """Doing the work, in seconds."""


def server_time(message: type_pb2.ServerTiming) -> ServerTime:
    """Returns the server's account of a call."""
    return ServerTime(queue_s=seconds_of(message.queue), compute_s=seconds_of(message.compute))


@contextmanager
def reply_of(part: str) -> Iterator[None]:
    """Turns a reply that cannot be read into a fault of its part; the caller of the gateway did nothing wrong.

    Raises:
        ModelFaultError: The block found the reply wrong.
    """
    try:
        yield
    except InvalidInputError as error:
        raise ModelFaultError(f"the {part} sent a reply that cannot be used: {error.message}", part=part) from error
