"""Remembers what points are, so that a search need not read their payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

import qdrant_edge as edge

from ...operations import (
    DeleteGeneration,
    DeletePoints,
    Operation,
    ReplacePayloads,
    UpsertPoints,
    point_id,
)
from ..branches import Label
from ..schema import HIT_KEYS

CAPACITY = 200_000
"""Most points that are remembered: about 60 MB."""


class Labels:
    """The labels of one shard's points: remembered as they are written, else read once from the payload, which costs more than a hit.

    The engine process is the only writer of its shards, so following what it writes keeps them true.
    """

    def __init__(self, shard: edge.EdgeShard, *, capacity: int = CAPACITY) -> None:
        """Remembers nothing yet."""
        self._shard = shard
        self._capacity = capacity
        self._known: dict[str, Label] = {}

    def of(self, point_ids: Sequence[str]) -> Mapping[str, Label]:
        """Returns the labels of points by id (hexadecimal, without dashes), and perhaps of more."""
        unknown = [point for point in point_ids if point not in self._known]
        if unknown:
            self._make_room(len(unknown))
            self._read(unknown)
        return self._known

    def forget(self, operation: Operation) -> None:
        """Forgets the points that an operation is about to write."""
        if not self._known:
            return
        match operation:
            case UpsertPoints(_, points):
                names = [(point.generation, point.memory_id) for point in points]
            case ReplacePayloads(_, generation, payloads):
                names = [(generation, memory_id) for memory_id in payloads]
            case DeletePoints(_, generation, memory_ids):
                names = [(generation, memory_id) for memory_id in memory_ids]
            case DeleteGeneration():
                self._known.clear()
                return
        for generation, memory_id in names:
            self._known.pop(point_id(generation, memory_id).replace("-", ""), None)

    def remember(self, operation: Operation) -> None:
        """Remembers the points that an operation has just written: a search need not read them."""
        if isinstance(operation, UpsertPoints):
            self._make_room(len(operation.points))
            for point in operation.points:
                label = Label(point.memory_id, point.payload.get("content_kind", ""))
                self._known[point_id(point.generation, point.memory_id).replace("-", "")] = label

    def _make_room(self, count: int) -> None:
        if len(self._known) + count > self._capacity:
            self._known.clear()

    def _read(self, point_ids: Sequence[str]) -> None:
        wanted = cast("list[edge.PointId]", point_ids)
        for record in self._shard.retrieve(wanted, with_payload=HIT_KEYS, with_vector=False):
            payload = record.payload or {}
            label = Label(payload["memory_id"], payload.get("content_kind", ""))
            self._known[cast("UUID", record.id).hex] = label
