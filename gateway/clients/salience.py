"""Memory's salience ledger as the gateway writes to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio

from atlas import tensors
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..memories import Durability, Scope
from .embedder import QueryVector
from .memory import Candidate, scope_message
from .replies import ServerTime, server_time


@dataclass(frozen=True, slots=True)
class Impression:
    """What a search showed."""

    search_id: str
    """Id of the search."""
    query: QueryVector | None
    """The query; None while the embedder was away."""
    pool: Sequence[Candidate]
    """The pool, in its order."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the reranker measured of a member of the pool."""

    memory_id: str
    """Which memory."""
    raw_score: float
    """The reranker's raw score."""
    relevance: float
    """Calibrated probability, [0, 1]."""
    calibration_version: str
    """Version of the calibration."""
    rank: int
    """Position among the results, from 1; 0 if it was not among them."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger made of a search."""

    accepted_count: int
    """Events that count now."""
    duplicate_count: int
    """Events that counted before."""
    rejected_count: int
    """Events that do not count."""
    durability: Durability
    """What the acknowledgement survives."""
    time: ServerTime
    """Where the time went."""


class SalienceClient:
    """Calls memory's `SalienceService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.SalienceServiceStub(channel)

    async def record(self, scope: Scope, impression: Impression, observations: Sequence[Observation], *, deadline: Deadline) -> Recorded:
        """Records a search and the evidence that it gave, in one transaction that survives a crash."""
        request = pb.RecordEventsRequest(
            scope=scope_message(scope),
            search_id=impression.search_id,
            pool=[_entry(candidate) for candidate in impression.pool],
            events=[_event(observation) for observation in observations],
            durability=type_pb2.DURABILITY_PROCESS_CRASH,
        )
        if impression.query is not None:
            request.query.CopyFrom(tensors.to_message(impression.query.vector))
            request.fingerprint = impression.query.fingerprint
        reply = await call(self._stub.RecordEvents, request, deadline=deadline)
        durability = Durability(reply.durability)
        return Recorded(reply.accepted_count, reply.duplicate_count, len(reply.rejected), durability, server_time(reply.timing))


def _entry(candidate: Candidate) -> pb.PoolEntry:
    return pb.PoolEntry(
        memory_id=candidate.memory.memory_id,
        collection=candidate.memory.collection,
        generation=candidate.memory.generation,
        pool=f"POOL_{candidate.pool.name}",
        rank=candidate.pool_rank,
        propensity=candidate.propensity,
    )


def _event(observation: Observation) -> pb.Event:
    return pb.Event(
        memory_id=observation.memory_id,
        kind=pb.EVENT_KIND_RERANK,
        raw_score=observation.raw_score,
        score_kind=type_pb2.SCORE_KIND_MAXSIM,
        relevance=observation.relevance,
        calibration_version=observation.calibration_version,
        rank_before_salience=observation.rank,
    )
