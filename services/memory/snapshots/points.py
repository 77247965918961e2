"""Vectors in a snapshot: frames of points, and the writes behind them that the engine had not on disk."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from atlas.errors import InvalidInputError

from ..persistence import journal
from ..store import (
    DeleteGeneration,
    DeletePoints,
    Float32Array,
    Operation,
    Point,
    ReplacePayloads,
    StoredPoint,
    UpsertPoints,
    decode_operations,
    encode_operations,
)

_HEADER = struct.Struct("<I")
_MAX_FRAME_BYTES = 256 << 20


def write_frame(stream: BinaryIO, index: str, generation: str, points: Iterator[StoredPoint]) -> None:
    """Appends points to a file."""
    body = encode_operations([UpsertPoints(index, tuple(_point(generation, point) for point in points))])
    stream.write(_HEADER.pack(len(body)))
    stream.write(body)


def read_frames(path: Path) -> Iterator[UpsertPoints]:
    """Reads the frames of a file.

    Raises:
        InvalidInputError: It is torn.
    """
    with path.open("rb") as stream:
        while header := stream.read(_HEADER.size):
            size_bytes = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else _MAX_FRAME_BYTES + 1
            body = stream.read(size_bytes) if size_bytes <= _MAX_FRAME_BYTES else b""
            if not body or len(body) < size_bytes:
                raise InvalidInputError("the snapshot's points are torn", reason="SNAPSHOT_DAMAGED", field="snapshot_id")
            for frame in decode_operations(body):
                assert isinstance(frame, UpsertPoints)  # noqa: S101 - `write_frame` writes nothing else
                yield frame


def read_tail(connection: sqlite3.Connection) -> Iterator[Operation]:
    """Reads the journal of a snapshot: what came behind its points, in order."""
    seq = 0
    while entries := journal.part(connection, after_seq=seq):
        yield from journal.operations_of(entries)
        seq = entries[-1].seq


@dataclass(slots=True)
class FinalPoint:
    """A point as it is once the tail is applied."""

    seq: int
    """Number of the write that it is of."""
    dense: Float32Array


class FinalPoints:
    """What the points of one generation are once the tail is applied. Holds all vectors of the generation."""

    def __init__(self, place: Path, points: str, connection: sqlite3.Connection, generation: str) -> None:
        """Reads frames and tail."""
        self.points: dict[str, FinalPoint] = {}
        for operation in read_frames(place / points):
            self._apply(operation, generation)
        for written in read_tail(connection):
            self._apply(written, generation)

    def nearest(self, query: Float32Array, *, count: int) -> list[tuple[str, float]]:
        """Computes the nearest memories of a vector, and their cosines, exactly; equal ones by id."""
        ids = list(self.points)
        if not ids:
            return []
        vectors = np.stack([self.points[memory_id].dense for memory_id in ids])
        cosines = vectors @ query / np.linalg.norm(vectors, axis=1)
        order = sorted(range(len(ids)), key=lambda place: (-float(cosines[place]), ids[place]))[:count]
        return [(ids[place], float(cosines[place])) for place in order]

    def _apply(self, operation: Operation, generation: str) -> None:
        match operation:
            case UpsertPoints(_, points):
                for point in points:
                    if point.generation == generation:
                        self.points[point.memory_id] = FinalPoint(point.payload["seq"], point.dense)
            case ReplacePayloads(_, of, payloads) if of == generation:
                for memory_id, payload in payloads.items():
                    if memory_id in self.points:
                        self.points[memory_id].seq = payload["seq"]
            case DeletePoints(_, of, memory_ids) if of == generation:
                for memory_id in memory_ids:
                    self.points.pop(memory_id, None)
            case DeleteGeneration(_, of) if of == generation:
                self.points.clear()
            case _:
                pass


def _point(generation: str, stored: StoredPoint) -> Point:
    assert stored.dense is not None  # noqa: S101 - read with vectors
    assert stored.sparse_indices is not None  # noqa: S101 - read with vectors
    assert stored.sparse_values is not None  # noqa: S101 - read with vectors
    payload = {key: value for key, value in stored.payload.items() if key not in ("memory_id", "generation")}
    return Point(stored.memory_id, generation, stored.dense, stored.sparse_indices, stored.sparse_values, payload)
