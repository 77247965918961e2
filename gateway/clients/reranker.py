"""The reranker as the gateway calls it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio

from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.errors import ModelFaultError
from atlas.reranker.v1 import reranker_pb2 as pb
from atlas.reranker.v1 import reranker_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..messages import duration_message
from .embedder import QueryTokens
from .memory import Candidate
from .questions import Question, question_message
from .replies import ServerTime, server_time

MAX_FORGOTTEN = 10_000
"""Most passages that one call drops."""


@dataclass(frozen=True, slots=True)
class RerankerModel:
    """The reranker's model and what it takes in one call."""

    model_id: str
    """Name of the model."""
    revision: str
    """Exact version."""
    fingerprint: str
    """Fingerprint of the space it works in; empty for a cross-encoder."""
    calibration_version: str
    """Version of its calibration."""
    max_input_count: int
    """Candidates of a call."""
    described: type_pb2.ModelInfo
    """All that it says of itself; passed on as it came."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the reranker made of a candidate."""

    raw_score: float
    """The model's own score: a late interaction, [-1, 1]."""
    relevance: float
    """Calibrated probability that it answers the query, [0, 1]."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """What the reranker made of a pool."""

    scores: dict[str, Score]
    """By memory id; those that the budget left out are missing."""
    calibration_version: str
    """Version of the calibration behind every relevance."""
    token_count: int
    """Word pieces read."""
    cache_hits: int
    """Passages whose token vectors were known."""
    time: ServerTime
    """Where the time went."""


class RerankerClient:
    """Calls the reranker over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.RerankerServiceStub(channel)

    async def model(self, *, deadline: Deadline) -> RerankerModel:
        """Asks for the model."""
        reply = await call(self._stub.GetModelInfo, pb.GetModelInfoRequest(), deadline=deadline)
        return RerankerModel(
            model_id=reply.model.model_id,
            revision=reply.model.revision,
            fingerprint=next((space.fingerprint for space in reply.model.spaces), ""),
            calibration_version=reply.calibration_version,
            max_input_count=reply.model.limits.max_input_count,
            described=reply.model,
        )

    async def forget(self, content_sha256s: Sequence[str], *, deadline: Deadline) -> int:
        """Drops passages from the cache of token vectors, named by the hash of their indexed text; says how many were there."""
        count = 0
        for begin in range(0, len(content_sha256s), MAX_FORGOTTEN):
            request = pb.ForgetPassagesRequest(content_sha256s=content_sha256s[begin : begin + MAX_FORGOTTEN])
            count += (await call(self._stub.ForgetPassages, request, deadline=deadline)).forgotten_count
        return count

    async def rerank(
        self,
        question: Question,
        candidates: Sequence[Candidate],
        *,
        max_time_s: float,
        deadline: Deadline,
        tokens: QueryTokens | None = None,
    ) -> Reranked:
        """Scores candidates; what does not fit into `max_time_s` stays without a score.

        With `tokens` the reranker does not read the question itself.

        Raises:
            SchemaMismatchError: The model is not that of `tokens`.
            ModelFaultError: The reply is not one finite score a candidate, in their order.
        """
        request = pb.RerankRequest(
            query=question_message(question),
            candidates=[_message(candidate) for candidate in candidates],
            budget=pb.Budget(max_time=duration_message(max_time_s)),
        )
        if tokens is not None:
            request.query_tokens.CopyFrom(tokens.vectors)
            request.query_fingerprint = tokens.fingerprint
        reply = await call(self._stub.Rerank, request, deadline=deadline)
        asked = [candidate.memory.memory_id for candidate in candidates]
        answered = [score.id for score in reply.scores]
        if answered != asked:
            raise ModelFaultError(
                f"the reranker answered {len(answered)} candidates for {len(asked)}, or others than it was asked about",
                answered_count=len(answered),
                candidate_count=len(asked),
            )
        return Reranked(
            scores={score.id: _score(score) for score in reply.scores if score.scored},
            calibration_version=reply.calibration_version,
            token_count=reply.usage.tokens,
            cache_hits=reply.usage.cache_hits,
            time=server_time(reply.timing),
        )


def _message(candidate: Candidate) -> pb.Candidate:
    message = pb.Candidate(id=candidate.memory.memory_id, content=type_pb2.Input(text=candidate.memory.indexed))
    if candidate.tokens is not None:
        message.tokens.CopyFrom(candidate.tokens)
        message.fingerprint = candidate.token_fingerprint
    return message


def _score(message: pb.CandidateScore) -> Score:
    if not (message.HasField("raw_score") and message.HasField("relevance")):
        raise ModelFaultError(f"the reranker scored candidate {message.id} without giving a score", memory_id=message.id)
    if not math.isfinite(message.raw_score) or not 0.0 <= message.relevance <= 1.0:
        raise ModelFaultError(
            f"the reranker gave candidate {message.id} the score {message.raw_score} and the relevance {message.relevance}",
            memory_id=message.id,
            raw_score=message.raw_score,
            relevance=message.relevance,
        )
    if message.score_kind != type_pb2.SCORE_KIND_MAXSIM:
        raise ModelFaultError(
            f"the reranker's scores are of kind {message.score_kind}; the ranking of this profile reads MAXSIM",
            score_kind=message.score_kind,
        )
    return Score(raw_score=message.raw_score, relevance=message.relevance)
