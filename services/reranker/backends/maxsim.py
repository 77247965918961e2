"""Late interaction with the encoder of the `cpu` profile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from prometheus_client import CollectorRegistry

from atlas.batching import Answer, BatchLimits, MicroBatcher
from atlas.deadlines import Deadline
from atlas.encoder.models import MINILM, Output
from atlas.encoder.openvino import OpenVinoEncoder
from atlas.errors import DeadlineError, InvalidInputError, ModelFaultError
from atlas.ranking import MINILM_MAXSIM, relevance

from ..backend import Candidate, Float32Array, Score, ScoreKind, Scoring, ServedModel, Work
from ..maxsim import AnyFloatArray, maxsim, piece_weights, query_weights
from ..passages import ColdPassage, grouped, within_budget
from ..settings import RerankerSettings
from ..token_cache import PassageTokens, TokenCache
from ..word_piece_idf import load_idf

TokenIds = tuple[int, ...]

GROUP_TOKENS = 1024
"""Word pieces that are submitted together: a budget that ends cuts off whole groups, and the first candidates are in the first."""

_SCORING_RESERVE_S = 0.01
"""Time kept back from a budget for scoring and the reply."""


class MaxSimBackend:
    """Scores by the best cosine of each query token, and keeps the token vectors of passages that it had to encode."""

    def __init__(self, encoder: OpenVinoEncoder, cache: TokenCache, *, settings: RerankerSettings) -> None:
        """Takes a loaded encoder; callers use `load`, and enter the backend as a context."""
        self._encoder = encoder
        self._cache = cache
        self._weights = piece_weights(encoder.tokenizer.vocabulary, load_idf())
        limits = BatchLimits(max_queue_tokens=settings.max_queue_tokens)
        self._batcher: MicroBatcher[TokenIds, Float32Array] = MicroBatcher(
            self._encode, cost=len, workers=encoder.stream_count, limits=limits
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
            token_cache_bytes=settings.token_cache_bytes,
        )

    @classmethod
    def load(cls, settings: RerankerSettings, registry: CollectorRegistry) -> Self:
        """Loads the encoder; blocks for about a second.

        Raises:
            StartupError: A file of the model is missing or not the pinned one, or the device cannot run it.
        """
        encoder = OpenVinoEncoder.open(MINILM, precision=settings.precision, streams=settings.streams, device=settings.device)
        fingerprint = MINILM.fingerprint(Output.TOKENS)
        return cls(encoder, TokenCache(fingerprint=fingerprint, max_bytes=settings.token_cache_bytes, registry=registry), settings=settings)

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
        keys = [self._cache.key(one.text) if one.tokens is None else b"" for one in work.candidates]
        known = {key: found for key in dict.fromkeys(keys) if key and (found := self._cache.find(key))}
        query, cold = await asyncio.to_thread(self._read, work, keys, known)
        groups = list(grouped(within_budget(cold, work.max_tokens), GROUP_TOKENS))
        asked, *encoded = await self._computed([[query], *([one.ids for one in group] for group in groups)], work)
        fresh = {one.key: (one, vectors) for group, answer in zip(groups, encoded, strict=True) if answer
                 for one, vectors in zip(group, answer.results, strict=True)}
        ...

    def _read(
        self, work: Work, keys: Sequence[bytes], known: Mapping[bytes, PassageTokens]
    ) -> tuple[TokenIds, list[ColdPassage]]:
        """Tokenises the query and the passages that are not known; blocks."""
