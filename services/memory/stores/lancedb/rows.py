"""Points as rows of an Arrow table, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from ...operations import Float32Array, IndexSpec, Payload, Point, point_id, stored_payload
from ...store import FACET_KEYS, StoredPoint
from .tags import tags_of

SPEC_KEY = b"atlas_index"
"""Key of the index's specification in the metadata of its table."""
LABEL_COLUMNS = ["point_id", "memory_id", "content_kind"]
"""Columns that come along with a hit."""
_PAYLOAD_FIELDS = [
    pa.field("memory_id", pa.string(), nullable=False),
    pa.field("generation", pa.string(), nullable=False),
    *(pa.field(key, pa.string()) for key in FACET_KEYS),
    pa.field("event_time", pa.int64()),
    pa.field("tags", pa.list_(pa.string()), nullable=False),
    pa.field("payload", pa.binary(), nullable=False),
]
_PAYLOADS = pa.schema([pa.field("point_id", pa.string(), nullable=False), *_PAYLOAD_FIELDS])


def schema(spec: IndexSpec) -> pa.Schema:
    """Returns the columns of an index; its specification is part of them."""
    fields = [
        *_PAYLOADS,
        pa.field("dense", pa.list_(pa.float32(), spec.dimension), nullable=False),
        pa.field("terms", pa.list_(pa.uint32()), nullable=False),
        pa.field("weights", pa.list_(pa.float32()), nullable=False),
    ]
    return pa.schema(fields, metadata={SPEC_KEY: msgspec.json.encode(spec)})


def of_points(points: Sequence[Point], spec: IndexSpec) -> pa.Table:
    """Returns whole points as rows; of several with one id the last."""
    latest = list({point_id(point.generation, point.memory_id): point for point in points}.values())
    payloads = [(point.generation, point.memory_id, point.payload) for point in latest]
    dense = np.concatenate([point.dense for point in latest])
    columns = [
        *_payload_columns(payloads),
        pa.FixedSizeListArray.from_arrays(pa.array(dense), spec.dimension),
        _lists([point.sparse_indices.astype(np.uint32) for point in latest]),
        _lists([point.sparse_values.astype(np.float32) for point in latest]),
    ]
    return pa.Table.from_arrays(columns, schema=schema(spec))


def of_payloads(payloads: Sequence[tuple[str, str, Payload]]) -> pa.Table:
    """Returns (generation, memory_id, payload) as rows that leave the vectors alone."""
    return pa.Table.from_arrays(_payload_columns(payloads), schema=_PAYLOADS)


def payload_of(body: bytes) -> dict[str, Any]:
    """Returns a stored payload."""
    payload: dict[str, Any] = msgspec.json.decode(body)
    return payload


def stored(table: pa.Table) -> list[StoredPoint]:
    """Returns rows as points; with their vectors where those were read."""
    payloads = [payload_of(body) for body in table["payload"].to_pylist()]
    if "dense" not in table.column_names:
        return [StoredPoint(payload["memory_id"], payload) for payload in payloads]
    terms, weights = (table[name].to_pylist() for name in ("terms", "weights"))
    return [
        StoredPoint(payload["memory_id"], payload, vector, np.asarray(terms[row], np.uint32), np.asarray(weights[row], np.float32))
        for row, (payload, vector) in enumerate(zip(payloads, dense_of(table), strict=True))
    ]


def dense_of(table: pa.Table) -> Float32Array:
    """Returns the dense vectors of rows, [rows, D], each of norm 1."""
    if not table.num_rows:
        return np.zeros((0, 0), np.float32)
    column = table["dense"].combine_chunks()
    vectors: Float32Array = column.flatten().to_numpy().reshape(table.num_rows, -1)
    unit: Float32Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _payload_columns(payloads: Sequence[tuple[str, str, Payload]]) -> list[pa.Array]:
    whole = [stored_payload(generation, memory_id, payload) for generation, memory_id, payload in payloads]
    return [
        pa.array([point_id(generation, memory_id) for generation, memory_id, _ in payloads], pa.string()),
        *(
            pa.array([each["memory_id" if name == "memory_id" else "generation"] for each in whole], pa.string())
            for name in ("memory_id", "generation")
        ),
        *(pa.array([_text_at(each, key) for each in whole], pa.string()) for key in FACET_KEYS),
        pa.array([_whole_at(each, "event_time") for each in whole], pa.int64()),
        pa.array([tags_of(each) for each in whole], pa.list_(pa.string())),
        pa.array([msgspec.json.encode(each) for each in whole], pa.binary()),
    ]


def _lists(rows: Sequence[Any]) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows)))


def _text_at(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    return value if isinstance(value, str) else None


def _whole_at(payload: Mapping[str, Any], key: str) -> int | None:
    value = payload.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
