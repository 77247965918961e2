"""Makes one pool of what the branches found in several collections. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas.ranking import Kind, normalised_lexical, pool_score

from .store import BranchHit, BranchResult

# A look-up by name in the enum itself takes longer than the score.
_KINDS = {kind.name: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Found:
    """What the branches found in one collection."""

    collection: str
    result: BranchResult


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A candidate in its place."""

    collection: str
    hit: BranchHit
    lexical_strength: float | None
    """BM25 over the best hit's BM25, times the share of the query's terms in that hit, [0, 1]; None without a lexical branch."""
    pool_score: float
    """What the pool is ordered by, at most 1."""


def assemble_pool(found: Sequence[Found], *, fragmentation: float, candidate_count: int) -> list[PoolMember]:
    """Returns the best candidates of all collections, best first.

    Each collection's lexical evidence is measured against its own best hit, since BM25 of two collections cannot be
    compared. Equal scores are ordered by memory id, so that the same question has the same pool.
    """
    scored = [item for place, one in enumerate(found) for item in _scored(place, one.result, fragmentation)]
    # Most hits do not make the pool: only those that do become members.
    best = heapq.nsmallest(candidate_count, scored)
    return [
        PoolMember(found[place].collection, found[place].result.hits[index], strength, -score) for score, _, place, index, strength in best
    ]


def _scored(place: int, result: BranchResult, fragmentation: float) -> Iterator[tuple[float, str, int, int, float | None]]:
    """Gives what orders a hit, smallest first, and where it is: negative pool score, memory id, place, index, strength."""
    best_lexical, best_coverage, kinds = result.best_lexical, result.best_coverage, _KINDS
    no_term = normalised_lexical(0.0, best_lexical=best_lexical, best_coverage=best_coverage)
    for index, hit in enumerate(result.hits):
        lexical = hit.lexical
        if lexical:
            strength: float | None = normalised_lexical(lexical, best_lexical=best_lexical, best_coverage=best_coverage)
        else:
            strength = None if lexical is None else no_term
        yield -pool_score(hit.similarity, strength, fragmentation, kinds[hit.content_kind]), hit.memory_id, place, index, strength
