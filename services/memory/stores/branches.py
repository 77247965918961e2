"""Makes one answer of what the branches of a search found, each hit with the values of both."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .. import pooling
from ..store import Best, BranchHit, BranchResult

K = TypeVar("K", int, str)
"""How a store names its points."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[K]):
    """The hits of one branch, best first, in columns: a search handles hundreds, and few become part of its answer."""

    points: Sequence[K]
    values: Sequence[float]

    @classmethod
    def ordered(cls, hits: Iterable[tuple[K, float]]) -> Listed[K]:
        """Orders points with their values as `order` says."""
        points, values = zip(*hits, strict=True) if (hits := list(hits)) else ((), ())
        best_first = order(points, values)
        return cls([points[place] for place in best_first], [values[place] for place in best_first])

    def __len__(self) -> int:
        """How many hits there are."""
        return len(self.points)

    def items(self) -> Iterator[tuple[K, float]]:
        """Yields points with their values, best first."""
        return zip(self.points, self.values, strict=True)


class Label(NamedTuple):
    """What an answer says of a point beside its values."""

    memory_id: str
    content_kind: str


def order(points: Sequence[K], values: Sequence[float]) -> Sequence[int]:
    """Returns the places of hits best first, equal ones by point: engines leave the order of ties to chance.

    Which of several equal hits were listed at all, at the end of the list, stays chance.
    """
    if all(map(operator.gt, values, itertools.islice(values, 1, None))):
        return range(len(points))
    return sorted(range(len(points)), key=lambda place: (-values[place], points[place]))


def term_ids(terms: Iterable[Iterable[int]]) -> list[int]:
    """Returns every term id of all groups once, ascending: an engine adds repeated ids up."""
    return sorted({term for group in terms for term in group})


def coverage(terms: Sequence[Sequence[int]], document: Iterable[int]) -> float:
    """Returns the share of the groups of which `document` holds a term, in [0, 1]."""
    held = frozenset(document)
    return sum(not held.isdisjoint(group) for group in terms) / len(terms) if terms else 0.0


def only_in_first(first: Listed[K] | None, second: Listed[K] | None) -> set[K]:
    """Returns the points that the first branch lists and the second does not; one that was not asked lists none."""
    return set(first.points if first else ()) - set(second.points if second else ())


def contenders(
    dense: Listed[K],
    lexical: Listed[K],
    *,
    lexicals: Mapping[K, float],
    labels: Mapping[K, Label],
    best_coverage: float,
    best: Best | None,
    highest_similarity: float,
) -> list[int]:
    """Returns the places in `lexical` of what it alone lists and what may be among the best: the others need no cosine.

    Args:
        dense: Hits of the dense branch.
        lexical: Hits of the lexical branch.
        lexicals: BM25 sum, by point, of every dense hit that has a term.
        labels: What each dense hit is, by point.
        best_coverage: `coverage` of the best lexical hit.
        best: Which hits are wanted; None = all.
        highest_similarity: What no cosine exceeds of a point that the dense branch did not list.
    """
    listed = set(dense.points)
    alone = [place for place, point in enumerate(lexical.points) if point not in listed]
    known = [(labels[point].content_kind, value, lexicals.get(point, 0.0)) for point, value in dense.items() if point in labels]
    if best is None or len(known) < best.count or not alone:
        return alone
    scale = {"best_lexical": lexical.values[0], "best_coverage": best_coverage, "fragmentation": best.fragmentation}
    kinds, similarities, sums = zip(*known, strict=True)
    scores, _ = pooling.scored(kinds, _cosines(similarities), sums, **scale)
    least = pooling.least_of(scores, best.count)
    bounds = pooling.highest(min(1.0, highest_similarity), [lexical.values[place] for place in alone], **scale)
    return [place for place, bound in zip(alone, bounds, strict=True) if bound >= least]


def merged(
    dense: Listed[K] | None,
    lexical: Listed[K] | None,
    *,
    similarities: Mapping[K, float],
    lexicals: Mapping[K, float],
    labels: Mapping[K, Label],
    best_coverage: float,
    best: Best | None,
) -> BranchResult:
    """Merges two branches into hits that carry both values.

    Args:
        dense: Hits of the dense branch; None if it was not asked.
        lexical: Hits of the lexical branch; None if it was not asked.
        similarities: Cosine, by point, of what only the lexical branch found.
        lexicals: BM25 sum, by point, of what only the dense branch found and has a term.
        labels: What each point is; a point without one is left out.
        best_coverage: `coverage` of the best lexical hit.
        best: Which hits are wanted; None = all.
    """
    best_lexical = lexical.values[0] if lexical else 0.0
    cosines = {**similarities, **dict(dense.items() if dense else ())}
    bm25 = {**lexicals, **dict(lexical.items() if lexical else ())}
    dense_ranks = dict(zip(dense.points if dense else (), itertools.count(1)))
    lexical_ranks = dict(zip(lexical.points if lexical else (), itertools.count(1)))
    points = [point for point in {**dense_ranks, **lexical_ranks} if point in labels]
    found = _cosines(map(cosines.get, points))
    sums = [None if lexical is None else bm25.get(point, 0.0) for point in points]

    def hit(place: int) -> BranchHit:
        point = points[place]
        return BranchHit(*labels[point], found[place], sums[place], dense_ranks.get(point), lexical_ranks.get(point))

    wanted: Iterable[int] = range(len(points))
    if best is not None and best.count < len(points):
        chosen = [labels[point] for point in points]
        kinds = [label.content_kind for label in chosen]
        scores, _ = pooling.scored(
            kinds, found, sums, best_lexical=best_lexical, best_coverage=best_coverage, fragmentation=best.fragmentation
        )
        wanted = pooling.first(scores, [label.memory_id for label in chosen], best.count)
    return BranchResult(tuple(map(hit, wanted)), best_lexical, best_coverage)


def _cosines(values: Iterable[float | None]) -> list[float | None]:
    # Rounding takes a cosine a little beyond its range.
    return [value if value is None or -1.0 <= value <= 1.0 else min(1.0, max(-1.0, value)) for value in values]
