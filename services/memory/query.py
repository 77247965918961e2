"""Makes one pool of what the branches found in several collections. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atlas.ranking import Kind, normalised_lexical, pool_score

from .store import BranchHit, BranchResult


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
    members = [_member(one.collection, hit, one.result, fragmentation) for one in found for hit in one.result.hits]
    members.sort(key=lambda member: (-member.pool_score, member.hit.memory_id))
    return members[:candidate_count]


def _member(collection: str, hit: BranchHit, result: BranchResult, fragmentation: float) -> PoolMember:
    strength = None
    if hit.lexical is not None:
        strength = normalised_lexical(hit.lexical, best_lexical=result.best_lexical, best_coverage=result.best_coverage)
    score = pool_score(hit.similarity, strength, fragmentation, Kind[hit.content_kind])
    return PoolMember(collection, hit, strength, score)
