"""Two-stage search, step by step. The only module that may answer without a stage, and it names it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from atlas.deadlines import Deadline
from atlas.errors import (
    AtlasError,
    DeadlineError,
    DependencyDownError,
    InvalidInputError,
    ModelFaultError,
    OverloadedError,
    SchemaMismatchError,
    UnsupportedError,
)
from atlas.ranking import readable

from . import notices
from .answers import Answer, Degradation, ModelUse, Notice, SalienceWrite, SearchQuery, Skipped, Usage
from .clients import (
    Candidate,
    EmbedderClient,
    Impression,
    MemoryClient,
    Observation,
    QueryTokens,
    QueryVector,
    Reranked,
    RerankerClient,
    SalienceClient,
    Stage,
)
from .memories import Pool, SalienceMode, Scope
from .models import Models
from .ordering import Ranked, hits_of, ordered, selected
from .timings import Stopwatch

_logger = logging.getLogger(__name__)
T = TypeVar("T")

_RETRY_AFTER_MS = 1_000
_REPLY_SHARE = 0.9
_LARGEST_RESERVE_SHARE = 0.25

# A class that is not here passes.
_EMBED_REASONS: dict[type[AtlasError], str] = {
    DependencyDownError: "EMBEDDER_UNAVAILABLE",
    OverloadedError: "EMBEDDER_UNAVAILABLE",
    DeadlineError: "EMBEDDER_TIMEOUT",
    ModelFaultError: "EMBEDDER_FAULT",
    AtlasError: "EMBEDDER_FAULT",
}
_RERANK_REASONS: dict[type[AtlasError], str] = {
    DependencyDownError: "RERANK_UNAVAILABLE",
    OverloadedError: "RERANK_OVERLOADED",
    DeadlineError: "RERANK_TIMEOUT",
    ModelFaultError: "RERANK_FAULT",
    AtlasError: "RERANK_FAULT",
}


@dataclass(frozen=True, slots=True)
class SearchBudget:
    """How a search divides its time."""

    embed_share: float
    """Most that embedding may take, as a fraction of the time there is."""
    answer_reserve_s: float
    """What reranking leaves for recording and answering, in seconds."""
    record_cap_s: float
    """Most that recording may take, in seconds."""


@dataclass(slots=True)
class _Run:
    """One search under way."""

    query: SearchQuery
    scope: Scope
    deadline: Deadline
    watch: Stopwatch
    degraded: list[Degradation] = field(default_factory=list)
    models: list[ModelUse] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class Searcher:
    """Answers queries with the best memories."""

    def __init__(
        self,
        *,
        embedder: EmbedderClient,
        memory: MemoryClient,
        reranker: RerankerClient,
        salience: SalienceClient,
        models: Models,
        budget: SearchBudget,
    ) -> None:
        self._embedder = embedder
        self._memory = memory
        self._reranker = reranker
        self._salience = salience
        self._models = models
        self._budget = budget

    async def search(self, query: SearchQuery, scope: Scope, *, deadline: Deadline, watch: Stopwatch) -> Answer:
        """Answers a query.

        Without the embedder the pool is lexical; without the reranker its order is that of the pool. Evidence is written only from what
        both have seen.

        Raises:
            DependencyDownError: Memory is away, or any part while the query demands a complete answer.
            AtlasError: The query is wrong, or a stage failed while the query demands a complete answer.
        """
        run = _Run(query, scope, deadline, watch)
        vector = await self._embed(run)
        stage = await self._candidates(run, vector)
        reranked = await self._rerank(run, stage.candidates, None if vector is None else vector.tokens)
        with watch.own_stage("assemble"):
            fragmentation = 0.0 if vector is None else vector.fragmentation
            ranked = ordered(stage.candidates, reranked, fragmentation)
            results = selected(ranked, query)
            hits = hits_of(results, query, fragmentation)
            run.notices.extend(notices.notices_of(query, stage.searched, ranked, run.degraded))
        return Answer(
            hits=hits,
            search_id=query.search_id,
            models=tuple(run.models),
            degraded=tuple(run.degraded),
            notices=tuple(run.notices),
            salience_write=await self._record(run, vector, stage.candidates, reranked, results),
            usage=_usage(vector, stage.candidates, reranked),
        )

    async def _embed(self, run: _Run) -> QueryVector | None:
        deadline = run.deadline.child(cap_s=run.deadline.remaining_s * self._budget.embed_share)
        with run.watch.stage("embed") as lap:
            try:
                vector = await self._vector(run, deadline)
            except (InvalidInputError, UnsupportedError):
                raise  # the caller's mistake is never answered with less
            except AtlasError as error:
                if not run.query.question.text:
                    raise  # a picture alone has no words to look for
                self._models.forget_embedder()
                self._degrade(run, "embed", _EMBED_REASONS, error)
                return None
            lap.server = vector.time
            run.models.append(await self._embedder_use(vector, deadline))
            return vector

    async def _vector(self, run: _Run, deadline: Deadline) -> QueryVector:
        question = run.query.question
        # One reading of the query serves both models where they are known to be the same encoder.
        shared = "" if question.image else self._models.shared_token_fingerprint
        try:
            return await self._embedder.embed_query(question, deadline=deadline, token_fingerprint=shared)
        except UnsupportedError:
            if not shared:
                raise
            # Another model has taken the place of the one that was asked about, and has no token vectors.
            self._models.forget_embedder()
        return await self._embedder.embed_query(question, deadline=deadline)

    async def _candidates(self, run: _Run, vector: QueryVector | None) -> Stage:
        query = run.query
        with run.watch.stage("candidates") as lap:
            try:
                stage = await self._memory.query(
                    run.scope,
                    query.question.text,
                    vector,
                    collections=query.collections,
                    restriction=query.restriction,
                    candidate_count=self._candidate_count(run),
                    salience_mode=query.salience_mode,
                    deadline=run.deadline,
                )
            except DependencyDownError as error:
                raise _memory_away(error) from error
            lap.server = stage.time
            return stage

    async def _rerank(self, run: _Run, pool: Sequence[Candidate], tokens: QueryTokens | None) -> Reranked | None:
        if not pool:
            return None
        reserve_s = min(self._budget.answer_reserve_s, run.deadline.remaining_s * _LARGEST_RESERVE_SHARE)
        deadline = run.deadline.child(reserve_s=reserve_s)
        with run.watch.stage("rerank") as lap:
            try:
                reranked = await self._reranked(run, pool, tokens, deadline)
                lap.server = reranked.time
                if not reranked.scores:
                    raise DeadlineError(f"the reranker scored none of {len(pool)} candidates in the time left", candidate_count=len(pool))
            except AtlasError as error:
                self._models.forget_reranker()
                self._degrade(run, "rerank", _RERANK_REASONS, error)
                return None
            if len(reranked.scores) < len(pool):
                self._partial(run, len(reranked.scores), len(pool))
            run.models.append(await self._reranker_use(reranked, deadline))
            return reranked

    async def _reranked(self, run: _Run, pool: Sequence[Candidate], tokens: QueryTokens | None, deadline: Deadline) -> Reranked:
        question = run.query.question
        # The budget ends before the call does, so that what was scored by then still arrives.
        max_time_s = deadline.remaining_s * _REPLY_SHARE
        try:
            return await self._reranker.rerank(question, pool, max_time_s=max_time_s, deadline=deadline, tokens=tokens)
        except (SchemaMismatchError, InvalidInputError) as error:
            if tokens is None:
                raise
            # Another model has taken the place of the one that was asked about: it has to read the query itself.
            _logger.warning("the reranker does not take the query's token vectors", extra={"reason": error.reason})
            self._models.forget_reranker()
        max_time_s = deadline.remaining_s * _REPLY_SHARE
        return await self._reranker.rerank(question, pool, max_time_s=max_time_s, deadline=deadline)

    async def _record(
        self, run: _Run, vector: QueryVector | None, pool: Sequence[Candidate], reranked: Reranked | None, results: Sequence[Ranked]
    ) -> SalienceWrite:
        skipped = _skipped(run.query, vector, pool, reranked)
        if skipped in (Skipped.OFF, Skipped.READ, Skipped.NO_HITS):
            return SalienceWrite(skipped)
        # The impression is recorded even when no evidence may be, so that later feedback has its pool.
        impression = Impression(run.query.search_id, vector, pool)
        observations = [] if skipped or reranked is None else _observations(pool, reranked, results)
        with run.watch.stage("record") as lap:
            try:
                deadline = run.deadline.child(cap_s=self._budget.record_cap_s)
                recorded = await self._salience.record(run.scope, impression, observations, deadline=deadline)
                lap.server = recorded.time
            except AtlasError as error:
                _logger.warning("salience was not written", extra={"reason": error.reason})
                return SalienceWrite(skipped, error=error)
        return SalienceWrite(skipped, recorded.accepted_count, recorded.duplicate_count, recorded.rejected_count, recorded.durability)

    def _candidate_count(self, run: _Run) -> int:
        asked, limit = run.query.candidate_count, self._models.max_candidate_count
        if limit is None or asked <= limit:
            return asked
        run.notices.append(notices.candidates_limited(asked, limit))
        return limit

    def _degrade(self, run: _Run, stage: str, reasons: dict[type[AtlasError], str], error: AtlasError) -> None:
        reason = reasons.get(type(error))
        if reason is None or run.query.require_complete:
            raise error
        _logger.warning("a stage did not do its part", extra={"stage": stage, "degradation": reason})
        run.degraded.append(Degradation(stage, reason, error.message))

    def _partial(self, run: _Run, scored_count: int, candidate_count: int) -> None:
        message = f"the reranker scored {scored_count} of {candidate_count} candidates in the time left"
        if run.query.require_complete:
            raise DeadlineError(message, reason="RERANK_PARTIAL", scored_count=scored_count, candidate_count=candidate_count)
        run.degraded.append(Degradation("rerank", "RERANK_PARTIAL", message))

    async def _embedder_use(self, vector: QueryVector, deadline: Deadline) -> ModelUse:
        async def ask() -> ModelUse:
            model = await self._models.embedder(deadline=deadline, fingerprint=vector.fingerprint)
            return ModelUse("embedder", model.model_id, model.revision, vector.fingerprint)

        return await _named_or(ask, ModelUse("embedder", fingerprint=vector.fingerprint))

    async def _reranker_use(self, reranked: Reranked, deadline: Deadline) -> ModelUse:
        version = reranked.calibration_version

        async def ask() -> ModelUse:
            model = await self._models.reranker(deadline=deadline, calibration_version=version)
            return ModelUse("reranker", model.model_id, model.revision, model.fingerprint, version)

        return await _named_or(ask, ModelUse("reranker", calibration_version=version))


async def _named_or(ask: Callable[[], Awaitable[T]], unnamed: T) -> T:
    # The stage has done its part; that its model cannot be named right now is no reason to do without it.
    try:
        return await ask()
    except AtlasError as error:
        _logger.warning("a model could not be named", extra={"reason": error.reason})
        return unnamed


def _memory_away(error: DependencyDownError) -> DependencyDownError:
    away = DependencyDownError(
        f"memory is away: {error.message}", reason=error.reason, retry_after_ms=error.retry_after_ms or _RETRY_AFTER_MS
    )
    away.values = error.values
    return away


def _skipped(query: SearchQuery, vector: QueryVector | None, pool: Sequence[Candidate], reranked: Reranked | None) -> Skipped:
    match query.salience_mode:
        case SalienceMode.OFF:
            return Skipped.OFF
        case SalienceMode.READ:
            return Skipped.READ
        case _:
            if not pool:
                return Skipped.NO_HITS
            if vector is None or reranked is None:
                return Skipped.DEGRADED
            return Skipped.NOTHING if readable(vector.fragmentation) else Skipped.UNREADABLE


def _observations(pool: Sequence[Candidate], reranked: Reranked, results: Sequence[Ranked]) -> list[Observation]:
    ranks = {item.candidate.memory.memory_id: rank for rank, item in enumerate(results, start=1)}
    return [
        Observation(
            memory_id=memory_id,
            raw_score=score.raw_score,
            relevance=score.relevance,
            calibration_version=reranked.calibration_version,
            rank=ranks.get(memory_id, 0),
        )
        for candidate in pool
        if candidate.pool is Pool.CLEAN
        and (memory_id := candidate.memory.memory_id) in reranked.scores
        and (score := reranked.scores[memory_id])
    ]


def _usage(vector: QueryVector | None, pool: Sequence[Candidate], reranked: Reranked | None) -> Usage:
    tokens = (0 if vector is None else vector.token_count) + (0 if reranked is None else reranked.token_count)
    return Usage(tokens, len(pool), 0 if reranked is None else reranked.cache_hits)
