"""Turns the messages that all parts share into values and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from atlas.errors import InvalidInputError
from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

from .memories import Evidence, EvidenceKind, JsonValue, Memory, Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NANOS = 1_000_000_000
_EVIDENCE_KINDS: Mapping[int, EvidenceKind] = {int(kind): kind for kind in EvidenceKind}
_KINDS: Mapping[int, Kind] = {
    type_pb2.CONTENT_KIND_UNSPECIFIED: Kind.TEXT,
    type_pb2.CONTENT_KIND_TEXT: Kind.TEXT,
    type_pb2.CONTENT_KIND_MESSAGE: Kind.MESSAGE,
    type_pb2.CONTENT_KIND_CODE: Kind.CODE,
    type_pb2.CONTENT_KIND_IMAGE: Kind.IMAGE,
}


def kind_value(number: int, *, field: str = "content_kind") -> Kind:
    """Returns the kind of content; UNSPECIFIED means TEXT.

    Raises:
        InvalidInputError: This version does not know the number.
    """
    kind = _KINDS.get(number)
    if kind is None:
        raise InvalidInputError(f"{field} is {number}; {min(_KINDS)} to {max(_KINDS)} are known", field=field, value=number)
    return kind


def kind_name(kind: Kind) -> str:
    """Returns the name that the wire has for a kind of content."""
    return f"CONTENT_KIND_{kind.name}"


def time_value(message: Timestamp, *, field: str) -> datetime:
    """Returns a time in UTC, whole microseconds.

    Raises:
        InvalidInputError: It lies outside the years 1 to 9999.
    """
    seconds, nanos = message.seconds, message.nanos
    if _FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _NANOS:
        # What `ToDatetime` does after checks of its own that cost more than all the rest of a memory.
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1_000)
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{field} is {message.seconds} s from 1970; years 1 to 9999 are allowed", field=field, seconds=message.seconds
        ) from error


def time_message(time: datetime) -> Timestamp:
    """Returns the message of a time with time zone."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def duration_message(seconds: float) -> Duration:
    """Returns the message of a span of time, 0 or more."""
    message = Duration()
    message.FromNanoseconds(max(0, round(seconds * 1e9)))
    return message


def seconds_of(message: Duration) -> float:
    """Returns a span of time in seconds."""
    return message.seconds + message.nanos * 1e-9


def json_value(message: Struct) -> dict[str, JsonValue]:
    """Returns the caller's own fields."""
    return {key: _plain(value) for key, value in message.fields.items()}


def memory_value(message: type_pb2.Memory) -> Memory:
    """Returns a stored memory."""
    has = message.HasField
    return Memory(
        memory_id=message.memory_id,
        collection=message.collection,
        text=message.text,
        domain=message.domain,
        title=message.title,
        speaker=message.speaker,
        source=message.source,
        place=_place(message.chunk) if has("chunk") else None,
        language=message.language,
        kind=kind_value(message.content_kind),
        event_time=time_value(message.event_time, field="event_time") if has("event_time") else None,
        metadata=json_value(message.metadata) if has("metadata") else {},
        create_time=time_value(message.create_time, field="create_time") if has("create_time") else None,
        update_time=time_value(message.update_time, field="update_time") if has("update_time") else None,
        content_sha256=message.content_sha256,
        generation=message.generation,
        etag=message.etag,
        salience=message.salience if has("salience") else None,
    )


def memory_message(memory: Memory) -> type_pb2.Memory:
    """Returns the message of a memory, with what memory itself has set."""
    message = type_pb2.Memory(
        memory_id=memory.memory_id,
        collection=memory.collection,
        text=memory.text,
        domain=memory.domain,
        title=memory.title,
        speaker=memory.speaker,
        source=memory.source,
        language=memory.language,
        content_kind=kind_name(memory.kind),
        content_sha256=memory.content_sha256,
        generation=memory.generation,
        etag=memory.etag,
        salience=memory.salience,
    )
    if memory.place is not None:
        place = memory.place
        message.chunk.CopyFrom(type_pb2.Chunk(document_id=place.document_id, ordinal=place.ordinal, begin=place.begin, end=place.end))
    for name, time in (("event_time", memory.event_time), ("create_time", memory.create_time), ("update_time", memory.update_time)):
        if time is not None:
            getattr(message, name).FromDatetime(time)
    if memory.metadata:
        message.metadata.update(dict(memory.metadata))
    return message


def evidence_value(message: type_pb2.Evidence) -> Evidence:
    """Returns one branch's measurement."""
    rank = message.rank if message.HasField("rank") else None
    kind = _EVIDENCE_KINDS.get(message.kind)
    return Evidence(EvidenceKind(message.kind) if kind is None else kind, message.space, message.value, rank)


def evidence_message(evidence: Evidence) -> type_pb2.Evidence:
    """Returns the message of one branch's measurement."""
    return type_pb2.Evidence(kind=f"EVIDENCE_KIND_{evidence.kind.name}", space=evidence.space, value=evidence.value, rank=evidence.rank)


def _place(chunk: type_pb2.Chunk) -> Place:
    return Place(document_id=chunk.document_id, ordinal=chunk.ordinal, begin=chunk.begin, end=chunk.end)


def _plain(value: Value) -> JsonValue:
    match value.WhichOneof("kind"):
        case "struct_value":
            return json_value(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
