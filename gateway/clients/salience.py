"""Memory's salience ledger as the gateway writes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc.aio

from atlas import tensors
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.salience import EventKind
from atlas.type.v1 import salience_pb2, type_pb2

from ..memories import Durability, Scope, SourceClass
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
    result_ranks: Mapping[str, int]
    """Position of each result that was shown, from 1, by memory id."""
    source_class: SourceClass
    """Who stands behind the search."""


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
    """Position among the results as they would be without salience, from 1; 0 if it would not be among them."""


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


@dataclass(frozen=True, slots=True)
class Piece:
    """Evidence from outside about one memory."""

    memory_id: str
    """Which memory."""
    kind: EventKind
    """USED, EXPLICIT, OUTCOME or PIN."""
    value: float
    """How good, [0, 1]."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the ledger made of evidence from outside."""

    accepted_count: int = 0
    """Pieces that count now."""
    duplicate_count: int = 0
    """Pieces that counted before."""
    ignored_count: int = 0
    """Pieces that do not count because they are SYSTEM traffic."""
    durability: Durability | None = None
    """What the acknowledgement survives; None if nothing was written."""


class SalienceClient:
    """Calls memory's `SalienceService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.SalienceServiceStub(channel)

    async def record(self, scope: Scope, impression: Impression, observations: Sequence[Observation], *, deadline: Deadline) -> Recorded:
        """Records a search and the evidence that it gave, in one transaction that survives a crash."""
        request = pb.RecordEventsRequest(
            scope=scope_message(scope),
            search_id=impression.search_id,
            pool=[_entry(candidate, impression.result_ranks) for candidate in impression.pool],
            events=[_event(observation) for observation in observations],
            durability=type_pb2.DURABILITY_PROCESS_CRASH,
            source_class=source_class_name(impression.source_class),
        )
        if impression.query is not None:
            request.query.CopyFrom(tensors.to_message(impression.query.vector))
            request.fingerprint = impression.query.fingerprint
        reply = await call(self._stub.RecordEvents, request, deadline=deadline)
        durability = Durability(reply.durability)
        return Recorded(reply.accepted_count, reply.duplicate_count, len(reply.rejected), durability, server_time(reply.timing))

    async def give(
        self,
        scope: Scope,
        search_id: str,
        pieces: Sequence[Piece],
        *,
        source_class: SourceClass,
        durability: Durability,
        deadline: Deadline,
    ) -> Given:
        """Records evidence from outside about a search, all or nothing."""
        request = pb.RecordFeedbackRequest(
            scope=scope_message(scope),
            search_id=search_id,
            feedback=[pb.Feedback(memory_id=piece.memory_id, kind=f"EVENT_KIND_{piece.kind.name}", value=piece.value) for piece in pieces],
            source_class=source_class_name(source_class),
            durability=f"DURABILITY_{durability.name}",
        )
        reply = await call(self._stub.RecordFeedback, request, deadline=deadline)
        written = Durability(reply.durability) if reply.durability else None
        return Given(reply.accepted_count, reply.duplicate_count, reply.ignored_count, written)

    async def shown(self, scope: Scope, search_id: str, *, deadline: Deadline) -> dict[str, int]:
        """Reads which memories were in the pool of a search: their position among the results, from 1, or 0 if not shown; by id."""
        request = pb.GetImpressionRequest(scope=scope_message(scope), search_id=search_id)
        reply = await call(self._stub.GetImpression, request, deadline=deadline)
        return {entry.memory_id: entry.result_rank for entry in reply.pool}


def source_class_name(source_class: SourceClass) -> str:
    """Returns the name that the wire has for a source class."""
    return f"SOURCE_CLASS_{source_class.name}"


def _entry(candidate: Candidate, result_ranks: Mapping[str, int]) -> pb.PoolEntry:
    return pb.PoolEntry(
        memory_id=candidate.memory.memory_id,
        collection=candidate.memory.collection,
        generation=candidate.memory.generation,
        pool=f"POOL_{candidate.pool.name}",
        rank=candidate.pool_rank,
        propensity=candidate.propensity,
        result_rank=result_ranks.get(candidate.memory.memory_id, 0),
    )


def _event(observation: Observation) -> pb.Event:
    return pb.Event(
        memory_id=observation.memory_id,
        kind=salience_pb2.EVENT_KIND_RERANK,
        raw_score=observation.raw_score,
        score_kind=type_pb2.SCORE_KIND_MAXSIM,
        relevance=observation.relevance,
        calibration_version=observation.calibration_version,
        rank_before_salience=observation.rank,
    )
