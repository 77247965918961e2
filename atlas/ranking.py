"""Pool score, final score, relevance and rank score of a candidate: pure functions and their constants.

Measured, not trained: one configuration for every kind of data and no statistic of the searched collection. Memory
calls `normalised_lexicals` and `pool_scores`, the reranker `relevance`, the gateway `final_score` and `rank_score`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""One number for each hit, [N]."""
_Number = TypeVar("_Number", float, Scores)


class Kind(Enum):
    """What a memory is; known at ingest."""

    TEXT = "text"
    """Prose."""
    MESSAGE = "message"
    """One chat message, said by a speaker."""
    CODE = "code"
    """Source code."""
    IMAGE = "image"
    """A picture; found by its description, so weighed like prose."""


@dataclass(frozen=True, slots=True)
class KindWeights:
    """Weights of one kind of memory."""

    pool_similarity: float
    """Share of the similarity in the pool score, [0, 1]; the rest is lexical. `u` of the formula."""
    final_similarity: float
    """Weight of the similarity beside the late interaction's 1 in the final score. `w` of the formula."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns the reranker's raw score into a probability: sigmoid(slope · raw + intercept)."""

    slope: float
    """Log-odds per unit of raw score."""
    intercept: float
    """Log-odds at a raw score of 0."""
    version: str
    """Travels with every relevance."""


@dataclass(frozen=True, slots=True)
class RankingConstants:
    """Constants of one pair of encoder and reranker; they belong to its raw scores and to no other."""

    text: KindWeights
    """Weights of prose and of pictures."""
    message: KindWeights
    """Weights of chat messages."""
    code: KindWeights
    """Weights of source code."""
    lexical_weight: float
    """What the lexical share of a query that the encoder cannot read adds to the final score."""
    logits_per_unit: float
    """Log-odds of relevance per unit of final score. `k` of the formula."""
    calibration: Calibration
    """From raw score to relevance."""

    def of(self, kind: Kind) -> KindWeights:
        """Weights of `kind`."""
        if kind is Kind.MESSAGE:
            return self.message
        return self.code if kind is Kind.CODE else self.text


MINILM_MAXSIM = RankingConstants(
    text=KindWeights(pool_similarity=0.65, final_similarity=0.25),
    message=KindWeights(pool_similarity=0.60, final_similarity=0.10),
    code=KindWeights(pool_similarity=0.75, final_similarity=0.75),
    lexical_weight=0.5,
    logits_per_unit=15.487,
    calibration=Calibration(slope=16.629, intercept=-9.575, version="minilm-maxsim-1"),
)
"""all-MiniLM-L6-v2 with late interaction of its own token vectors.

The weights are measured on development sets of chat, prose and code. `logits_per_unit` and `calibration` are fitted by
`python -m bench.fit.calibrate` on the odd-numbered questions of squad-dev, on topic and off topic. On the even-numbered ones a
relevance of 0.5 keeps 94 % of the answerable questions and refuses 99.8 % of the off-topic ones; the calibration error is 0.03.
"""

UNREADABLE_FRAGMENTATION = 0.5
"""Above this fragmentation the encoder cannot read the query, and its scores say nothing about relevance."""


def normalised_lexical(lexical: float, *, best_lexical: float, best_coverage: float) -> float:
    """Lexical evidence on a scale that queries share, [0, 1]: `b` of the formulas.

    `lexical` is the candidate's BM25 (0 without a common term), `best_lexical` that of the best hit in its collection,
    and `best_coverage` the share of the query's terms that this best hit contains.
    """
    if best_lexical <= 0:
        return 0.0
    return min(1.0, lexical / best_lexical) * best_coverage


def normalised_lexicals(lexicals: Sequence[float | None], *, best_lexical: float, best_coverage: float) -> Scores:
    """`normalised_lexical` of many hits, [N]; None counts as 0."""
    if best_lexical <= 0:
        return np.zeros(len(lexicals))
    strengths: Scores = np.minimum([lexical or 0.0 for lexical in lexicals], best_lexical) / best_lexical * best_coverage
    return strengths


def pool_share(kind: Kind, *, constants: RankingConstants = MINILM_MAXSIM) -> float:
    """Share of the similarity in the pool score of a kind, [0, 1]."""
    return constants.of(kind).pool_similarity


def pool_score(
    similarity: float | None,
    lexical: float | None,
    fragmentation: float,
    kind: Kind,
    *,
    constants: RankingConstants = MINILM_MAXSIM,
) -> float:
    """Score that orders the candidates of stage one, at most 1.

    `similarity` is the cosine, [-1, 1]; None means that the encoder was away, and the order is lexical. `lexical` is the normalised
    evidence, [0, 1]; None counts as 0. `fragmentation`, [0, 1], moves the weight from the encoder to the words.
    """
    words = lexical or 0.0
    if similarity is None:
        return words
    return _mixed(similarity, words, fragmentation, pool_share(kind, constants=constants))


def pool_scores(similarities: Sequence[float | None], strengths: Scores, fragmentation: float, shares: Sequence[float]) -> Scores:
    """`pool_score` of many hits, [N].

    `similarities` [N] are cosines or None, `strengths` [N] are normalised lexical evidence, 0 where there is none, and `shares` [N]
    are those of the hits' kinds.
    """
    found = np.array(similarities, np.float64)  # None becomes NaN
    mixed = _mixed(found, strengths, fragmentation, np.array(shares))
    return np.where(np.isnan(found), strengths, mixed)


def final_score(
    maxsim: float,
    similarity: float | None,
    lexical: float | None,
    fragmentation: float,
    kind: Kind,
    *,
    constants: RankingConstants = MINILM_MAXSIM,
) -> float:
    """Score that orders the reranked candidates, at most 1 + `constants.lexical_weight`.

    `maxsim` is the late interaction, [-1, 1]; the other arguments are those of `pool_score`. Without a similarity its
    weight falls away.
    """
    weight = 0.0 if similarity is None else constants.of(kind).final_similarity
    encoder = (maxsim + weight * (similarity or 0.0)) / (1 + weight)
    return (1 - fragmentation) * encoder + constants.lexical_weight * fragmentation * (lexical or 0.0)


def relevance(maxsim: float, *, constants: RankingConstants = MINILM_MAXSIM) -> float:
    """Calibrated probability that a hit with this late interaction is relevant, (0, 1). Does not order results."""
    return relevance_of(maxsim, constants.calibration)


def relevance_of(raw_score: float, calibration: Calibration) -> float:
    """Reads a raw score with a calibration: a probability, (0, 1)."""
    return _sigmoid(calibration.slope * raw_score + calibration.intercept)


def readable(fragmentation: float) -> bool:
    """Whether the encoder could read the query, so that relevance means something."""
    return fragmentation <= UNREADABLE_FRAGMENTATION


def rank_score(
    final: float, *, salience_logit: float, influence: float, limit: float, constants: RankingConstants = MINILM_MAXSIM
) -> float:
    """Number that results are ordered by: log-odds of the final score plus a bounded share of learnt worth.

    `salience_logit` is logit(salience) - logit(prior), cut to [-limit, limit]; `influence` (≥ 0) times `limit` is the most
    that salience can move a result.
    """
    return constants.logits_per_unit * final + influence * max(-limit, min(limit, salience_logit))


def _mixed(similarity: _Number, words: _Number, fragmentation: float, share: _Number) -> _Number:
    return (1 - fragmentation) * (share * similarity + (1 - share) * words) + fragmentation * words


def _sigmoid(logit: float) -> float:
    # The form that cannot overflow on either side.
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
