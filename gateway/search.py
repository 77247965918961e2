"""Two-stage search, step by step. The only module that may answer without a stage, and it names it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from atlas.influence import Influence

from . import evidence, notices
from .answers import Answer, Degradation, Hit, ModelUse, Notice, PoolStep, ResultsStep, SalienceWrite, SearchQuery, Skipped, Usage
from .clients import (
    Candidate,
    Impression,
    MemoryClient,
    QueryTokens,
    QueryVector,
    Reranked,
    RerankerClient,
    SalienceClient,
    Stage,
)
from .embedders import FOREIGN, Embedders
from .memories import Scope
from .models import Models
from .ordering import Ranked, hits_of, max_displacement, ordered, positions, selected, without_salience
from .timings import Stopwatch

_logger = logging.getLogger(__name__)
T = TypeVar("T")

_RETRY_AFTER_MS = 1_000
_REPLY_SHARE = 0.9
_LARGEST_RESERVE_SHARE = 0.25
_SWITCHES = 2
"""Switches of a collection to another model that one search survives."""

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


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a search found, before it is recorded."""

    vector: QueryVector | None
    pool: Sequence[Candidate]
    reranked: Reranked | None
    results: Sequence[Ranked]
    hits: tuple[Hit, ...]
    before: Mapping[str, int]
    """Position of each candidate without salience, by memory id."""
    max_displacement: float


class Searcher:
    """Answers queries with the best memories."""

    def __init__(
        self,
        *,
        embedders: Embedders,
        memory: MemoryClient,
        reranker: RerankerClient,
        salience: SalienceClient,
        models: Models,
        budget: SearchBudget,
        influence: Influence,
    ) -> None:
        self._embedders = embedders
        self._memory = memory
        self._reranker = reranker
        self._salience = salience
        self._models = models
        self._budget = budget
        self._influence = influence
        self._recording: set[asyncio.Task[SalienceWrite]] = set()

    async def search(self, query: SearchQuery, scope: Scope, *, deadline: Deadline, watch: Stopwatch) -> Answer:
        """Answers a query.

        Without the embedder the pool is lexical; without the reranker its order is that of the pool. Evidence is written only from what
        both have seen.

        Raises:
            DependencyDownError: Memory is away, or any part while the query demands a complete answer.
            AtlasError: The query is wrong, or a stage failed while the query demands a complete answer.
        """
        run = _Run(query, scope, deadline, watch)
        vector, stage = await self._first_stage(run)
        outcome = await self._ranked(run, vector, stage)
        return _answer(run, outcome, await self._record(run, outcome))

    async def steps(
        self, query: SearchQuery, scope: Scope, *, deadline: Deadline, watch: Stopwatch
    ) -> AsyncGenerator[PoolStep | ResultsStep | Answer]:
        """Answers a query in steps: the pool, the results, and the whole answer with what was written back.

        Errors and degradations are those of `search`. Once it has given the results, the search is recorded even if nobody waits for it.
        """
        run = _Run(query, scope, deadline, watch)
        vector, stage = await self._first_stage(run)
        yield self._pool_step(run, vector, stage)
        outcome = await self._ranked(run, vector, stage)
        recording = asyncio.create_task(self._record(run, outcome))
        self._recording.add(recording)
        recording.add_done_callback(self._recording.discard)
        yield ResultsStep(outcome.hits, tuple(run.models), tuple(run.degraded), tuple(run.notices), outcome.max_displacement)
        yield _answer(run, outcome, await asyncio.shield(recording))

    async def settle(self) -> None:
        """Waits for what is still being recorded for callers that left."""
        if self._recording:
            await asyncio.wait(self._recording)

    def _pool_step(self, run: _Run, vector: QueryVector | None, stage: Stage) -> PoolStep:
        with run.watch.own_stage("assemble"):
            fragmentation = 0.0 if vector is None else vector.fragmentation
            ranked = ordered(stage.candidates, None, fragmentation, influence=self._influence)
            before = positions(without_salience(ranked), run.query)
            hits = hits_of(selected(ranked, run.query), run.query, fragmentation, before=before, influence=self._influence)
            return PoolStep(run.query.search_id, hits, len(stage.candidates), tuple(run.degraded))

    async def _ranked(self, run: _Run, vector: QueryVector | None, stage: Stage) -> _Outcome:
        query, pool = run.query, stage.candidates
        reranked = await self._rerank(run, pool, None if vector is None else vector.tokens)
        with run.watch.own_stage("assemble"):
            fragmentation = 0.0 if vector is None else vector.fragmentation
            ranked = ordered(pool, reranked, fragmentation, influence=self._influence)
            results = selected(ranked, query)
            before = positions(without_salience(ranked), query)
            hits = hits_of(results, query, fragmentation, before=before, influence=self._influence)
            run.notices.extend(notices.notices_of(query, stage.searched, ranked, run.degraded))
            return _Outcome(vector, pool, reranked, results, hits, before, max_displacement(ranked, self._influence))

    async def _embed(self, run: _Run) -> QueryVector | None:
        deadline = run.deadline.child(cap_s=run.deadline.remaining_s * self._budget.embed_share)
        with run.watch.stage("embed") as lap:
            try:
                vector = await self._embedders.embed_query(run.query.question, run.query.collections, deadline=deadline)
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

    async def _first_stage(self, run: _Run) -> tuple[QueryVector | None, Stage]:
        vector = await self._embed(run)
        for _ in range(_SWITCHES):
            try:
                return vector, await self._candidates(run, vector)
            except SchemaMismatchError as error:
                if error.reason != FOREIGN:
                    raise
            # A collection points to another generation by now: the query is asked again, in the space that it holds.
            with run.watch.own_stage("candidates"):
                await self._embedders.learn(run.scope, deadline=run.deadline)
            run.models.clear()
            vector = await self._embed(run)
        return vector, await self._candidates(run, vector)

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
                    # A repeated search draws the same candidates.
                    exploration_seed=query.search_id,
                    deadline=run.deadline,
                )
            except DependencyDownError as error:
                raise _memory_away(error) from error
            lap.server = stage.time
            # Beyond the clean pool there are as many places as the reranker can still take.
            return replace(stage, candidates=stage.candidates[: self._models.max_candidate_count])

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

    async def _record(self, run: _Run, outcome: _Outcome) -> SalienceWrite:
        query, reranked = run.query, outcome.reranked
        skipped = evidence.skipped(query, outcome.vector, outcome.pool, reranked)
        if skipped in (Skipped.OFF, Skipped.READ, Skipped.NO_HITS):
            return SalienceWrite(skipped)
        # The impression is recorded even when no evidence may be, so that later feedback has its pool.
        result_ranks = {item.candidate.memory.memory_id: rank for rank, item in enumerate(outcome.results, start=1)}
        impression = Impression(query.search_id, outcome.vector, outcome.pool, result_ranks, query.source_class)
        due = [] if skipped or reranked is None else evidence.observations(outcome.pool, reranked, outcome.before, query.result_count)
        with run.watch.stage("record") as lap:
            try:
                deadline = run.deadline.child(cap_s=self._budget.record_cap_s)
                recorded = await self._salience.record(run.scope, impression, due, deadline=deadline)
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
            model = await self._embedders.model(vector.fingerprint, deadline=deadline)
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


def _answer(run: _Run, outcome: _Outcome, write: SalienceWrite) -> Answer:
    return Answer(
        hits=outcome.hits,
        search_id=run.query.search_id,
        models=tuple(run.models),
        degraded=tuple(run.degraded),
        notices=tuple(run.notices),
        salience_write=write,
        usage=_usage(outcome.vector, outcome.pool, outcome.reranked),
        max_displacement=outcome.max_displacement,
    )


def _usage(vector: QueryVector | None, pool: Sequence[Candidate], reranked: Reranked | None) -> Usage:
    tokens = (0 if vector is None else vector.token_count) + (0 if reranked is None else reranked.token_count)
    return Usage(tokens, len(pool), 0 if reranked is None else reranked.cache_hits)
