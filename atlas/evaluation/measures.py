"""Recall, reciprocal rank and discounted gain of one ranking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from atlas.errors import InvalidInputError

_RECALL_CUTS = (1, 3, 5, 10, 20)
_DEPTH = 10

MEASURES = (*(f"R@{cut}" for cut in _RECALL_CUTS), f"MRR@{_DEPTH}", f"nDCG@{_DEPTH}")
"""Names of the measures, in the order in which they are shown."""


def measures(ranking: Sequence[str], grades: Mapping[str, int]) -> dict[str, float]:
    """Computes every measure of one query, each in [0, 1].

    Recall@k is taken over all relevant documents, MRR@10 is 0 beyond rank 10, nDCG@10 has linear gain and a log2
    discount as trec_eval computes it.

    Args:
        ranking: Document ids, the best first, none twice.
        grades: Judgements; 1 or more means relevant, documents that are not listed count as 0.

    Raises:
        InvalidInputError: No document is relevant, so that nothing can be measured, or one is ranked twice.
    """
    relevant = {document_id for document_id, grade in grades.items() if grade > 0}
    if not relevant:
        raise InvalidInputError("grades name no relevant document", field="grades")
    if len(set(ranking)) != len(ranking):
        raise InvalidInputError("ranking lists a document twice", field="ranking")
    hits = [document_id in relevant for document_id in ranking]
    found = {f"R@{cut}": sum(hits[:cut]) / len(relevant) for cut in _RECALL_CUTS}
    found[f"MRR@{_DEPTH}"] = next((1 / rank for rank, hit in enumerate(hits[:_DEPTH], start=1) if hit), 0.0)
    gain = _discounted([grades.get(document_id, 0) for document_id in ranking])
    found[f"nDCG@{_DEPTH}"] = gain / _discounted(sorted(grades.values(), reverse=True))
    return found


def average(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Averages each measure over the queries.

    Raises:
        InvalidInputError: There are no rows.
    """
    if not rows:
        raise InvalidInputError("rows is empty; an average needs at least 1 query", field="rows")
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _discounted(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:_DEPTH], start=1))
