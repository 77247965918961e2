"""Searches of one shard: both branches, made one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import msgspec
import qdrant_edge as edge

from ... import pooling
from ...store import Best, BranchResult, SearchRequest
from .. import branches
from .dense import DenseBranch
from .filters import within
from .labels import Labels
from .layout import Current
from .lexical import LexicalBranch
from .records import Hits, read

_NOTHING = Hits((), (), ())


class Searcher:
    """Answers searches; looks up no more than the answer needs."""

    def __init__(self, shard: edge.EdgeShard, used: Current, labels: Labels) -> None:
        """Takes an open shard, what it holds, and the labels of its points."""
        self._shard = shard
        self._labels = labels
        self._dense = DenseBranch(shard, used)
        self._lexical = LexicalBranch(shard)

    def search(self, request: SearchRequest) -> BranchResult:
        """Runs both branches and asks each for what only the other one found."""
        vector, condition = request.dense, self._condition(request)
        dense = lexical = None
        similarities: Mapping[int, float] = {}
        lexicals: Mapping[int, float] = {}
        if vector is not None:
            dense = self._listed(request, lambda depth: self._dense.nearest(vector, condition, depth))
        if request.terms and dense is not None:
            lexical, lexicals = self._lexical.listed(request, condition, request.depth, dense.ids)
        elif request.terms:
            lexical = self._listed(request, lambda depth: self._lexical.listed(request, condition, depth)[0])
        coverage = self._lexical.coverage(request, lexical.ids[0]) if lexical else 0.0
        labels = self._labels.of(dense or lexical or _NOTHING)
        if vector is not None and dense and lexical:
            places = branches.contenders(
                dense,
                lexical,
                lexicals=lexicals,
                labels=labels,
                best_coverage=coverage,
                best=request.best,
                highest_similarity=self._dense.beyond(dense),
            )
            alone = lexical.at(places)
            similarities = self._dense.values(vector, alone.ids)
            labels |= self._labels.of(alone)
        merged = branches.merged(
            dense, lexical, similarities=similarities, lexicals=lexicals, labels=labels, best_coverage=coverage, best=request.best
        )
        if not request.with_points:
            return merged
        wanted = {hit.memory_id for hit in merged.hits}
        kept = [UUID(int=point) for point, label in labels.items() if label.memory_id in wanted]
        return msgspec.structs.replace(merged, points=tuple(read(self._shard, kept)))

    def _condition(self, request: SearchRequest) -> edge.Filter | None:
        # Asking each point for its generation takes a third of a scan.
        if request.filter is None and self._labels.is_alone(request.generation):
            return None
        return within(request.generation, request.filter)

    def _listed(self, request: SearchRequest, branch: Callable[[int], Hits]) -> Hits:
        """Lists a branch: not beyond the best hits where it alone decides which these are."""
        best = request.best
        if best is None or best.count + 1 >= request.depth or not self._decides_alone(request, best):
            return branch(request.depth)
        hits = branch(best.count + 1)
        # Which of equal hits the engine lists is chance: those at the end have to be seen together.
        torn = len(hits) > best.count and hits.values[-1] == hits.values[-2]
        return branch(request.depth) if torn else hits

    def _decides_alone(self, request: SearchRequest, best: Best) -> bool:
        if request.dense is None or request.terms:
            return request.dense is None
        return pooling.follows_similarity(self._labels.kinds_of(request.generation), best.fragmentation)
