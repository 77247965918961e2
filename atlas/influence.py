"""What learnt worth may do to a search: open places in the pool, order a pool that was not reranked, and, bounded, move the final order.

Pure functions and their constants. Memory fills the places, the gateway orders, `atlas salience eval` replays both.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Influence:
    """How much learnt worth may do. Log-odds are clipped to the limit before anything is multiplied."""

    final: float = 0.0
    """Logits that a unit of outside log-odds moves a reranked result by; 0 until an evaluation has shown that it helps."""
    fallback: float = 0.1
    """Logits that a unit of all log-odds moves a candidate by while the reranker is away: enough to order near ties."""
    pool: float = 1.0
    """Logits that a unit of all log-odds counts for when places beyond the clean pool are filled."""
    log_odds_limit: float = 2.0
    """Most log-odds that count, either way."""

    @property
    def final_bound(self) -> float:
        """Most that salience moves a reranked result by, in logits: two results farther apart than twice this keep their order."""
        return self.final * self.log_odds_limit

    def clipped(self, log_odds: float) -> float:
        """Log-odds within the limit."""
        return max(-self.log_odds_limit, min(self.log_odds_limit, log_odds))


@dataclass(frozen=True, slots=True)
class Outsider:
    """A candidate that content alone did not bring into the pool."""

    memory_id: str
    pool_score: float
    """What the pool is ordered by, at most 1."""
    log_odds: float
    """Learnt worth, all evidence."""


def extended(rest: Sequence[Outsider], *, count: int, logits_per_unit: float, influence: Influence) -> list[Outsider]:
    """Chooses at most `count` candidates that salience brings in, best first.

    They are those of positive worth with the highest pool score plus worth.

    `logits_per_unit` puts a pool score on the scale of log-odds.
    """
    worthy = [one for one in rest if one.log_odds > 0.0]
    worthy.sort(key=lambda one: (-(logits_per_unit * one.pool_score + influence.pool * influence.clipped(one.log_odds)), one.memory_id))
    return worthy[:count]


def explored(rest: Sequence[Outsider], *, count: int, seed: str) -> tuple[list[Outsider], float]:
    """Draws at most `count` candidates at random, each with the same probability.

    Returns:
        The candidates, and the propensity of each, (0, 1]. The same seed and the same candidates give the same draw.
    """
    if not rest or count <= 0:
        return [], 1.0
    drawn = min(count, len(rest))
    # A seeded generator, not a secret: the draw must be the same when a search is repeated.
    generator = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311
    ordered = sorted(rest, key=lambda one: one.memory_id)
    return generator.sample(ordered, drawn), drawn / len(rest)
