"""One physical index on disk, opened by the engine process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import qdrant_edge as edge

from ... import pooling
from ...operations import (
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    Point,
    ReplacePayloads,
    SalienceProjection,
    UpsertPoints,
    point_id,
    projected_payload,
    stored_payload,
)
from ...store import Best, BranchResult, Page, SearchRequest, StoredPoint, StoreFilter
from .. import branches
from ..branches import Found
from ..schema import DENSE, LEXICAL
from . import layout
from .afresh import write_afresh
from .dense import DenseBranch, found
from .filters import having, older_than, within
from .labels import FACET_LIMIT, Labels
from .layout import SCAN, Current
from .loading import load, note_empty
from .protocol import DenseDatatype, IndexState
from .wear import Wear

_DELETE_STEP = 1024
"""Points that one message deletes of a generation, so that reads wait a few milliseconds."""
_NOTHING: Mapping[str, float] = {}


class Shard:
    """An open index. Every call blocks; none of them may overlap another process's."""

    def __init__(self, shard: edge.EdgeShard, home: Path) -> None:
        """Wraps the open shard that is in use in `home`; `opened` is the way to one."""
        self._shard = shard
        self._used = layout.current(home)
        self._wear = Wear(home / self._used.shard, points=shard.info().points_count)
        self._labels = Labels(shard)
        self._dense = DenseBranch(shard, self._used)

    @classmethod
    def opened(cls, folder: Path, spec: IndexSpec, scan: DenseDatatype) -> tuple[Shard, bool]:
        """Opens the index of `spec`, creating it where it is missing.

        Returns:
            The index, and whether it was created now.

        Raises:
            SchemaMismatchError: What is stored under that name is another index.
        """
        home = folder / spec.name
        created = not home.exists()
        if created:
            layout.create(home, spec, scan, _ensure_payload_indexes)
        layout.check_spec(home, spec)
        return cls.loaded(home), created

    @classmethod
    def loaded(cls, home: Path) -> Shard:
        """Opens the shard that is in use in an index's folder."""
        shard = load(home / layout.current(home).shard)
        _ensure_payload_indexes(shard)
        return cls(shard, home)

    @staticmethod
    def rebuild(home: Path, spec: IndexSpec, *, graph: bool, afresh: bool = False) -> None:
        """Clears away dead vectors and, if asked for, builds a graph; takes seconds to minutes and is for a copy alone.

        Args:
            home: The index's folder.
            spec: The index.
            graph: Whether it gets a graph.
            afresh: Whether its points are first written into new files.
        """
        if afresh:
            write_afresh(home, spec, prepare=_ensure_payload_indexes)
        used = layout.current(home)
        shard = edge.EdgeShard.load(str(home / used.shard), layout.config(spec, used.scan, graph=graph, thorough=True))
        shard.optimize()
        points = shard.info().points_count
        shard.flush()
        shard.close()
        Wear.reset(home / used.shard)
        note_empty(home / used.shard)
        layout.make_current(home, Current(used.shard, used.scan, points if graph else 0))

    @property
    def state(self) -> IndexState:
        """How large and how worn it is."""
        points = self._shard.info().points_count
        return IndexState(points, self._wear.dead(points), self._used.graph_points)

    def close(self) -> None:
        """Flushes and closes it."""
        self._wear.save()
        self._shard.close()

    def flush(self) -> None:
        """Writes everything that was applied to disk."""
        self._wear.save()
        self._shard.flush()

    def apply(self, operation: Operation) -> bool:
        """Applies one operation; returns False if it has to be given again to be finished."""
        self._labels.forget(operation)
        match operation:
            case UpsertPoints():
                self._upsert(operation)
                self._wear.written(len(operation.points))
                self._labels.remember(operation)
            case ReplacePayloads():
                self._replace_payloads(operation)
            case DeletePoints(_, generation, memory_ids):
                self._delete([point_id(generation, memory_id) for memory_id in memory_ids])
            case DeleteGeneration(_, generation):
                return self._delete_some_of(generation)
        return True

    def project(self, projection: SalienceProjection) -> None:
        """Writes saliences beside the points that hold older ones."""
        for memory_id, value in projection.values.items():
            point = point_id(projection.generation, memory_id)
            self._shard.update(edge.UpdateOperation.set_payload_by_filter(older_than(value.sequence, point), projected_payload(value)))

    def search(self, request: SearchRequest, *, with_points: bool = False) -> BranchResult:
        """Runs both branches and asks each for what only the other one found; the hits' payloads come along if asked for."""
        vector, condition = request.dense, self._condition(request)
        dense = lexical = None
        similarities = lexicals = _NOTHING
        if vector is not None:
            dense = self._listed(request, lambda depth: branches.ordered(self._dense.nearest(vector, condition, depth)))
        if request.terms and dense is not None:
            lexical, lexicals = self._lexical(request, condition, request.depth, [hit.point_id for hit in dense])
        elif request.terms:
            lexical = self._listed(request, lambda depth: self._lexical(request, condition, depth)[0])
        coverage = self._coverage(request, lexical)
        labels = self._labels.of([hit.point_id for hit in dense or lexical or ()])
        if vector is not None and dense and lexical:
            alone = branches.contenders(
                dense,
                lexical,
                lexicals=lexicals,
                labels=labels,
                best_coverage=coverage,
                best=request.best,
                highest_similarity=self._dense.beyond(dense),
            )
            similarities = dict(self._dense.values(vector, alone))
            labels |= self._labels.of(list(alone))
        merged = branches.merged(
            dense, lexical, similarities=similarities, lexicals=lexicals, labels=labels, best_coverage=coverage, best=request.best
        )
        if not with_points:
            return merged
        wanted = {hit.memory_id for hit in merged.hits}
        kept = [point for point, label in labels.items() if label.memory_id in wanted]
        return msgspec.structs.replace(merged, points=tuple(self._read(kept)))

    def _condition(self, request: SearchRequest) -> edge.Filter | None:
        # Asking each point for its generation takes a third of a scan.
        if request.filter is None and self._labels.is_alone(request.generation):
            return None
        return within(request.generation, request.filter)

    def _listed(self, request: SearchRequest, branch: Callable[[int], list[Found]]) -> list[Found]:
        """Lists a branch: not beyond the best hits where it alone decides which these are."""
        best = request.best
        if best is None or best.count + 1 >= request.depth or not self._decides_alone(request, best):
            return branch(request.depth)
        hits = branch(best.count + 1)
        # Which of equal hits the engine lists is chance: those at the end have to be seen together.
        torn = len(hits) > best.count and hits[-1].value == hits[-2].value
        return branch(request.depth) if torn else hits

    def _decides_alone(self, request: SearchRequest, best: Best) -> bool:
        if request.dense is None or request.terms:
            return request.dense is None
        return pooling.follows_similarity(self._labels.kinds_of(request.generation), best.fragmentation)

    def retrieve(self, generation: str, memory_ids: Sequence[str], *, with_vectors: bool) -> list[StoredPoint]:
        """Reads points by `memory_id`; those that do not exist are left out."""
        return self._read([point_id(generation, memory_id) for memory_id in memory_ids], with_vectors=with_vectors)

    def scroll(self, generation: str, condition: StoreFilter | None, limit: int, after: str | None) -> Page:
        """Reads matching points in the order of their ids, from the id `after` on."""
        records, following = self._shard.scroll(
            edge.ScrollRequest(
                offset=after,
                limit=limit,
                filter=within(generation, condition),
                with_payload=True,
                with_vector=False,
            )
        )
        points = tuple(_stored(record) for record in records)
        return Page(points, None if following is None else str(following))

    def count(self, generation: str, condition: StoreFilter | None) -> int:
        """Counts matching points exactly."""
        return self._shard.count(edge.CountRequest(exact=True, filter=within(generation, condition)))

    def facet(self, generation: str, key: str, condition: StoreFilter | None) -> dict[str, int]:
        """Counts matching points by the value of an indexed field."""
        response = self._shard.facet(edge.FacetRequest(key, limit=FACET_LIMIT, exact=True, filter=within(generation, condition)))
        return {str(hit.value): hit.count for hit in response.hits}

    def _read(self, point_ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
        ids = cast("list[edge.PointId]", point_ids)
        return [
            _stored(record)
            for record in self._shard.retrieve(ids, with_payload=True, with_vector=[DENSE, LEXICAL] if with_vectors else False)
        ]

    def _upsert(self, operation: UpsertPoints) -> None:
        points = [
            edge.Point(
                point_id(point.generation, point.memory_id),
                self._vectors(point),
                stored_payload(point.generation, point.memory_id, point.payload),
            )
            for point in operation.points
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

    def _vectors(self, point: Point) -> Any:
        # The engine takes arrays as they are; its stub names lists alone.
        terms = edge.SparseVector(cast("Any", point.sparse_indices), cast("Any", point.sparse_values))
        vectors = {DENSE: point.dense, LEXICAL: terms}
        if self._used.scanned == SCAN:
            vectors[SCAN] = point.dense
        return vectors

    def _replace_payloads(self, operation: ReplacePayloads) -> None:
        for memory_id, payload in operation.payloads.items():
            # By filter, because the form by id raises where the point is gone.
            self._shard.update(
                edge.UpdateOperation.overwrite_payload_by_filter(
                    having([point_id(operation.generation, memory_id)]),
                    stored_payload(operation.generation, memory_id, payload),
                )
            )

    def _delete(self, ids: Sequence[edge.PointId]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(list(ids)))

    def _delete_some_of(self, generation: str) -> bool:
        records, following = self._shard.scroll(
            edge.ScrollRequest(
                limit=_DELETE_STEP,
                filter=within(generation),
                with_payload=False,
                with_vector=False,
            )
        )
        self._delete([record.id for record in records])
        return following is None

    def _lexical(
        self, request: SearchRequest, condition: edge.Filter | None, limit: int, others: Sequence[str] = ()
    ) -> tuple[list[Found], Mapping[str, float]]:
        """Returns the best hits, best first, and the values of those points among `others` that have a term."""
        ids = branches.term_ids(request.terms)
        query = edge.Query.Nearest(edge.SparseVector(ids, [1.0] * len(ids)), using=LEXICAL)
        params = edge.SearchParams(idf=edge.IdfParams(corpus=within(request.generation)))

        def asked(limit: int, condition: edge.Filter | None) -> edge.QueryRequest:
            return edge.QueryRequest(limit, query=query, filter=condition, params=params, with_payload=False, with_vector=False)

        # In one call, because the engine then counts the generation's terms once.
        queries = [asked(limit, condition), *([asked(len(others), having(others))] if others else [])]
        best, *values = self._shard.query_batch(edge.QueryBatchRequest(queries))
        return branches.ordered(found(best)), dict(found(values[0])) if values else _NOTHING

    def _coverage(self, request: SearchRequest, lexical: list[Found] | None) -> float:
        if not lexical:
            return 0.0
        best = self._shard.retrieve([lexical[0].point_id], with_payload=False, with_vector=[LEXICAL])
        if not best:
            return 0.0
        return branches.coverage(request.terms, cast("Any", best[0].vector)[LEXICAL].indices)


def _ensure_payload_indexes(shard: edge.EdgeShard) -> None:
    present = shard.info().payload_schema
    for key, schema in layout.payload_indexes().items():
        if key not in present:
            shard.update(edge.UpdateOperation.create_field_index(key, schema))


def _stored(record: edge.Record) -> StoredPoint:
    payload = record.payload or {}
    vectors = cast("dict[str, Any]", record.vector or {})
    memory_id = payload["memory_id"]
    if not vectors:
        return StoredPoint(memory_id, payload)
    sparse = vectors.get(LEXICAL)
    return StoredPoint(
        memory_id,
        payload,
        np.asarray(vectors[DENSE], np.float32),
        np.asarray(sparse.indices if sparse else [], np.uint32),
        np.asarray(sparse.values if sparse else [], np.float32),
    )
