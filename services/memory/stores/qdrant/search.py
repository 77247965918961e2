"""Two-branch searches on a Qdrant server, every hit with the values of both branches."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qdrant_client import AsyncQdrantClient, models

from ...store import BranchResult, SearchRequest
from .. import branches
from ..branches import Label, Listed
from ..schema import DENSE, HIT_KEYS, LEXICAL
from .filters import Filters, having


class _Branches(NamedTuple):
    """What one search found in its own branches; None for a branch that was not asked."""

    dense: Listed[str] | None
    lexical: Listed[str] | None


class Searches:
    """One call of `Store.search`: a batch of branches, then a batch of what each lacks."""

    def __init__(self, client: AsyncQdrantClient, filters: Filters, timeout_s: float) -> None:
        """Takes an open client; `timeout_s` is what the server is told, in whole seconds."""
        self._client = client
        self._filters = filters
        self._timeout = max(1, math.ceil(timeout_s))
        self._labels: dict[str, Label] = {}

    async def run(self, requests: Sequence[SearchRequest]) -> list[BranchResult]:
        """Returns one result for each request, in their order."""
        first = await self._batch([(request.index, query) for request in requests for query in self._branch_queries(request)])
        answers = iter(first)
        found = [
            _Branches(
                None if request.dense is None else next(answers),
                next(answers) if request.terms else None,
            )
            for request in requests
        ]
        return await asyncio.gather(*(self._completed(request, each) for request, each in zip(requests, found, strict=True)))

    async def _completed(self, request: SearchRequest, found: _Branches) -> BranchResult:
        similarities, lexicals, coverage = await asyncio.gather(
            self._lacking(request, found.lexical, found.dense, dense=True),
            self._lacking(request, found.dense, found.lexical, dense=False),
            self._coverage(request, found.lexical),
        )
        return branches.merged(
            found.dense,
            found.lexical,
            similarities=similarities,
            lexicals=lexicals,
            labels=self._labels,
            best_coverage=coverage,
            best=request.best,
        )

    async def _lacking(
        self,
        request: SearchRequest,
        listed: Listed[str] | None,
        other: Listed[str] | None,
        *,
        dense: bool,
    ) -> Mapping[str, float]:
        """Asks one branch for the points that only the other one listed."""
        if listed is None or other is None:
            return {}
        ids = branches.only_in_first(listed, other)
        if not ids:
            return {}
        make = self._dense_query if dense else self._lexical_query
        answers = await self._batch([(request.index, make(request, having(ids), len(ids)))])
        return dict(answers[0].items())

    async def _coverage(self, request: SearchRequest, lexical: Listed[str] | None) -> float:
        if not lexical:
            return 0.0
        best = await self._client.retrieve(
            request.index,
            [lexical.points[0]],
            with_payload=False,
            with_vectors=[LEXICAL],
            timeout=self._timeout,
        )
        vector = best[0].vector if best else None
        sparse = vector.get(LEXICAL) if isinstance(vector, dict) else None
        if not isinstance(sparse, models.SparseVector):
            return 0.0
        return branches.coverage(request.terms, sparse.indices)

    async def _batch(self, queries: Sequence[tuple[str, models.QueryRequest]]) -> list[Listed[str]]:
        """Runs queries, one message for each index, and returns their hits in order."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, (index, _) in enumerate(queries):
            places[index].append(place)
        answers: list[Listed[str]] = [Listed((), ())] * len(queries)
        for index, positions in places.items():
            responses = await self._client.query_batch_points(index, [queries[place][1] for place in positions], timeout=self._timeout)
            for place, response in zip(positions, responses, strict=True):
                answers[place] = Listed.ordered(self._noted(hit) for hit in response.points)
        return answers

    def _noted(self, hit: models.ScoredPoint) -> tuple[str, float]:
        point = str(hit.id)
        if hit.payload:
            self._labels[point] = Label(hit.payload["memory_id"], hit.payload.get("content_kind", ""))
        return point, hit.score

    def _branch_queries(self, request: SearchRequest) -> list[models.QueryRequest]:
        condition = self._filters.within(request.generation, request.filter)
        queries = []
        if request.dense is not None:
            queries.append(self._dense_query(request, condition, request.depth, labelled=True))
        if request.terms:
            queries.append(self._lexical_query(request, condition, request.depth, labelled=True))
        return queries

    def _dense_query(self, request: SearchRequest, condition: models.Filter, limit: int, *, labelled: bool = False) -> models.QueryRequest:
        return models.QueryRequest(
            query=[] if request.dense is None else request.dense.tolist(),
            using=DENSE,
            filter=condition,
            params=models.SearchParams(exact=True),
            limit=limit,
            with_payload=HIT_KEYS if labelled else False,
        )

    def _lexical_query(
        self, request: SearchRequest, condition: models.Filter, limit: int, *, labelled: bool = False
    ) -> models.QueryRequest:
        ids = branches.term_ids(request.terms)
        corpus = models.IdfCorpusParams(corpus=self._filters.within(request.generation))
        return models.QueryRequest(
            query=models.SparseVector(indices=ids, values=[1.0] * len(ids)),
            using=LEXICAL,
            filter=condition,
            params=models.SearchParams(idf=corpus),
            limit=limit,
            with_payload=HIT_KEYS if labelled else False,
        )
