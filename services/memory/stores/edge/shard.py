"""One physical index on disk, opened by the engine process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import numpy as np
import qdrant_edge as edge

from atlas.errors import SchemaMismatchError
from atlas.failpoints import failpoint

from ...operations import (
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    ReplacePayloads,
    UpsertPoints,
    point_id,
    stored_payload,
)
from ...store import BranchResult, Page, SearchRequest, StoredPoint, StoreFilter
from .. import branches
from ..branches import Found
from ..schema import (
    DENSE,
    INTEGER_KEYS,
    KEYWORD_KEYS,
    LEXICAL,
    TENANT_KEY,
    TEXT_KEYS,
)
from .filters import having, within
from .labels import Labels
from .loading import load, sync, sync_tree
from .protocol import DenseDatatype

_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "turbo8": edge.VectorStorageDatatype.Turbo8,
}
_EXACT = edge.SearchParams(exact=True)
_DELETE_STEP = 1024
"""Points that one message deletes of a generation, so that reads wait a few milliseconds."""
_FACET_LIMIT = 1_000_000
_NOTHING: Mapping[str, float] = {}
_Branch = Callable[[SearchRequest, edge.Filter, int], list[Found]]


class Shard:
    """An open index. Every call blocks; none of them may overlap another process's."""

    def __init__(self, shard: edge.EdgeShard) -> None:
        """Wraps an open shard; `opened` is the way to one."""
        self._shard = shard
        self._labels = Labels(shard)

    @classmethod
    def opened(cls, folder: Path, spec: IndexSpec, datatype: DenseDatatype) -> tuple[Shard, bool]:
        """Opens the index of `spec`, creating it where it is missing.

        Returns:
            The index, and whether it was created now.

        Raises:
            SchemaMismatchError: What is stored under that name is another index.
        """
        home = folder / spec.name
        created = not home.exists()
        if created:
            _create(home, spec, datatype)
        check_spec(home, spec)
        shard = cls(load(home / "shard"))
        shard._ensure_payload_indexes()
        return shard, created

    def close(self) -> None:
        """Flushes and closes it."""
        self._shard.close()

    def flush(self) -> None:
        """Writes everything that was applied to disk."""
        self._shard.flush()

    def apply(self, operation: Operation) -> bool:
        """Applies one operation; returns False if it has to be given again to be finished."""
        self._labels.forget(operation)
        match operation:
            case UpsertPoints():
                self._upsert(operation)
                self._labels.remember(operation)
            case ReplacePayloads():
                self._replace_payloads(operation)
            case DeletePoints(_, generation, memory_ids):
                self._delete([point_id(generation, memory_id) for memory_id in memory_ids])
            case DeleteGeneration(_, generation):
                return self._delete_some_of(generation)
        return True

    def search(self, request: SearchRequest) -> BranchResult:
        """Runs both branches and asks each for what only the other one found."""
        condition = within(request.generation, request.filter)
        dense = lexical = None
        similarities = lexicals = _NOTHING
        if request.dense is not None:
            dense = branches.ordered(self._dense(request, condition, request.depth))
        if request.terms:
            lexical = branches.ordered(self._lexical(request, condition, request.depth))
        if dense is not None and lexical is not None:
            similarities = self._fill(self._dense, request, branches.only_in_first(lexical, dense))
            # A branch that listed less than it may has listed everything that has a term.
            if len(lexical) >= request.depth:
                lexicals = self._fill(self._lexical, request, branches.only_in_first(dense, lexical))
        return branches.merged(
            dense,
            lexical,
            similarities=similarities,
            lexicals=lexicals,
            labels=self._labels.of([hit.point_id for hit in (*(dense or ()), *(lexical or ()))]),
            best_coverage=self._coverage(request, lexical),
        )

    def retrieve(self, generation: str, memory_ids: Sequence[str], *, with_vectors: bool) -> list[StoredPoint]:
        """Reads points by `memory_id`; those that do not exist are left out."""
        ids = cast("list[edge.PointId]", [point_id(generation, memory_id) for memory_id in memory_ids])
        return [_stored(record) for record in self._shard.retrieve(ids, with_payload=True, with_vector=with_vectors)]

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
        response = self._shard.facet(edge.FacetRequest(key, limit=_FACET_LIMIT, exact=True, filter=within(generation, condition)))
        return {str(hit.value): hit.count for hit in response.hits}

    def _upsert(self, operation: UpsertPoints) -> None:
        points = [
            edge.Point(
                point_id(point.generation, point.memory_id),
                # The engine takes arrays as they are; its stub names lists alone.
                cast(
                    "Any",
                    {
                        DENSE: point.dense,
                        LEXICAL: edge.SparseVector(cast("Any", point.sparse_indices), cast("Any", point.sparse_values)),
                    },
                ),
                stored_payload(point.generation, point.memory_id, point.payload),
            )
            for point in operation.points
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

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

    def _dense(self, request: SearchRequest, condition: edge.Filter, limit: int) -> list[Found]:
        query = edge.Query.Nearest(cast("Any", request.dense), using=DENSE)
        return self._query(query, condition, limit, _EXACT)

    def _lexical(self, request: SearchRequest, condition: edge.Filter, limit: int) -> list[Found]:
        ids = branches.term_ids(request.terms)
        query = edge.Query.Nearest(edge.SparseVector(ids, [1.0] * len(ids)), using=LEXICAL)
        corpus = edge.IdfParams(corpus=within(request.generation))
        return self._query(query, condition, limit, edge.SearchParams(idf=corpus))

    def _query(self, query: edge.Query, condition: edge.Filter, limit: int, params: edge.SearchParams) -> list[Found]:
        hits = self._shard.query(
            edge.QueryRequest(
                limit,
                query=query,
                filter=condition,
                params=params,
                with_payload=False,
                with_vector=False,
            )
        )
        return [Found(cast("UUID", hit.id).hex, hit.score) for hit in hits]

    def _fill(self, branch: _Branch, request: SearchRequest, ids: set[str]) -> Mapping[str, float]:
        return dict(branch(request, having(ids), len(ids))) if ids else _NOTHING

    def _coverage(self, request: SearchRequest, lexical: list[Found] | None) -> float:
        if not lexical:
            return 0.0
        best = self._shard.retrieve([lexical[0].point_id], with_payload=False, with_vector=[LEXICAL])
        if not best:
            return 0.0
        return branches.coverage(request.terms, cast("Any", best[0].vector)[LEXICAL].indices)

    def _ensure_payload_indexes(self) -> None:
        present = self._shard.info().payload_schema
        for key, schema in _payload_indexes().items():
            if key not in present:
                self._shard.update(edge.UpdateOperation.create_field_index(key, schema))


def _payload_indexes() -> dict[str, edge.PayloadSchemaParams]:
    return {
        TENANT_KEY: edge.KeywordIndexParams(is_tenant=True),
        **{key: edge.KeywordIndexParams() for key in KEYWORD_KEYS},
        **{key: edge.IntegerIndexParams(lookup=True, range=True) for key in INTEGER_KEYS},
        **{key: edge.TextIndexParams(tokenizer=edge.TokenizerType.Word, lowercase=True) for key in TEXT_KEYS},
    }


def _create(home: Path, spec: IndexSpec, datatype: DenseDatatype) -> None:
    """Makes an empty index aside and moves it in place, so that a half-made one is never loaded."""
    draft = home.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    config = edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(spec.dimension, edge.Distance.Cosine, datatype=_DATATYPES[datatype])},
        sparse_vectors={LEXICAL: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        wal_enabled=True,
        # Searches come one by one, and their vectors are one segment: more threads wait for work in a loop, at the cost of the other parts.
        max_search_threads=1,
    )
    shard = edge.EdgeShard.create(str(draft / "shard"), config)
    Shard(shard)._ensure_payload_indexes()
    shard.flush()
    shard.close()
    # Its flush leaves out files that hold nothing yet.
    sync_tree(draft)
    with (draft / "spec.json").open("wb") as file:
        file.write(msgspec.json.encode(spec))
        file.flush()
        os.fsync(file.fileno())
    failpoint("engine.create.draft")
    draft.rename(home)
    failpoint("engine.create.renamed")
    sync(home.parent)


def check_spec(home: Path, spec: IndexSpec) -> None:
    """Compares an index on disk with the one that is asked for.

    Raises:
        SchemaMismatchError: They differ.
    """
    stored = msgspec.json.decode((home / "spec.json").read_bytes(), type=IndexSpec)
    if stored != spec:
        raise SchemaMismatchError(
            f"index {spec.name} holds {stored}, but {spec} is asked for",
            index=spec.name,
            stored=stored,
            wanted=spec,
        )


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
