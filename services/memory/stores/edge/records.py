"""What the engine gives, as the store's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from ...store import StoredPoint
from ..branches import Found
from ..schema import DENSE, LEXICAL


def found(hits: Iterable[edge.ScoredPoint]) -> list[Found]:
    """Returns hits in their order."""
    return [Found(cast("UUID", hit.id).hex, hit.score) for hit in hits]


def read(shard: edge.EdgeShard, point_ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
    """Reads points; those that do not exist are left out."""
    ids = cast("list[edge.PointId]", point_ids)
    return [stored(record) for record in shard.retrieve(ids, with_payload=True, with_vector=[DENSE, LEXICAL] if with_vectors else False)]


def stored(record: edge.Record) -> StoredPoint:
    """Returns a point that was read with its payload, and perhaps its vectors."""
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
