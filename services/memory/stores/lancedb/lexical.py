"""BM25 sums over the postings of a generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..branches import Listed


@dataclass(frozen=True, slots=True)
class Scores:
    """What each point of a generation that has a query term scores."""

    values: dict[str, float]
    """BM25 sum by point id."""
    postings: pa.Table
    """The rows that were scored, in the order of `values`."""

    def terms_of(self, point: str) -> list[int]:
        """Returns the terms of a point that was scored."""
        row = list(self.values).index(point)
        terms: list[int] = self.postings["terms"][row].as_py()
        return terms

    def best(self, allowed: frozenset[str] | None, limit: int) -> Listed[str]:
        """Returns the best points among `allowed` (None = all), best first."""
        hits = Listed.ordered((point, value) for point, value in self.values.items() if allowed is None or point in allowed)
        return Listed(hits.points[:limit], hits.values[:limit])


def scores(postings: pa.Table, *, generation_size: int, terms: Sequence[int]) -> Scores:
    """Scores the rows that have a term; IDF = ln(1 + (N - df + .5) / (df + .5)), as the other engines count it.

    Args:
        postings: `point_id`, `terms` and `weights` of every row of the generation that has one of `terms`.
        generation_size: Points of the generation, N.
        terms: Term ids of the query, ascending, each once.
    """
    wanted = np.asarray(terms, np.uint32)
    lists = postings["terms"].combine_chunks()
    held = lists.flatten().to_numpy(zero_copy_only=False)
    weights = postings["weights"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(postings.num_rows), np.diff(lists.offsets.to_numpy()))
    asked = np.isin(held, wanted)
    held, weights, rows = held[asked], weights[asked], rows[asked]
    places = np.searchsorted(wanted, held)
    frequencies = np.bincount(places, minlength=len(wanted))
    idf = np.array([math.log(1 + (generation_size - df + 0.5) / (df + 0.5)) for df in frequencies])
    sums = np.bincount(rows, weights=weights * idf[places], minlength=postings.num_rows)
    points: list[str] = postings["point_id"].to_pylist()
    return Scores(dict(zip(points, sums.tolist(), strict=True)), postings)
