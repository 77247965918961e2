"""What the client takes: values and how they become messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TypedDict, Unpack

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from atlas.documents import Document, JsonValue
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

from .callers import Caller, caller_message

KINDS = {
    Kind.TEXT: type_pb2.CONTENT_KIND_TEXT,
    Kind.MESSAGE: type_pb2.CONTENT_KIND_MESSAGE,
    Kind.CODE: type_pb2.CONTENT_KIND_CODE,
    Kind.IMAGE: type_pb2.CONTENT_KIND_IMAGE,
}


class SalienceMode(Enum):
    """Whether a search reads and writes salience."""

    OFF = type_pb2.SALIENCE_MODE_OFF
    READ = type_pb2.SALIENCE_MODE_READ
    READ_WRITE = type_pb2.SALIENCE_MODE_READ_WRITE


class Durability(Enum):
    """What an acknowledged write survives."""

    PROCESS_CRASH = type_pb2.DURABILITY_PROCESS_CRASH
    """The end of a process at any point (`kill -9`)."""
    POWER_LOSS = type_pb2.DURABILITY_POWER_LOSS
    """The loss of power: it is on disk."""


@dataclass(frozen=True, slots=True)
class MemoryInput:
    """A text to remember."""

    text: str
    memory_id: str | None = None
    """Id of the memory to edit; None for a new one."""
    collection: str = ""
    """Empty means `default`."""
    domain: str = ""
    speaker: str = ""
    title: str = ""
    source: str = ""
    content_kind: Kind | None = None
    """None means MESSAGE if there is a speaker, else TEXT."""
    event_time: datetime | None = None
    """With time zone."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


class SearchOptions(TypedDict, total=False):
    """How to search; all of it may be left out."""

    collections: Sequence[str]
    """Where to look; empty means all that "search all" includes."""
    domain: str
    """Domain to look in; empty means all."""
    where: Mapping[str, JsonValue] | None
    """Field to the value, or to the list of values, that it must have, such as `{"metadata.team": "core"}`."""
    content_kinds: Sequence[Kind]
    """Kinds of content to find; empty means all."""
    since: datetime | None
    """Earliest event time, inclusive, with time zone."""
    until: datetime | None
    """Latest event time, exclusive, with time zone."""
    candidate_count: int | None
    """Candidates to rerank, 1 to 200; None means the server's default, 20."""
    result_count: int | None
    """Results to give; None means the server's default, 5."""
    min_relevance: float | None
    """Relevance that a hit must have, [0, 1]; None means no bound."""
    salience_mode: SalienceMode
    """Whether salience is read and written; READ_WRITE unless said otherwise."""
    group_by_source: bool
    """At most one hit a source."""
    explain: bool
    """Give the parts of each rank."""
    require_complete: bool
    """Fail rather than answer without a part."""
    request_id: str
    """Your id, at most 128 bytes; becomes the search id, so that a repeated call counts once."""
    caller: Caller | None
    """Who asks, for the provenance of evidence; None means a nameless user."""


@contextmanager
def request_made() -> Iterator[None]:
    """Turns a value that fits no message, such as a number that is too large or a text that is no Unicode, into an error of ours.

    Raises:
        InvalidInputError: The block met one.
    """
    try:
        yield
    except ValueError as error:
        raise InvalidInputError(f"the request cannot be made: {error}", reason="NO_MESSAGE") from error


def timestamp(time: datetime | None) -> Timestamp | None:
    """Makes a message of a time; a time without zone is refused."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise InvalidInputError(f"time {time.isoformat()} has no time zone", reason="NO_TIME_ZONE", time=time.isoformat())
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def struct(metadata: Mapping[str, JsonValue]) -> Struct | None:
    """Makes a message of metadata; None if there is none."""
    if not metadata:
        return None
    message = Struct()
    message.update(dict(metadata))
    return message


def search_request(query: str, **options: Unpack[SearchOptions]) -> pb.SearchRequest:
    """Makes the message of a query."""
    with request_made():
        return pb.SearchRequest(
            query=type_pb2.Input(text=query),
            collections=options.get("collections", ()),
            domain=options.get("domain", ""),
            filter=equals(options.get("where") or {}),
            content_kinds=[KINDS[kind] for kind in options.get("content_kinds", ())],
            event_time=_time_range(options.get("since"), options.get("until")),
            candidate_count=options.get("candidate_count"),
            result_count=options.get("result_count"),
            min_relevance=options.get("min_relevance"),
            salience_mode=options.get("salience_mode", SalienceMode.READ_WRITE).value,
            group_by_source=options.get("group_by_source", False),
            explain=options.get("explain", False),
            require_complete=options.get("require_complete", False),
            request_id=options.get("request_id", ""),
            caller=caller_message(options.get("caller")),
        )


def new_memory(item: MemoryInput) -> pb.NewMemory:
    """Makes the message of a text to remember."""
    return pb.NewMemory(
        text=item.text,
        memory_id=item.memory_id,
        collection=item.collection,
        domain=item.domain,
        speaker=item.speaker,
        title=item.title,
        source=item.source,
        content_kind=KINDS[item.content_kind] if item.content_kind else type_pb2.CONTENT_KIND_UNSPECIFIED,
        event_time=timestamp(item.event_time),
        metadata=struct(item.metadata),
    )


def ingest_document(document: Document) -> pb.IngestDocument:
    """Makes the message of a document."""
    return pb.IngestDocument(
        source=document.source,
        text=document.text,
        title=document.title,
        content_kind=KINDS[document.content_kind],
        language=document.language,
        domain=document.domain,
        event_time=timestamp(document.event_time),
        metadata=struct(document.metadata),
        speaker=document.speaker,
        document_id=document.document_id,
    )


def equals(conditions: Mapping[str, JsonValue]) -> type_pb2.Filter | None:
    """Makes a filter that holds where every field has its value, or one of its values if it is a list."""
    filters = [type_pb2.Filter(condition=_condition(name, value)) for name, value in conditions.items()]
    if len(filters) > 1:
        return type_pb2.Filter(all_of=type_pb2.Filter.List(filters=filters))
    return filters[0] if filters else None


def _time_range(since: datetime | None, until: datetime | None) -> pb.TimeRange | None:
    return pb.TimeRange(begin=timestamp(since), end=timestamp(until)) if since or until else None


def _condition(name: str, value: JsonValue) -> type_pb2.Condition:
    condition = type_pb2.Condition(field=name)
    match value:
        case bool():
            condition.equals.bool_value = value
        case int() | float():
            condition.equals.number_value = value
        case str():
            condition.equals.string_value = value
        case Sequence():
            getattr(condition, "in").extend(list(value))  # `in` is a word of Python's
        case _:
            field, kind = f"where[{name!r}]", type(value).__name__
            raise InvalidInputError(f"{field} is a {kind}; a text, number, boolean or a list of them is allowed", field=field, kind=kind)
    return condition
