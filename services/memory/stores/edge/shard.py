"""One physical index on disk, opened by the engine process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import qdrant_edge as edge

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
from ...store import BranchResult, Page, SearchRequest, StoredPoint, StoreFilter
from ..schema import DENSE, LEXICAL
from . import layout
from .afresh import write_afresh
from .filters import having, older_than, within
from .labels import FACET_LIMIT, Labels
from .layout import SCAN, Current
from .loading import load, note_empty
from .protocol import DenseDatatype, IndexState
from .records import read, stored
from .searcher import Searcher
from .wear import Wear

_DELETE_STEP = 1024
"""Points that one message deletes of a generation, so that reads wait a few milliseconds."""


class Shard:
    """An open index. Every call blocks; none of them may overlap another process's."""

    def __init__(self, shard: edge.EdgeShard, home: Path) -> None:
        """Wraps the open shard that is in use in `home`; `opened` is the way to one."""
        self._shard = shard
        self._used = layout.current(home)
        self._wear = Wear(home / self._used.shard, points=shard.info().points_count)
        self._labels = Labels(shard)
        self._searcher = Searcher(shard, self._used, self._labels)

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

    def search(self, request: SearchRequest) -> BranchResult:
        """Runs both branches and asks each for what only the other one found."""
        return self._searcher.search(request)

    def retrieve(self, generation: str, memory_ids: Sequence[str], *, with_vectors: bool) -> list[StoredPoint]:
        """Reads points by `memory_id`; those that do not exist are left out."""
        return read(self._shard, [point_id(generation, memory_id) for memory_id in memory_ids], with_vectors=with_vectors)

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
        points = tuple(stored(record) for record in records)
        return Page(points, None if following is None else str(following))

    def count(self, generation: str, condition: StoreFilter | None) -> int:
        """Counts matching points exactly."""
        return self._shard.count(edge.CountRequest(exact=True, filter=within(generation, condition)))

    def facet(self, generation: str, key: str, condition: StoreFilter | None) -> dict[str, int]:
        """Counts matching points by the value of an indexed field."""
        response = self._shard.facet(edge.FacetRequest(key, limit=FACET_LIMIT, exact=True, filter=within(generation, condition)))
        return {str(hit.value): hit.count for hit in response.hits}

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


def _ensure_payload_indexes(shard: edge.EdgeShard) -> None:
    present = shard.info().payload_schema
    for key, schema in layout.payload_indexes().items():
        if key not in present:
            shard.update(edge.UpdateOperation.create_field_index(key, schema))
