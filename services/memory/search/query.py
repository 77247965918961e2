"""Makes one pool of what the branches found in several collections. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from atlas.influence import Influence, Outsider, explored, extended
from atlas.ranking import MINILM_MAXSIM

from .. import pooling
from ..store import BranchHit, BranchResult


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

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.extended_count > 0 or self.explore_count > 0


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
    order: Sequence[tuple[pooling.Place, int]]
    """Each hit's place and which of `found` it is of."""
    candidate_count: int

    @property
    def clean(self) -> list[PoolMember]:
        """The clean pool: the best, by content alone."""
        return [self._member(item) for item in self.order[: self.candidate_count]]

    @property
    def rest_ids(self) -> list[str]:
        """Ids of what did not make the clean pool, best first."""
        return [place.memory_id for place, _ in self.order[self.candidate_count :]]

    def guests(self, log_odds: Mapping[str, float], places: Places) -> list[PoolMember]:
        """Fills the places beyond the clean pool: first salience, then chance.

        Args:
            log_odds: Learnt worth by memory id; what is not there is worth nothing.
            places: How many there are.
        """
        rest = {item[0].memory_id: item for item in self.order[self.candidate_count :]}
        outsiders = [Outsider(memory_id, -place.negative_score, log_odds.get(memory_id, 0.0)) for memory_id, (place, _) in rest.items()]
        brought = extended(outsiders, count=places.extended_count, logits_per_unit=MINILM_MAXSIM.logits_per_unit, influence=Influence())
        taken = {one.memory_id for one in brought}
        left = [one for one in outsiders if one.memory_id not in taken]
        drawn, propensity = explored(left, count=places.explore_count, seed=places.seed)
        return [
            *(replace(self._member(rest[one.memory_id]), pool=Pool.EXTENDED) for one in brought),
            *(replace(self._member(rest[one.memory_id]), pool=Pool.EXPLORE, propensity=propensity) for one in drawn),
        ]

    def _member(self, item: tuple[pooling.Place, int]) -> PoolMember:
        place, which = item
        found = self.found[which]
        return PoolMember(found.collection, found.result.hits[place.position], place.strength, -place.negative_score)


def united(found: Sequence[Found], *, fragmentation: float, candidate_count: int) -> Union:
    """Orders what the branches found in all collections.

    Each collection's lexical evidence is measured against its own best hit, since BM25 of two collections cannot be
    compared. Equal scores are ordered by memory id, so that the same question has the same pool.
    """
    order = sorted((place, which) for which, one in enumerate(found) for place in pooling.ordered(one.result, fragmentation))
    # Most hits may not make the pool: only those that do become members.
    return Union(found, order, candidate_count)
