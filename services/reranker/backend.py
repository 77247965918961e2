"""The seam of the reranker: what the service needs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from atlas.deadlines import Deadline
from atlas.encoder.models import ModelRecord

Float32Array = NDArray[np.float32]


class ScoreKind(Enum):
    """What a raw score is."""

    MAXSIM = "maxsim"
    """Weighted mean of the query tokens' best cosines, [-1, 1]."""
    LOGIT = "logit"
    """Log-odds of a cross-encoder, unbounded."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What to score: given token vectors, else a text."""

    field: str
    """Path in the request, for errors."""
    text: str = ""
    """Read only where there are no token vectors."""
    tokens: Float32Array | None = None
    """Token vectors of the backend's own space, [T, D]."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call: a query, its candidates in the order in which they matter, and what they may cost."""

    query: str
    candidates: Sequence[Candidate]
    deadline: Deadline
    """After it the call fails."""
    budget_end: Deadline | None = None
    """After it the candidates that are not scored stay so."""
    max_tokens: int | None = None
    """Word pieces of candidates that may be encoded."""
    cut_long_texts: bool = True
    """Whether a text over the token limit loses its end, instead of failing the call."""
    query_tokens: Float32Array | None = None
    """Token vectors of the query in the backend's own space, [T, D], one a word piece; used instead of reading `query`."""


@dataclass(frozen=True, slots=True)
class Score:
    """One candidate's result."""

    raw: float | None
    """Raw score; None where the budget ended first."""
    relevance: float | None
    """Calibrated probability, [0, 1]; None with `raw`."""
    token_count: int
    """Word pieces of the whole text, special tokens included, or of the given token vectors; 0 if it was not read."""
    truncated: bool
    """Whether the end of the text was not read."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Results of one call."""

    scores: list[Score]
    """In the order of the candidates."""
    queue_s: float
    """Seconds until a worker took the first of it."""
    token_count: int
    """Word pieces that the model read, those of the query included unless its token vectors were given."""
    cache_hit_count: int
    """Candidates whose token vectors were known."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What is served."""

    record: ModelRecord
    score_kind: ScoreKind
    fingerprint: str
    """Space of the token vectors that candidates may bring along."""
    calibration_version: str
    runtime: str
    device: str
    precision: str
    attention: str
    token_cache_bytes: int
    """What passage token vectors may take; 0 keeps none."""


class RerankerBackend(Protocol):
    """A loaded model that scores candidates against a query."""

    @property
    def model(self) -> ServedModel:
        """What is served."""

    async def warm_up(self) -> None:
        """Scores a pair for real, once; then the service may say that it serves."""

    async def score(self, work: Work) -> Scoring:
        """Scores candidates; those that the budget does not reach come back without a score.

        Raises:
            InvalidInputError: A text is too long and may not be cut, the model reads nothing in the query, or the query's token vectors
                are not one for each of its word pieces.
            OverloadedError: The queue is full.
            DeadlineError: The deadline passed.
            ModelFaultError: A score is not finite.
        """

    def forget(self, content_sha256s: Sequence[bytes]) -> int:
        """Drops what is kept of passages, by the SHA-256 of their texts, and says how many there were."""
