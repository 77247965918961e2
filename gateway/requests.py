"""Checks what callers ask for and turns it into values: no wrong request gets past this module."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.struct_pb2 import Struct

from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

from .answers import SearchQuery
from .clients import Image, Question, Restriction
from .ingest import Document, StreamOptions
from .memories import Caller, Durability, JsonValue, SalienceMode, SourceClass
from .messages import json_value, kind_value, time_value
from .remember import NewMemory

MAX_CANDIDATE_COUNT = 200
"""Most candidates of a search."""
MAX_REMEMBER_COUNT = 100
"""Most texts of a `Remember`."""
MAX_PAGE_SIZE = 1_000
"""Most memories or collections of a page."""
MAX_REQUEST_ID_BYTES = 128
"""Longest request id, in UTF-8."""
MAX_METADATA_BYTES = 64 * 1024
"""Largest metadata of a memory, as it is on the wire."""
_DEFAULT_PAGE_SIZE = 100
_COLLECTION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MAX_COLLECTIONS = 64
_MAX_FIELD_BYTES = {"domain": 256, "title": 1_024, "speaker": 256, "source": 2_048, "document_id": 2_048, "language": 16, "principal": 128}


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Defaults and bounds of a search."""

    candidate_count: int
    """Candidates where none are asked for."""
    result_count: int
    """Results where none are asked for."""
    max_query_bytes: int
    """Longest text of a query, in UTF-8."""


def search_query(
    request: pb.SearchRequest, limits: SearchLimits, *, new_id: Callable[[], str], default_deadline_s: float | None
) -> SearchQuery:
    """Returns a checked query.

    Raises:
        InvalidInputError: A field is missing or out of its range.
    """
    check_request_id(request.request_id)
    check_size("domain", request.domain)
    candidate_count = _count(request, "candidate_count", limits.candidate_count, MAX_CANDIDATE_COUNT)
    result_count = _count(request, "result_count", min(limits.result_count, candidate_count), candidate_count)
    if len(request.collections) > _MAX_COLLECTIONS:
        raise _too_many("collections", len(request.collections), _MAX_COLLECTIONS)
    return SearchQuery(
        question=_question(request.query, limits.max_query_bytes),
        search_id=request.request_id or new_id(),
        candidate_count=candidate_count,
        result_count=result_count,
        collections=tuple(dict.fromkeys(request.collections)),
        restriction=_restriction(request),
        min_relevance=_share(request, "min_relevance"),
        salience_mode=_salience_mode(request.salience_mode),
        explain=request.explain,
        require_complete=request.require_complete,
        group_by_source=request.group_by_source,
        default_deadline_s=default_deadline_s,
        source_class=caller_of(request).source_class,
    )


def new_memories(request: pb.RememberRequest, *, default_collection: str) -> list[NewMemory]:
    """Returns checked texts to remember.

    Raises:
        InvalidInputError: There are none or too many, or a field is missing or too long.
    """
    check_request_id(request.request_id)
    if not 1 <= len(request.memories) <= MAX_REMEMBER_COUNT:
        raise _too_many("memories", len(request.memories), MAX_REMEMBER_COUNT, least=1)
    return [_new_memory(message, f"memories[{index}]", default_collection) for index, message in enumerate(request.memories)]


def document(message: pb.IngestDocument) -> Document:
    """Returns a checked document.

    Raises:
        InvalidInputError: It has no source, or a field is too long.
    """
    if not message.source:
        raise InvalidInputError("document.source is empty; it identifies the document", field="document.source")
    for name in ("source", "title", "language", "domain", "speaker", "document_id"):
        check_size(name, getattr(message, name), path=f"document.{name}")
    return Document(
        source=message.source,
        text=message.text,
        title=message.title,
        kind=kind_value(message.content_kind, field="document.content_kind"),
        language=message.language,
        domain=message.domain,
        event_time=time_value(message.event_time, field="document.event_time") if message.HasField("event_time") else None,
        metadata=_metadata(message.metadata, "document.metadata"),
        speaker=message.speaker,
        document_id=message.document_id or message.source,
    )


def stream_options(message: pb.IngestRequest, *, default_collection: str) -> StreamOptions:
    """Returns what the first message of a stream decides for all of it."""
    check_collection(message.collection, "collection")
    return StreamOptions(
        collection=message.collection or default_collection,
        durability=durability(message.durability, default=Durability.PROCESS_CRASH),
        in_search_all=message.in_search_all if message.HasField("in_search_all") else True,
    )


def durability(number: int, *, default: Durability) -> Durability:
    """Returns what an acknowledgement has to survive.

    Raises:
        InvalidInputError: This version does not know the number.
    """
    try:
        return Durability(number) if number else default
    except ValueError as error:
        raise InvalidInputError(f"durability is {number}; 0 to {max(Durability)} are known", field="durability", value=number) from error


def page_size(number: int) -> int:
    """Returns how many items a page has at most.

    Raises:
        InvalidInputError: It is negative or too large.
    """
    if not 0 <= number <= MAX_PAGE_SIZE:
        raise InvalidInputError(
            f"page_size is {number}; 1 to {MAX_PAGE_SIZE} are allowed", field="page_size", value=number, max_page_size=MAX_PAGE_SIZE
        )
    return number or _DEFAULT_PAGE_SIZE


def check_request_id(request_id: str) -> None:
    """Refuses a request id that is too long.

    Raises:
        InvalidInputError: It is.
    """
    size_bytes = len(request_id.encode())
    if size_bytes > MAX_REQUEST_ID_BYTES:
        raise InvalidInputError(
            f"request_id holds {size_bytes} bytes; at most {MAX_REQUEST_ID_BYTES} are allowed",
            field="request_id",
            size_bytes=size_bytes,
            max_bytes=MAX_REQUEST_ID_BYTES,
        )


def caller_of(request: pb.SearchRequest | pb.FeedbackRequest | pb.ReportUsageRequest, *, absent: SourceClass = SourceClass.USER) -> Caller:
    """Returns who calls; a request that does not say comes from a nameless `absent`.

    Raises:
        InvalidInputError: The name is too long, or this version does not know the source class.
    """
    if not request.HasField("caller"):
        return Caller(source_class=absent)
    check_size("principal", request.caller.principal, path="caller.principal")
    number = request.caller.source_class
    try:
        return Caller(request.caller.principal, SourceClass(number) if number else SourceClass.USER)
    except ValueError as error:
        raise InvalidInputError(
            f"caller.source_class is {number}; 0 to {max(SourceClass)} are known", field="caller.source_class", value=number
        ) from error


def check_memory_id(memory_id: str, *, path: str = "memory_id") -> str:
    """Returns the id of a memory in its usual form.

    Raises:
        InvalidInputError: It is no UUID.
    """
    try:
        return str(UUID(memory_id))
    except ValueError as error:
        raise InvalidInputError(f"{path} is {memory_id[:64]!r}, which is no UUID", field=path, value=memory_id[:64]) from error


def check_size(name: str, value: str, *, path: str = "") -> None:
    """Refuses a field that is too long.

    Raises:
        InvalidInputError: It is.
    """
    limit, size_bytes = _MAX_FIELD_BYTES[name], len(value.encode())
    if size_bytes > limit:
        raise InvalidInputError(
            f"{path or name} holds {size_bytes} bytes; at most {limit} are allowed",
            field=path or name,
            size_bytes=size_bytes,
            max_bytes=limit,
        )


def _question(message: type_pb2.Input, max_bytes: int) -> Question:
    image = None
    if message.HasField("image"):
        image = Image(data=message.image.data, media_type=message.image.media_type, sha256=message.image.sha256)
    if image is None and not message.text.strip():
        raise InvalidInputError("query.text is empty or blank; a search needs something to look for", field="query.text")
    size_bytes = len(message.text.encode())
    if size_bytes > max_bytes:
        raise InvalidInputError(
            f"query.text holds {size_bytes} bytes; at most {max_bytes} are allowed",
            field="query.text",
            size_bytes=size_bytes,
            max_bytes=max_bytes,
        )
    return Question(text=message.text if message.text.strip() else "", image=image)


def _restriction(request: pb.SearchRequest) -> Restriction:
    span = request.event_time
    begin = time_value(span.begin, field="event_time.begin") if span.HasField("begin") else None
    end = time_value(span.end, field="event_time.end") if span.HasField("end") else None
    if begin is not None and end is not None and end <= begin:
        raise InvalidInputError(
            f"event_time ends at {end.isoformat()}, not after its begin {begin.isoformat()}", field="event_time.end", begin=begin, end=end
        )
    kinds = tuple(kind_value(kind, field=f"content_kinds[{index}]") for index, kind in enumerate(request.content_kinds))
    own = request.filter if request.HasField("filter") else None
    return Restriction(filter=own, domain=request.domain, kinds=kinds, begin=begin, end=end)


def _new_memory(message: pb.NewMemory, path: str, default_collection: str) -> NewMemory:
    if not message.text.strip():
        raise InvalidInputError(f"{path}.text is empty or blank", field=f"{path}.text")
    check_collection(message.collection, f"{path}.collection")
    for name in ("domain", "speaker", "title", "source"):
        check_size(name, getattr(message, name), path=f"{path}.{name}")
    return NewMemory(
        text=message.text,
        memory_id=check_memory_id(message.memory_id, path=f"{path}.memory_id") if message.HasField("memory_id") else None,
        collection=message.collection or default_collection,
        collection_named=bool(message.collection),
        domain=message.domain,
        speaker=message.speaker,
        title=message.title,
        source=message.source,
        kind=_kind_of(message, path),
        event_time=time_value(message.event_time, field=f"{path}.event_time") if message.HasField("event_time") else None,
        metadata=_metadata(message.metadata, f"{path}.metadata") if message.HasField("metadata") else None,
    )


def check_collection(name: str, path: str) -> None:
    """Refuses what no collection can be called; empty is the default one."""
    if name and not _COLLECTION_NAME.fullmatch(name):
        raise InvalidInputError(
            f"{path} is {name[:80]!r} of {len(name)} characters; 1 to 64 of a-z 0-9 _ - are allowed, beginning with a letter or digit",
            field=path,
            value=name[:80],
            max_length=64,
        )


def _metadata(message: Struct, path: str) -> dict[str, JsonValue]:
    size_bytes = message.ByteSize()
    if size_bytes > MAX_METADATA_BYTES:
        raise InvalidInputError(
            f"{path} has {size_bytes} bytes; at most {MAX_METADATA_BYTES} are allowed",
            field=path,
            size_bytes=size_bytes,
            max_bytes=MAX_METADATA_BYTES,
        )
    metadata = json_value(message)
    _check_numbers(metadata, path)
    return metadata


def _check_numbers(value: JsonValue, path: str) -> None:
    match value:
        case float() if not math.isfinite(value):
            raise InvalidInputError(f"{path} is {value}; numbers must be finite", reason="NOT_FINITE", field=path, value=value)
        case Mapping():
            for key, item in value.items():
                _check_numbers(item, f"{path}.{key}")
        case list():
            for index, item in enumerate(value):
                _check_numbers(item, f"{path}[{index}]")
        case _:
            pass


def _kind_of(message: pb.NewMemory, path: str) -> Kind | None:
    if message.content_kind == type_pb2.CONTENT_KIND_UNSPECIFIED:
        return None
    return kind_value(message.content_kind, field=f"{path}.content_kind")


def _salience_mode(number: int) -> SalienceMode:
    try:
        return SalienceMode(number) if number else SalienceMode.READ_WRITE
    except ValueError as error:
        raise InvalidInputError(
            f"salience_mode is {number}; 0 to {max(SalienceMode)} are known", field="salience_mode", value=number
        ) from error


def _count(request: pb.SearchRequest, field: str, default: int, most: int) -> int:
    if not request.HasField(field):
        return default
    count: int = getattr(request, field)
    if not 1 <= count <= most:
        raise InvalidInputError(f"{field} is {count}; 1 to {most} are allowed", field=field, value=count, limit=most)
    return count


def _share(request: pb.SearchRequest, field: str) -> float | None:
    if not request.HasField(field):
        return None
    share: float = getattr(request, field)
    if not 0.0 <= share <= 1.0:  # NaN is not in the range either
        raise InvalidInputError(f"{field} is {share}; 0 to 1 are allowed", field=field, value=share)
    return share


def _too_many(field: str, count: int, most: int, *, least: int = 0) -> InvalidInputError:
    return InvalidInputError(f"{field} holds {count} items; {least} to {most} are allowed", field=field, count=count, max_count=most)
