"""Says what a search may write back: whether evidence is due, and which; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atlas.ranking import readable

from .answers import SearchQuery, Skipped
from .clients import Candidate, Observation, QueryVector, Reranked
from .memories import Pool, SalienceMode


def skipped(query: SearchQuery, vector: QueryVector | None, pool: Sequence[Candidate], reranked: Reranked | None) -> Skipped:
    """Says why no evidence is due, or that some is."""
    match query.salience_mode:
        case SalienceMode.OFF:
            return Skipped.OFF
        case SalienceMode.READ:
            return Skipped.READ
        case _:
            if not pool:
                return Skipped.NO_HITS
            if vector is None or reranked is None:
                return Skipped.DEGRADED
            return Skipped.NOTHING if readable(vector.fragmentation) else Skipped.UNREADABLE


def observations(pool: Sequence[Candidate], reranked: Reranked, before: Mapping[str, int], result_count: int) -> list[Observation]:
    """Returns what the reranker measured of what content or chance brought in; what salience brought in must not speak for itself.

    Memory weighs what chance brought in by its propensity, which the pool carries.

    `before` has the positions that the candidates would have without salience, of which the first `result_count` would be shown.
    """
    return [
        Observation(
            memory_id=memory_id,
            raw_score=score.raw_score,
            relevance=score.relevance,
            calibration_version=reranked.calibration_version,
            rank=rank if (rank := before.get(memory_id, 0)) <= result_count else 0,
        )
        for candidate in pool
        if candidate.pool is not Pool.EXTENDED
        and (memory_id := candidate.memory.memory_id) in reranked.scores
        and (score := reranked.scores[memory_id])
    ]
