"""The dense branch: a scan of compact vectors, made exact by the full vectors of what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast
from uuid import UUID

import qdrant_edge as edge

from ...operations import Float32Array
from ..branches import Found
from ..schema import DENSE
from .filters import having
from .layout import Current

_EXACT = edge.SearchParams(exact=True)
_LINKED = edge.SearchParams(hnsw_ef=512)
"""How thoroughly a graph is searched."""
_WIDTHS = ((1.5, 20), (8.0, 0))
"""How many candidates are scanned, as a factor of what is asked for and an addition: first a few, then more."""
ERROR_MARGIN = 2.0
"""How many times the largest rounding error of the candidates one of the other points may have; among 50 and more of them the
largest lies about 2.5 standard deviations out."""


class DenseBranch:
    """Finds the nearest points of one shard, in the order and with the cosines of their full vectors."""

    def __init__(self, shard: edge.EdgeShard, used: Current) -> None:
        """Takes an open shard; `used` says what it holds."""
        self._shard = shard
        self._scanned = used.scanned
        self._has_graph = used.graph_points > 0

    def nearest(self, vector: Float32Array, condition: edge.Filter, limit: int) -> list[Found]:
        """Returns the `limit` nearest points that match; all of them are found, unless the shard has a graph.

        A scan is wide enough if no point that it left out can be among them; if a wider one is not
        either, as among many equal points, the full vectors are scanned.
        """
        if self._has_graph:
            return self._values(vector, self._query(self._scanned, vector, condition, 2 * limit, _LINKED))[:limit]
        for width in _widths(limit) if self._scanned != DENSE else ():
            rough = self._query(self._scanned, vector, condition, width)
            found = self._values(vector, rough)
            if len(rough) < width or is_complete({hit.point_id: hit.value for hit in rough}, found, limit):
                return found[:limit]
        return self._query(DENSE, vector, condition, limit)

    def values(self, vector: Float32Array, point_ids: Sequence[str] | set[str]) -> list[Found]:
        """Returns these points with their cosines, nearest first."""
        return self._query(DENSE, vector, having(point_ids), len(point_ids)) if point_ids else []

    def _values(self, vector: Float32Array, hits: Sequence[Found]) -> list[Found]:
        return self.values(vector, [hit.point_id for hit in hits])

    def _query(
        self, name: str, vector: Float32Array, condition: edge.Filter, limit: int, params: edge.SearchParams = _EXACT
    ) -> list[Found]:
        hits = self._shard.query(
            edge.QueryRequest(
                limit,
                query=edge.Query.Nearest(cast("list[float]", vector), using=name),
                filter=condition,
                params=params,
                with_payload=False,
                with_vector=False,
            )
        )
        return [Found(cast("UUID", hit.id).hex, hit.score) for hit in hits]


def is_complete(rough: Mapping[str, float], exact: Sequence[Found], limit: int) -> bool:
    """Says whether the best `limit` of `exact` are the best of all points.

    Args:
        rough: Scanned value of each candidate; a point that is none has no higher one.
        exact: The same candidates with their full values, best first.
        limit: How many are asked for, 1 or more.
    """
    if len(exact) < limit:
        return False
    error = max(abs(rough[hit.point_id] - hit.value) for hit in exact)
    return exact[limit - 1].value > min(rough.values()) + ERROR_MARGIN * error


def _widths(limit: int) -> Iterator[int]:
    for factor, addition in _WIDTHS:
        yield int(factor * limit) + addition
