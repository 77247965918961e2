"""The dense branch: a scan of compact vectors, made exact by the full vectors of what it found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast
from uuid import UUID

import qdrant_edge as edge

from ...operations import Float32Array
from ..schema import DENSE
from .filters import having
from .layout import Current
from .records import Hits, found

_EXACT = edge.SearchParams(exact=True)
_LINKED = edge.SearchParams(hnsw_ef=512)
"""How thoroughly a graph is searched."""
_WIDTHS = ((1.5, 20), (8.0, 20))
"""How many candidates are scanned, as a factor of what is asked for and an addition: first a few, then more."""
ROUNDING_ERROR = 0.05
"""Largest error of a scanned similarity, times the root of the dimension. Turbo8 turns vectors at random before it rounds, so that the
error of a similarity is the sum of many small ones: .005 to .008 over that root as a standard deviation, of which this is six."""


class DenseBranch:
    """Finds the nearest points of one shard, in the order and with the cosines of their full vectors."""

    def __init__(self, shard: edge.EdgeShard, used: Current) -> None:
        """Takes an open shard; `used` says what it holds."""
        self._shard = shard
        self._scanned = used.scanned
        self._has_graph = used.graph_points > 0

    def nearest(self, vector: Float32Array, condition: edge.Filter | None, limit: int) -> Hits:
        """Returns the `limit` nearest points that match; all of them are found, unless the shard has a graph.

        A scan is wide enough if no point that it left out can be among them; if a wider one is not
        either, as among many equal points, the full vectors are scanned.
        """
        if self._has_graph:
            return found(self._rescored(vector, condition, 2 * limit, _LINKED)[:limit])
        for width in _widths(limit) if self._scanned != DENSE else ():
            hits = self._rescored(vector, condition, width)
            if len(hits) < width or hits[limit - 1].score - hits[-1].score > 2 * ROUNDING_ERROR / math.sqrt(len(vector)):
                return found(hits[:limit])
        return found(self._query(vector, condition, limit))

    def beyond(self, listed: Hits) -> float:
        """Returns what no cosine exceeds of a point that `nearest` could have listed and did not."""
        # A graph misses some.
        return 1.0 if self._has_graph or not listed else listed.values[-1]

    def values(self, vector: Float32Array, point_ids: Sequence[UUID]) -> dict[int, float]:
        """Returns the cosines of those of these points that exist."""
        return dict(found(self._query(vector, having(point_ids), len(point_ids))).items()) if point_ids else {}

    def _rescored(
        self, vector: Float32Array, condition: edge.Filter | None, width: int, params: edge.SearchParams = _EXACT
    ) -> list[edge.ScoredPoint]:
        """Scans for `width` points and returns them with their cosines, nearest first, in one call of the engine."""
        scanned = edge.Prefetch(width, query=_nearest(vector, self._scanned), filter=condition, params=params)
        return self._shard.query(
            edge.QueryRequest(width, prefetches=[scanned], query=_nearest(vector, DENSE), with_payload=False, with_vector=False)
        )

    def _query(self, vector: Float32Array, condition: edge.Filter | None, limit: int) -> list[edge.ScoredPoint]:
        return self._shard.query(
            edge.QueryRequest(limit, query=_nearest(vector, DENSE), filter=condition, params=_EXACT, with_payload=False, with_vector=False)
        )


def _nearest(vector: Float32Array, name: str) -> edge.Query:
    # The engine takes arrays as they are; its stub names lists alone.
    return edge.Query.Nearest(cast("list[float]", vector), using=name)


def _widths(limit: int) -> Iterator[int]:
    for factor, addition in _WIDTHS:
        yield int(factor * limit) + addition
