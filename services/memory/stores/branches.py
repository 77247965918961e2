"""Makes one answer of what the branches of a search found, each hit with the values of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .. import pooling
from ..store import Best, BranchHit, BranchResult


class Found(NamedTuple):
    """A hit of one branch."""

    point_id: str
    value: float


class Label(NamedTuple):
    """What an answer says of a point beside its values."""

    memory_id: str
    content_kind: str


def ordered(hits: Iterable[Found]) -> list[Found]:
    """Returns hits best first, equal ones by id: engines leave the order of ties to chance.

    Which of several equal hits were listed at all, at the end of the list, stays chance.
    """
    return sorted(hits, key=lambda hit: (-hit.value, hit.point_id))


def term_ids(terms: Iterable[Iterable[int]]) -> list[int]:
    """Returns every term id of all groups once, ascending: an engine adds repeated ids up."""
    return sorted({term for group in terms for term in group})


def coverage(terms: Sequence[Sequence[int]], document: Iterable[int]) -> float:
    """Returns the share of the groups of which `document` holds a term, in [0, 1]."""
    held = frozenset(document)
    return sum(not held.isdisjoint(group) for group in terms) / len(terms) if terms else 0.0


def only_in_first(first: Iterable[Found], second: Iterable[Found]) -> set[str]:
    """Returns the point ids that the first branch lists and the second does not."""
    return {hit.point_id for hit in first} - {hit.point_id for hit in second}


def contenders(
    dense: Sequence[Found],
    lexical: Sequence[Found],
    *,
    lexicals: Mapping[str, float],
    labels: Mapping[str, Label],
    best_coverage: float,
    best: Best | None,
    highest_similarity: float,
) -> set[str]:
    """Returns the points of the lexical branch alone that may be among the best: the others need no cosine.

    Args:
        dense: Hits of the dense branch, best first.
        lexical: Hits of the lexical branch, best first.
        lexicals: BM25 sum, by point id, of every dense hit that has a term.
        labels: What each dense hit is, by point id.
        best_coverage: `coverage` of the best lexical hit.
        best: Which hits are wanted; None = all.
        highest_similarity: What no cosine exceeds of a point that the dense branch did not list.
    """
    known = [hit for hit in dense if hit.point_id in labels]
    listed = {hit.point_id for hit in dense}
    alone = [hit for hit in lexical if hit.point_id not in listed]
    if best is None or len(known) < best.count or not alone:
        return {hit.point_id for hit in alone}
    scale = {"best_lexical": lexical[0].value, "best_coverage": best_coverage, "fragmentation": best.fragmentation}
    scores, _ = pooling.scored(
        [labels[hit.point_id].content_kind for hit in known],
        _cosines(hit.value for hit in known),
        [lexicals.get(hit.point_id, 0.0) for hit in known],
        **scale,
    )
    least = pooling.least_of(scores, best.count)
    bounds = pooling.highest(min(1.0, highest_similarity), [hit.value for hit in alone], **scale)
    return {hit.point_id for hit, bound in zip(alone, bounds, strict=True) if bound >= least}


def merged(
    dense: Sequence[Found] | None,
    lexical: Sequence[Found] | None,
    *,
    similarities: Mapping[str, float],
    lexicals: Mapping[str, float],
    labels: Mapping[str, Label],
    best_coverage: float,
    best: Best | None,
) -> BranchResult:
    """Merges two branches into hits that carry both values.

    Args:
        dense: Hits of the dense branch, best first; None if it was not asked.
        lexical: Hits of the lexical branch, best first; None if it was not asked.
        similarities: Cosine, by point id, of what only the lexical branch found.
        lexicals: BM25 sum, by point id, of what only the dense branch found and has a term.
        labels: What each point is, by point id; a point without one is left out.
        best_coverage: `coverage` of the best lexical hit.
        best: Which hits are wanted; None = all.
    """
    best_lexical = lexical[0].value if lexical else 0.0
    cosines = {**similarities, **dict(dense or ())}
    bm25 = {**lexicals, **dict(lexical or ())}
    points = [point for point in dict.fromkeys(hit.point_id for hit in (*(dense or ()), *(lexical or ()))) if point in labels]
    found = _cosines(map(cosines.get, points))
    sums = [None if lexical is None else bm25.get(point, 0.0) for point in points]
    dense_rank = {hit.point_id: rank for rank, hit in enumerate(dense or (), 1)}
    lexical_rank = {hit.point_id: rank for rank, hit in enumerate(lexical or (), 1)}

    def hit(index: int) -> BranchHit:
        point = points[index]
        return BranchHit(*labels[point], found[index], sums[index], dense_rank.get(point), lexical_rank.get(point))

    wanted: Iterable[int] = range(len(points))
    if best is not None and best.count < len(points):
        memory_ids, kinds = zip(*(labels[point] for point in points), strict=True)
        scores, _ = pooling.scored(
            kinds, found, sums, best_lexical=best_lexical, best_coverage=best_coverage, fragmentation=best.fragmentation
        )
        wanted = pooling.first(scores, memory_ids, best.count)
    return BranchResult(tuple(map(hit, wanted)), best_lexical, best_coverage)


def _cosines(values: Iterable[float | None]) -> list[float | None]:
    # Rounding takes a cosine a little beyond its range.
    return [value if value is None or -1.0 <= value <= 1.0 else min(1.0, max(-1.0, value)) for value in values]
