"""Makes one answer of what the branches of a search found, each hit with the values of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..store import BranchHit, BranchResult


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


def merged(
    dense: Sequence[Found] | None,
    lexical: Sequence[Found] | None,
    *,
    similarities: Mapping[str, float],
    lexicals: Mapping[str, float],
    labels: Mapping[str, Label],
    best_coverage: float,
) -> BranchResult:
    """Merges two branches into hits that carry both values.

    Args:
        dense: Hits of the dense branch, best first; None if it was not asked.
        lexical: Hits of the lexical branch, best first; None if it was not asked.
        similarities: Cosine, by point id, of what only the lexical branch found.
        lexicals: BM25 sum, by point id, of what only the dense branch found and has a term.
        labels: What each point is, by point id; a point without one was deleted meanwhile.
        best_coverage: `coverage` of the best lexical hit.
    """
    cosines = {**similarities, **dict(dense or ())}
    bm25 = {**lexicals, **dict(lexical or ())}
    dense_rank = {hit.point_id: rank for rank, hit in enumerate(dense or (), 1)}
    lexical_rank = {hit.point_id: rank for rank, hit in enumerate(lexical or (), 1)}
    hits = []
    for point in dense_rank | lexical_rank:
        label = labels.get(point)
        if label is not None:
            cosine = cosines.get(point)
            hits.append(
                BranchHit(
                    label.memory_id,
                    label.content_kind,
                    # Rounding takes a cosine a little beyond its range.
                    None if cosine is None else min(1.0, max(-1.0, cosine)),
                    None if lexical is None else bm25.get(point, 0.0),
                    dense_rank.get(point),
                    lexical_rank.get(point),
                )
            )
    best = lexical[0].value if lexical else 0.0
    return BranchResult(tuple(hits), best, best_coverage)
