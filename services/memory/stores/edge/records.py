"""What the engine gives, as the store's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

import qdrant_edge as edge

from ...store import StoredPoint
from ..branches import Found
from ..points import stored_point
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
    return stored_point(record.payload or {}, cast("dict[str, Any]", record.vector or {}))
