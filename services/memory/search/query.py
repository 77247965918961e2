"""Makes one pool of what the branches found in several collections. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from atlas.influence import Influence, Outsider, explored, extended
from atlas.ranking import MINILM_MAXSIM, Kind, normalised_lexical, pool_score

from ..store import BranchHit, BranchResult

# A look-up by name in the enum itself takes longer than the score.
_KINDS = {kind.name: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Found:
    """What the branches found in one collection."""

    collection: str
    result: BranchResult


class Pool(IntEnum):
    """Why a candidate is in the pool; numbered as on the wire."""

    CLEAN = 1
    """Content alone brought it in."""
    EXTENDED = 2
    """Salience brought it in."""
    EXPLORE = 3
    """Chance brought it in."""


@dataclass(frozen=True, slots=True)
class Places:
    """Places beyond the clean pool."""

    extended_count: int = 0
    """Those that salience may fill."""
    explore_count: int = 0
    """Those that chance fills."""
    seed: str = ""
    """Decides the chance."""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A candidate in its place."""

    collection: str
    hit: BranchHit
    lexical_strength: float | None
    """BM25 over the best hit's BM25, times the share of the query's terms in that hit, [0, 1]; None without a lexical branch."""
    pool_score: float
    """What the pool is ordered by, at most 1."""
    pool: Pool = Pool.CLEAN
    """Why it is in the pool."""
    propensity: float = 1.0
    """Probability that it was put there, (0, 1]."""


@dataclass(frozen=True, slots=True)
class Union:
    """All that the branches found, best first."""

    found: Sequence[Found]
    order: Sequence[tuple[float, str, int, int, float | None]]
    """Negative pool score, memory id, place, index, strength of each hit."""
    candidate_count: int

    @property
    def clean(self) -> list[PoolMember]:
        """The clean pool: the best, by content alone."""
        return [self._member(item) for item in self.order[: self.candidate_count]]

    @property
    def rest_ids(self) -> list[str]:
        """Ids of what did not make the clean pool, best first."""
        return [memory_id for _, memory_id, *_ in self.order[self.candidate_count :]]

    def guests(self, log_odds: Mapping[str, float], places: Places) -> list[PoolMember]:
        """Fills the places beyond the clean pool: first salience, then chance.

        Args:
            log_odds: Learnt worth by memory id; what is not there is worth nothing.
            places: How many there are.
        """
        rest = {item[1]: item for item in self.order[self.candidate_count :]}
        outsiders = [Outsider(memory_id, -item[0], log_odds.get(memory_id, 0.0)) for memory_id, item in rest.items()]
        brought = extended(outsiders, count=places.extended_count, logits_per_unit=MINILM_MAXSIM.logits_per_unit, influence=Influence())
        taken = {one.memory_id for one in brought}
        left = [one for one in outsiders if one.memory_id not in taken]
        drawn, propensity = explored(left, count=places.explore_count, seed=places.seed)
        return [
            *(replace(self._member(rest[one.memory_id]), pool=Pool.EXTENDED) for one in brought),
            *(replace(self._member(rest[one.memory_id]), pool=Pool.EXPLORE, propensity=propensity) for one in drawn),
        ]

    def _member(self, item: tuple[float, str, int, int, float | None]) -> PoolMember:
        score, _, place, index, strength = item
        return PoolMember(self.found[place].collection, self.found[place].result.hits[index], strength, -score)


def united(found: Sequence[Found], *, fragmentation: float, candidate_count: int) -> Union:
    """Orders what the branches found in all collections.

    Each collection's lexical evidence is measured against its own best hit, since BM25 of two collections cannot be
    compared. Equal scores are ordered by memory id, so that the same question has the same pool.
    """
    # Most hits do not make the pool: only those that do become members.
    order = sorted(item for place, one in enumerate(found) for item in _scored(place, one.result, fragmentation))
    return Union(found, order, candidate_count)


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
