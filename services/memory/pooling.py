"""The order of a pool: what memory and its stores agree on, so that a store need not answer with what cannot be in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from atlas.ranking import Kind, Scores, normalised_lexicals, pool_scores, pool_share

from .store import BranchResult

_SHARES = {kind.name: pool_share(kind) for kind in Kind}
_ROUNDING = 1e-12
_ENDS = min(_SHARES.values()), max(_SHARES.values())


class Place(NamedTuple):
    """What orders a hit, best first; no two of one search are equal."""

    negative_score: float
    memory_id: str
    """Decides between equal scores, so that the same question has the same pool."""
    position: int
    """Where the hit is among those of its search."""
    strength: float | None
    """Normalised lexical evidence, [0, 1]; None without a lexical branch."""


class Scored(NamedTuple):
    """What the hits of one search are worth."""

    scores: Scores
    """Pool score of each hit, [N]."""
    strengths: Scores
    """Normalised lexical evidence of each hit, [N], in [0, 1]."""


def scored(
    kinds: Iterable[str],
    similarities: Sequence[float | None],
    lexicals: Sequence[float | None],
    *,
    best_lexical: float,
    best_coverage: float,
    fragmentation: float,
) -> Scored:
    """Scores the hits of one search; the columns are those of `BranchHit`, the rest is of `BranchResult`.

    A hit without a similarity is worth its words alone: its point was deleted while it was looked up, or there was no vector.
    """
    strengths = normalised_lexicals(lexicals, best_lexical=best_lexical, best_coverage=best_coverage)
    return Scored(pool_scores(similarities, strengths, fragmentation, [_SHARES[kind] for kind in kinds]), strengths)


def ordered(result: BranchResult, fragmentation: float) -> list[Place]:
    """Orders the hits of one search, best first."""
    hits = result.hits
    lexicals = [hit.lexical for hit in hits]
    scores, strengths = scored(
        [hit.content_kind for hit in hits],
        [hit.similarity for hit in hits],
        lexicals,
        best_lexical=result.best_lexical,
        best_coverage=result.best_coverage,
        fragmentation=fragmentation,
    )
    shown = [None if lexical is None else strength for lexical, strength in zip(lexicals, strengths.tolist(), strict=True)]
    return sorted(map(Place, (-scores).tolist(), [hit.memory_id for hit in hits], range(len(hits)), shown))


def first(scores: Scores, memory_ids: Sequence[str], count: int) -> list[int]:
    """Returns the positions of the hits that `ordered` puts first, `count` of them at most, in ascending order."""
    if len(scores) <= count:
        return list(range(len(scores)))
    least = least_of(scores, count)
    better = np.flatnonzero(scores > least).tolist()
    equal = sorted(np.flatnonzero(scores == least).tolist(), key=lambda position: memory_ids[position])
    return sorted([*better, *equal[: count - len(better)]])


def least_of(scores: Scores, count: int) -> float:
    """Returns the score of the last hit among the first `count`, of `count` or more."""
    return float(np.partition(scores, -count)[-count])


def highest(
    similarity: float, lexicals: Sequence[float], *, best_lexical: float, best_coverage: float, fragmentation: float
) -> list[float]:
    """Returns what the pool scores of hits of any kind cannot exceed, if `similarity` is what their similarities cannot."""
    strengths = normalised_lexicals(lexicals, best_lexical=best_lexical, best_coverage=best_coverage)
    count = len(lexicals)
    # A score is linear in the share of its kind.
    ends = [pool_scores([similarity] * count, strengths, fragmentation, [share] * count) for share in _ENDS]
    scores: list[float] = (np.maximum(*ends) + _ROUNDING).tolist()
    return scores


def follows_similarity(kinds: Iterable[str], fragmentation: float) -> bool:
    """Whether hits of these kinds, found by similarity alone, are in the order of their similarities."""
    return fragmentation < 1.0 and len({_SHARES[kind] for kind in kinds}) <= 1
