"""Late interaction with the encoder of the `cpu` profile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from prometheus_client import CollectorRegistry

from atlas.batch_metrics import BatchMetrics
from atlas.batching import Answer, BatchLimits, BatchObserver, MicroBatcher
from atlas.deadlines import Deadline
from atlas.encoder.models import MINILM, Output
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.encoder.tokenizer import Encoding, Tokenizer
from atlas.errors import DeadlineError, InvalidInputError, ModelFaultError
from atlas.lanes import Lane
from atlas.ranking import MINILM_MAXSIM, relevance

from ..backend import Candidate, Float32Array, Score, ScoreKind, Scoring, ServedModel, Work
from ..maxsim import maxsim, piece_weights, query_weights
from ..passages import ColdPassage, grouped, within_budget
from ..settings import RerankerSettings
from ..token_cache import PassageTokens, TokenCache
from ..word_piece_idf import load_idf

TokenIds = tuple[int, ...]

_SPECIAL_COUNT = 2
"""[CLS] and [SEP] around the word pieces of every text."""

GROUP_TOKENS = 1024
"""Word pieces that are submitted together: a budget that ends cuts off whole groups, and the first candidates are in the first."""

_INLINE_CHARACTERS = 1000
"""Texts up to this length together are tokenised on the event loop."""

_INLINE_VECTORS = 2048
"""Passage token vectors up to this number together are scored on the event loop: a millisecond; a thread would add a third to it."""

_SCORING_RESERVE_S = 0.005
"""Time kept back from a budget for scoring and the reply."""


@dataclass(frozen=True, slots=True)
class _Computed:
    query: Float32Array | None
    """Token vectors of the query; None where the budget ended first."""
    groups: list[Answer[Float32Array] | None]
    queue_s: float


class MaxSimBackend:
    """Scores by the best cosine of each query token, and keeps the token vectors of passages that it had to encode."""

    def __init__(self, encoder: OpenVinoEncoder, cache: TokenCache, *, max_queue_tokens: int, observer: BatchObserver) -> None:
        """Takes a loaded encoder; callers use `load`, and enter the backend as a context."""
        self._encoder = encoder
        self._cache = cache
        self._weights = piece_weights(encoder.tokenizer.vocabulary, load_idf())
        self._batcher: MicroBatcher[TokenIds, Float32Array] = MicroBatcher(
            self._encode,
            cost=len,
            workers=encoder.stream_count,
            limits=BatchLimits(max_queue_tokens=max_queue_tokens),
            observer=observer,
        )
        self._model = ServedModel(
            record=encoder.record,
            score_kind=ScoreKind.MAXSIM,
            fingerprint=encoder.record.fingerprint(Output.TOKENS),
            calibration_version=MINILM_MAXSIM.calibration.version,
            runtime="openvino",
            device=encoder.device,
            precision=encoder.precision,
            attention="openvino",
            token_cache_bytes=cache.max_bytes,
        )

    @classmethod
    def load(cls, settings: RerankerSettings, registry: CollectorRegistry) -> Self:
        """Loads the encoder; blocks for about a second.

        Raises:
            StartupError: A file of the model is missing or not the pinned one, or the device cannot run it.
        """
        encoder = OpenVinoEncoder.open(MINILM, precision=settings.precision, streams=settings.streams, device=settings.device)
        cache = TokenCache(fingerprint=encoder.record.fingerprint(Output.TOKENS), max_bytes=settings.token_cache_bytes, registry=registry)
        return cls(encoder, cache, max_queue_tokens=settings.max_queue_tokens, observer=BatchMetrics(registry, "reranker"))

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._batcher.__aexit__(kind, error, trace)

    @property
    def model(self) -> ServedModel:
        """What is served."""
        return self._model

    async def warm_up(self) -> None:
        """Runs the shapes of short texts on every stream, then scores a pair."""
        await asyncio.to_thread(self._encoder.warm_up)
        await self.score(Work("warm up", [Candidate("candidates[0]", "a passage")], Deadline.after(60.0)))

    async def score(self, work: Work) -> Scoring:
        """Scores candidates, those in front first; see the seam."""
        if not work.candidates:
            return Scoring([], queue_s=0.0, token_count=0, cache_hit_count=0)
        keys = [self._cache.key(one.text) if one.tokens is None else None for one in work.candidates]
        known = {key: found for key in dict.fromkeys(keys) if key and (found := self._cache.find(key))}
        query, cold = await self._read(work, keys, known)
        groups = list(grouped(within_budget(cold.values(), work.max_tokens), GROUP_TOKENS))
        computed = await self._computed(work, query, groups)
        fresh = await asyncio.to_thread(_packed, groups, computed.groups) if groups else {}
        for key, passage in fresh.items():
            self._cache.keep(key, passage)
        passages = [_passage(one, key, known, fresh) for one, key in zip(work.candidates, keys, strict=True)]
        raw = await self._raw(query, computed.query, passages)
        return Scoring(
            scores=[_score(*row, cold) for row in zip(keys, passages, raw, strict=True)],
            queue_s=computed.queue_s,
            token_count=(len(query) if work.query_tokens is None else 0) + sum(len(cold[key].ids) for key in fresh),
            cache_hit_count=sum(key in known for key in keys),
        )

    def forget(self, content_sha256s: Sequence[bytes]) -> int:
        """Drops passages from the cache; see the seam."""
        return self._cache.forget(content_sha256s)

    async def _read(
        self, work: Work, keys: Sequence[bytes | None], known: Mapping[bytes, PassageTokens]
    ) -> tuple[TokenIds, dict[bytes, ColdPassage]]:
        """Tokenises the query and the passages whose vectors are not known."""
        unknown = {key: one for key, one in zip(keys, work.candidates, strict=True) if key is not None and key not in known}
        limit = self._encoder.record.max_tokens
        query, *contents = await self._tokenised(work.query, [one.text for one in unknown.values()], work.max_tokens)
        if not query.piece_ids:
            raise InvalidInputError("query.text holds nothing that the model can read", field="query.text")
        cold = {key: ColdPassage(key, one.truncated(limit), one.token_count) for key, one in zip(unknown, contents, strict=True)}
        if not work.cut_long_texts:
            _check_length("query.text", query.token_count, limit)
            for key, candidate in zip(keys, work.candidates, strict=True):
                if key is not None:
                    _check_length(candidate.field, (known.get(key) or cold[key]).token_count, limit)
        ids = query.truncated(limit)
        _check_query_tokens(work.query_tokens, piece_count=len(ids) - _SPECIAL_COUNT)
        return ids, cold

    async def _tokenised(self, query: str, passages: Sequence[str], max_tokens: int | None) -> list[Encoding]:
        tokenizer, texts = self._encoder.tokenizer, [query, *passages]
        # A short query takes less time than the way to another thread and back.
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return tokenizer.encode(texts)
        least = Tokenizer.least_tokens(passages, most=self._encoder.record.max_tokens)
        async with self._batcher.preparing(Lane.INTERACTIVE, least if max_tokens is None else min(least, max_tokens)):
            return await asyncio.to_thread(tokenizer.encode, texts)

    async def _computed(self, work: Work, query: TokenIds, groups: Sequence[Sequence[ColdPassage]]) -> _Computed:
        """Encodes each group, and the query unless its vectors are given.

        Raises:
            DeadlineError: The deadline of the whole call passed.
        """
        until = work.deadline
        if work.budget_end is not None and work.budget_end.at_s < until.at_s:
            until = work.budget_end.child(reserve_s=_SCORING_RESERVE_S)
        given = None if until.expired else work.query_tokens
        jobs = [[one.ids for one in group] for group in groups]
        answers = await self._submitted(jobs if work.query_tokens is not None else [[query], *jobs], until)
        encoded = answers[len(answers) - len(jobs) :]
        vectors = given if work.query_tokens is not None else answers[0].results[0] if answers[0] else None
        if until is work.deadline and (vectors is None or None in encoded):
            raise DeadlineError("the deadline passed before every candidate was scored")
        return _Computed(vectors, encoded, queue_s=min((answer.queue_s for answer in answers if answer), default=0.0))

    async def _submitted(self, jobs: Sequence[Sequence[TokenIds]], until: Deadline) -> list[Answer[Float32Array] | None]:
        """Encodes each job; None for those that are not done in time."""
        if not jobs:
            return []
        tasks = [asyncio.create_task(self._batcher.submit(job, deadline=until)) for job in jobs]
        try:
            await asyncio.wait(tasks, timeout=until.remaining_s, return_when=asyncio.FIRST_EXCEPTION)
            return [_answer(task) for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _encode(self, items: Sequence[TokenIds]) -> Sequence[Float32Array]:
        return self._encoder.encode_batch(items, want_tokens=True).tokens

    async def _raw(self, query: TokenIds, vectors: Float32Array | None, passages: Sequence[PassageTokens | None]) -> list[float | None]:
        """Scores the passages that have vectors, if the query has."""
        rows = [] if vectors is None else [row for row, passage in enumerate(passages) if passage is not None]
        if vectors is None or not rows:
            return [None] * len(passages)
        shares = query_weights(query[1:-1], self._weights)
        tokens = [passage.vectors for passage in passages if passage is not None]
        if sum(map(len, tokens)) <= _INLINE_VECTORS:
            scores = maxsim(vectors, shares, tokens)
        else:
            scores = await asyncio.to_thread(maxsim, vectors, shares, tokens)
        if not np.isfinite(scores).all():
            raise ModelFaultError("the model gave a score that is not finite", model_id=self._model.record.model_id)
        found = dict(zip(rows, scores.tolist(), strict=True))
        return [found.get(row) for row in range(len(passages))]


def _check_length(field: str, token_count: int, limit: int) -> None:
    if token_count > limit:
        raise InvalidInputError(
            f"{field} has {token_count} tokens; {limit} are allowed", field=field, token_count=token_count, max_tokens=limit
        )


def _check_query_tokens(tokens: Float32Array | None, *, piece_count: int) -> None:
    if tokens is not None and len(tokens) != piece_count:
        raise InvalidInputError(
            f"query_tokens holds {len(tokens)} vectors; the query has {piece_count} word pieces",
            field="query_tokens",
            vector_count=len(tokens),
            piece_count=piece_count,
        )


def _answer(task: asyncio.Task[Answer[Float32Array]]) -> Answer[Float32Array] | None:
    """The result of a finished job, None for one that time cut off."""
    if not task.done() or isinstance(task.exception(), DeadlineError):
        return None
    return task.result()


def _packed(groups: Sequence[Sequence[ColdPassage]], encoded: Sequence[Answer[Float32Array] | None]) -> dict[bytes, PassageTokens]:
    return {
        one.key: PassageTokens(vectors.astype(np.float16), one.token_count, one.truncated)
        for group, answer in zip(groups, encoded, strict=True)
        if answer is not None
        for one, vectors in zip(group, answer.results, strict=True)
    }


def _passage(
    candidate: Candidate, key: bytes | None, known: Mapping[bytes, PassageTokens], fresh: Mapping[bytes, PassageTokens]
) -> PassageTokens | None:
    if candidate.tokens is not None:
        return PassageTokens(candidate.tokens, token_count=len(candidate.tokens), truncated=False)
    return known.get(key or b"") or fresh.get(key or b"")


def _score(key: bytes | None, passage: PassageTokens | None, raw: float | None, cold: Mapping[bytes, ColdPassage]) -> Score:
    read = passage or cold[key or b""]
    return Score(raw, None if raw is None else relevance(raw), read.token_count, read.truncated)
