"""What the engine gives, as the store's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import qdrant_edge as edge

from ...store import StoredPoint
from .. import branches
from ..points import stored_point
from ..schema import DENSE, LEXICAL


@dataclass(frozen=True, slots=True)
class Hits(branches.Listed[int]):
    """The hits of one branch; points are the numbers of their ids, which compare and hash in less time."""

    ids: Sequence[UUID]
    """As the engine names the points."""

    def at(self, places: Iterable[int]) -> Hits:
        """Returns the hits at these places."""
        chosen = list(places)
        return Hits([self.points[at] for at in chosen], [self.values[at] for at in chosen], [self.ids[at] for at in chosen])


def found(hits: Iterable[edge.ScoredPoint]) -> Hits:
    """Returns what the engine lists, in the order of `branches.order`."""
    # An attribute of the engine's is made anew whenever it is read.
    pairs = [(cast("UUID", hit.id), hit.score) for hit in hits]
    listed = Hits([one.int for one, _ in pairs], [value for _, value in pairs], [one for one, _ in pairs])
    order = branches.order(listed.points, listed.values)
    return listed if isinstance(order, range) else listed.at(order)


def read(shard: edge.EdgeShard, point_ids: Sequence[str | UUID], *, with_vectors: bool = False) -> list[StoredPoint]:
    """Reads points; those that do not exist are left out."""
    ids = cast("list[edge.PointId]", point_ids)
    return [stored(record) for record in shard.retrieve(ids, with_payload=True, with_vector=[DENSE, LEXICAL] if with_vectors else False)]


def stored(record: edge.Record) -> StoredPoint:
    """Returns a point that was read with its payload, and perhaps its vectors."""
    return stored_point(record.payload or {}, cast("dict[str, Any]", record.vector or {}))
