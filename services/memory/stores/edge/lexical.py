"""The lexical branch: BM25 over sparse vectors, with the engine's IDF inside the generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import qdrant_edge as edge

from ...store import SearchRequest
from .. import branches
from ..schema import LEXICAL
from .filters import having, within
from .records import Hits, found


class LexicalBranch:
    """Finds the points of one shard that hold the query's terms."""

    def __init__(self, shard: edge.EdgeShard) -> None:
        """Takes an open shard."""
        self._shard = shard

    def listed(
        self, request: SearchRequest, condition: edge.Filter | None, limit: int, others: Sequence[UUID] = ()
    ) -> tuple[Hits, Mapping[int, float]]:
        """Returns the best hits, best first, and the values of those points among `others` that have a term."""
        ids = branches.term_ids(request.terms)
        query = edge.Query.Nearest(edge.SparseVector(ids, [1.0] * len(ids)), using=LEXICAL)
        params = edge.SearchParams(idf=edge.IdfParams(corpus=within(request.generation)))

        def asked(limit: int, condition: edge.Filter | None) -> edge.QueryRequest:
            return edge.QueryRequest(limit, query=query, filter=condition, params=params, with_payload=False, with_vector=False)

        # In one call, because the engine then counts the generation's terms once.
        queries = [asked(limit, condition), *([asked(len(others), having(others))] if others else [])]
        best, *values = self._shard.query_batch(edge.QueryBatchRequest(queries))
        return found(best), dict(found(values[0]).items()) if values else {}

    def coverage(self, request: SearchRequest, point_id: UUID) -> float:
        """Returns the share of the query's terms that a point holds, [0, 1]; 0 for one that does not exist."""
        best = self._shard.retrieve([point_id], with_payload=False, with_vector=[LEXICAL])
        if not best:
            return 0.0
        return branches.coverage(request.terms, cast("Any", best[0].vector)[LEXICAL].indices)
