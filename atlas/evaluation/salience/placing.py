"""Fills a pool and orders it, for one question: `atlas.influence` and `atlas.ranking.rank_score` on arrays."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

import numpy as np

from atlas.influence import Influence

from .pools import Floats, Numbers


@dataclass(frozen=True, slots=True)
class Lever:
    """What is put to the test: how much worth may do, and how many candidates are reranked for it."""

    influence: Influence = field(default_factory=Influence)
    """How much worth may do."""
    candidate_count: int = 20
    """Candidates of the clean pool."""
    extended_count: int = 0
    """Places beyond it that worth fills."""
    explore_count: int = 0
    """Places beyond it that chance fills."""

    @property
    def budget(self) -> int:
        """Candidates that are reranked, in every arm."""
        return self.candidate_count + self.extended_count + self.explore_count


@dataclass(frozen=True, slots=True)
class Members:
    """Rows of a question that are reranked, the clean ones first and in pool order."""

    rows: Numbers
    clean_count: int
    explored_from: int
    """Index of the first row that chance brought in."""
    propensity: float
    """Probability with which chance brought each of them in, (0, 1]."""


def chosen(pool_score: Floats, log_odds: Floats, member: Numbers, lever: Lever, *, logits_per_unit: float, seed: str) -> Members:
    """Chooses the candidates to rerank: the first of the pool, those that worth brings in, those that chance brings in.

    Args:
        pool_score: [K] in pool order.
        log_odds: [K] all log-odds.
        member: [K] numbers of the memories, which break ties.
        lever: How many of each.
        logits_per_unit: Logits that a unit of score is worth.
        seed: The same seed gives the same draw.
    """
    clean = min(lever.candidate_count, len(member))
    if not lever.extended_count and not lever.explore_count:
        return Members(np.arange(clean), clean, clean, 1.0)
    rest = np.arange(clean, len(member))
    worthy = _worthy(rest, pool_score, log_odds, member, lever, logits_per_unit)
    left = np.setdiff1d(rest, worthy, assume_unique=True)
    drawn, propensity = _drawn(left, member, lever.explore_count, seed)
    return Members(np.concatenate((np.arange(clean), worthy, drawn)), clean, clean + len(worthy), propensity)


def ranked(score: Floats, log_odds: Floats, *, influence: float, limit: float, logits_per_unit: float) -> Numbers:
    """Orders candidates by `rank_score`, best first; equal ones keep their order."""
    return np.argsort(-(logits_per_unit * score + influence * log_odds.clip(-limit, limit)), kind="stable")


def _worthy(rest: Numbers, pool_score: Floats, log_odds: Floats, member: Numbers, lever: Lever, logits_per_unit: float) -> Numbers:
    if not lever.extended_count:
        return rest[:0]
    worthy = rest[log_odds[rest] > 0.0]
    limit = lever.influence.log_odds_limit
    key = logits_per_unit * pool_score[worthy] + lever.influence.pool * np.clip(log_odds[worthy], -limit, limit)
    return worthy[np.lexsort((member[worthy], -key))[: lever.extended_count]]


def _drawn(rest: Numbers, member: Numbers, count: int, seed: str) -> tuple[Numbers, float]:
    if not count or not len(rest):
        return rest[:0], 1.0
    ordered = rest[np.argsort(member[rest])]
    drawn = min(count, len(rest))
    generator = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 - a draw that can be repeated, not a secret
    return np.array(generator.sample(ordered.tolist(), drawn), dtype=np.int64), drawn / len(rest)
