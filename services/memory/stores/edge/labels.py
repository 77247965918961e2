"""Remembers what points are, so that a search need not read their payloads."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import cast
from uuid import UUID

import qdrant_edge as edge

from ...operations import (
    DeleteGeneration,
    Operation,
    Payload,
    ReplacePayloads,
    UpsertPoints,
    point_uuid,
    touched,
)
from ..branches import Label
from ..schema import HIT_KEYS, KIND_KEY, TENANT_KEY
from .filters import within
from .records import Hits

FACET_LIMIT = 1_000_000
"""Most values of a field that are counted."""
CAPACITY = 200_000
"""Most points that are remembered: about 60 MB."""


class Labels:
    """The labels of one shard's points: remembered as they are written, else read once from the payload, which costs more than a hit.

    Beside them, which generations there are and of which kinds their points are, once somebody asked.

    The engine process is the only writer of its shards, so following what it writes keeps them true.
    """

    def __init__(self, shard: edge.EdgeShard, *, capacity: int = CAPACITY) -> None:
        """Remembers nothing yet."""
        self._shard = shard
        self._capacity = capacity
        self._known: dict[int, Label] = {}
        self._kinds: dict[str, set[str]] = {}
        self._generations: set[str] | None = None

    def of(self, hits: Hits) -> dict[int, Label]:
        """Returns the labels of points; one that does not exist has none."""
        unknown = [point_id for point, point_id in zip(hits.points, hits.ids, strict=True) if point not in self._known]
        if unknown:
            self._make_room(len(unknown))
            self._read(unknown)
        return {point: self._known[point] for point in hits.points if point in self._known}

    def kinds_of(self, generation: str) -> Set[str]:
        """Returns the content kinds of a generation's points; one that is gone may still be among them."""
        if generation not in self._kinds:
            self._kinds[generation] = self._values_of(KIND_KEY, within(generation))
        return self._kinds[generation]

    def is_alone(self, generation: str) -> bool:
        """Whether every point is of this generation."""
        if self._generations is None:
            self._generations = self._values_of(TENANT_KEY)
        return self._generations <= {generation}

    def forget(self, operation: Operation) -> None:
        """Forgets the points that an operation is about to write."""
        self._follow(operation)
        if not self._known:
            return
        for generation, memory_id in touched(operation):
            if memory_id is None:
                self._known.clear()
            else:
                self._known.pop(point_uuid(generation, memory_id).int, None)

    def remember(self, operation: Operation) -> None:
        """Remembers the points that an operation has just written: a search need not read them."""
        if isinstance(operation, UpsertPoints):
            self._make_room(len(operation.points))
            for point in operation.points:
                label = Label(point.memory_id, point.payload.get(KIND_KEY, ""))
                self._known[point_uuid(point.generation, point.memory_id).int] = label

    def _follow(self, operation: Operation) -> None:
        """Keeps up with the kinds and generations that were asked for."""
        match operation:
            case UpsertPoints(_, points):
                for point in points:
                    if self._generations is not None:
                        self._generations.add(point.generation)
                    self._add_kind(point.generation, point.payload)
            case ReplacePayloads(_, generation, payloads):
                for payload in payloads.values():
                    self._add_kind(generation, payload)
            case DeleteGeneration(_, generation):
                self._kinds.pop(generation, None)
                self._generations = None
            case _:
                pass

    def _add_kind(self, generation: str, payload: Payload) -> None:
        if generation in self._kinds:
            self._kinds[generation].add(payload.get(KIND_KEY, ""))

    def _values_of(self, key: str, condition: edge.Filter | None = None) -> set[str]:
        found = self._shard.facet(edge.FacetRequest(key, limit=FACET_LIMIT, exact=True, filter=condition))
        return {str(hit.value) for hit in found.hits}

    def _make_room(self, count: int) -> None:
        if len(self._known) + count > self._capacity:
            self._known.clear()

    def _read(self, point_ids: Sequence[UUID]) -> None:
        wanted = cast("list[edge.PointId]", point_ids)
        for record in self._shard.retrieve(wanted, with_payload=HIT_KEYS, with_vector=False):
            payload = record.payload or {}
            label = Label(payload["memory_id"], payload.get(KIND_KEY, ""))
            self._known[cast("UUID", record.id).int] = label
