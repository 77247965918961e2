"""What is to be there after what was acknowledged, on the level of the contract: nothing here knows how memory keeps anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

import grpc

from atlas.type.v1 import salience_pb2, type_pb2

OUTAGE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
"""What a caller is told while a process is away."""
CALL_S = 15.0
DAY_S = 86_400.0
WEIGHTS = {
    salience_pb2.SALIENCE_CHANNEL_PASSIVE: (salience_pb2.EVENT_KIND_RERANK, 1.0, 20 * DAY_S),
    salience_pb2.SALIENCE_CHANNEL_OUTSIDE: (salience_pb2.EVENT_KIND_EXPLICIT, 4.0, 60 * DAY_S),
}
"""What is summed in each channel here: kind of evidence, weight, half-life in seconds."""
COLLECTION = "notes"
CRASH, POWER = type_pb2.DURABILITY_PROCESS_CRASH, type_pb2.DURABILITY_POWER_LOSS
RERANK, EXPLICIT = salience_pb2.EVENT_KIND_RERANK, salience_pb2.EVENT_KIND_EXPLICIT


@dataclass(frozen=True)
class Happened:
    """One piece of evidence."""

    relevance: float
    time_s: float
    search_id: str = ""
    """Search that it is about; empty once it is known by none."""
    kind: int = RERANK


@dataclass(frozen=True)
class Known:
    """What is to be known about one memory."""

    text: str
    events: tuple[Happened, ...] = ()
    source: str = ""


State = dict[str, Known]
"""What is to be there, by the memory's name."""


class ViolationError(AssertionError):
    """Something that was acknowledged is not so."""


def require(truth: object, message: str) -> None:
    if not truth:
        raise ViolationError(message)


def with_event(known: Known, event: Happened) -> Known:
    """Adds a piece of evidence."""
    return replace(known, events=(*known.events, event))
