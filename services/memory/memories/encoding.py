"""A memory as the store keeps it beside its vectors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

from ..catalog.memory_rows import MemoryRow
from .drafts import Content

KINDS: Mapping[int, Kind] = {
    type_pb2.CONTENT_KIND_UNSPECIFIED: Kind.TEXT,
    type_pb2.CONTENT_KIND_TEXT: Kind.TEXT,
    type_pb2.CONTENT_KIND_MESSAGE: Kind.MESSAGE,
    type_pb2.CONTENT_KIND_CODE: Kind.CODE,
    type_pb2.CONTENT_KIND_IMAGE: Kind.IMAGE,
}
"""Content kinds of the contract by number."""
_NUMBERS: Mapping[str, int] = {kind.name: number for number, kind in KINDS.items()}
_TEXT_FIELDS = ("domain", "title", "speaker", "source", "language")
_LARGEST_EXACT = 2**53
"""Above this a double no longer holds every integer."""


def to_payload(content: Content, row: MemoryRow, *, update_time_us: int) -> dict[str, Any]:
    """Returns the payload of a memory.

    Fields that are empty are left out, so that "is not there" and "is empty" are one thing to a filter. What no filter
    reads is under `memory`.
    """
    payload: dict[str, Any] = {"seq": row.seq, "content_kind": row.content_kind}
    for key in ("domain", "source", "title", "speaker", "language"):
        if value := getattr(content, key):
            payload[key] = value
    if row.document_id:
        payload["document_id"] = row.document_id
    if content.event_time_us is not None:
        payload["event_time"] = content.event_time_us
    if content.metadata:
        payload["metadata"] = content.metadata
    chunk = content.chunk
    payload["memory"] = {
        "text": content.text,
        "chunk": None if chunk is None else [chunk.ordinal, chunk.begin, chunk.end],
        "create_time": row.create_time_us,
        "update_time": update_time_us,
        "content_sha256": row.content_sha256,
    }
    return payload


def to_memory(
    memory_id: str,
    payload: Mapping[str, Any],
    *,
    collection: str,
    generation: str,
    salience: float | None = None,
    without_text: bool = False,
) -> type_pb2.Memory:
    """Returns the message of a stored memory."""
    message = _content(memory_id, payload, generation=generation, without_text=without_text)
    message.collection = collection
    if salience is not None:
        message.salience = salience
    return message


def to_content(memory_id: str, payload: Mapping[str, Any], *, generation: str) -> bytes:
    """Returns the message of a stored memory, encoded, without what is not stored with it: its collection and its salience."""
    return _content(memory_id, payload, generation=generation).SerializeToString()


def to_timestamp(time_us: int) -> Timestamp:
    """Returns the message of a time in microseconds since the epoch."""
    message = Timestamp()
    _fill_time(message, time_us)
    return message


def to_json(value: struct_pb2.Value) -> Any:
    """Returns a JSON value; whole numbers become integers, which engines match exactly."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return struct_to_json(value.struct_value)
        case "list_value":
            return [to_json(item) for item in value.list_value.values]
        case _:
            return None


def struct_to_json(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Returns the fields of a struct as JSON values."""
    return {key: to_json(value) for key, value in struct.fields.items()}


def _content(memory_id: str, payload: Mapping[str, Any], *, generation: str, without_text: bool = False) -> type_pb2.Memory:
    message = type_pb2.Memory()
    inner = payload["memory"]
    message.memory_id = memory_id
    if not without_text:
        message.text = inner["text"]
    for key in _TEXT_FIELDS:
        if key in payload:
            setattr(message, key, payload[key])
    message.content_kind = _NUMBERS[payload["content_kind"]]  # type: ignore[assignment]  # numbers of an enum are ints to mypy
    message.content_sha256 = inner["content_sha256"]
    message.generation = generation
    message.etag = f"{payload['seq']:x}"
    _fill_time(message.create_time, inner["create_time"])
    _fill_time(message.update_time, inner["update_time"])
    if "event_time" in payload:
        _fill_time(message.event_time, payload["event_time"])
    if inner["chunk"] is not None:
        _fill_chunk(message.chunk, payload)
    if "metadata" in payload:
        message.metadata.update(payload["metadata"])
    return message


def _fill_time(message: Timestamp, time_us: int) -> None:
    message.seconds, microseconds = divmod(time_us, 1_000_000)
    message.nanos = microseconds * 1000
    # A time of 0 sets no field, but it is there.
    message.SetInParent()


def _fill_chunk(message: type_pb2.Chunk, payload: Mapping[str, Any]) -> None:
    message.document_id = payload.get("document_id", "")
    message.ordinal, message.begin, message.end = payload["memory"]["chunk"]
    message.SetInParent()
