"""Checks requests about memories: from messages to what the domain takes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

from atlas.errors import InvalidInputError
from atlas.memory.v1 import memory_pb2 as pb
from atlas.type.v1 import type_pb2

from ..filters import checked_filter
from ..limits import MAX_REQUEST_ID_BYTES, check_bytes, check_count, checked_size
from ..persistence.replay import RequestKey
from ..scopes import Scope
from ..search.candidates import Query
from ..search.query import Places
from ..store import StoreFilter
from .drafts import Draft
from .validation import MAX_COLLECTION_BYTES, checked_query_vectors, request_sha256

DEFAULT_CANDIDATES = 20
"""Size of the pool where a query states none."""
MAX_CANDIDATES = 200
"""Largest pool."""
MAX_COLLECTIONS = 64
"""Most collections that one query names."""
MAX_QUERY_BYTES = 32 * 1024
"""Longest text of a query: far above every encoder's limit."""


MAX_EXTENDED = 50
"""Most places beyond the clean pool that salience fills."""
MAX_EXPLORE = 20
"""Most places beyond the clean pool that chance fills."""


def checked_query(request: pb.QueryMemoriesRequest, scope: Scope, places: Places) -> Query:
    """Returns a query whose parts are within bounds; `places` are those where it does not state them.

    Raises:
        InvalidInputError: There is neither text nor a vector, or a part is out of bounds.
    """
    check_count(len(request.collections), "collections", least=0, most=MAX_COLLECTIONS)
    check_bytes(request.text, "text", MAX_QUERY_BYTES)
    check_bytes(request.exploration_seed, "exploration_seed", MAX_REQUEST_ID_BYTES)
    text = "" if request.text.isspace() else request.text
    vectors = checked_query_vectors(request.vectors, "vectors")
    dense = vectors[0] if vectors else None
    _check_salience_mode(request.salience_mode)
    if not text and dense is None:
        raise InvalidInputError("text is blank and vectors is empty; a query needs one of them", field="text")
    return Query(
        scope=scope,
        collections=tuple(dict.fromkeys(request.collections)),
        text=text,
        dense=dense,
        fragmentation=_fragmentation(request),
        condition=filter_of(request),
        candidate_count=checked_size(request.candidate_count, "candidate_count", default=DEFAULT_CANDIDATES, most=MAX_CANDIDATES),
        other_vectors=vectors[1:],
        places=_places(request, places),
    )


def filter_of(request: pb.QueryMemoriesRequest | pb.ListMemoriesRequest | pb.CountMemoriesRequest) -> StoreFilter | None:
    """Returns the filter of a request; None = all."""
    return checked_filter(request.filter) if request.HasField("filter") else None


def checked_collection(name: str) -> str:
    """Returns the name of the one collection that a request is about.

    Raises:
        InvalidInputError: It is empty or too long.
    """
    if not name:
        raise InvalidInputError("collection is empty; this call needs one", field="collection")
    check_bytes(name, "collection", MAX_COLLECTION_BYTES)
    return name


def checked_selection(request: pb.DeleteMemoriesRequest) -> str:
    """Returns which selection a deletion makes: `ids`, `source` or `filter`.

    Raises:
        InvalidInputError: It makes none, or lacks what that one needs.
    """
    kind = request.WhichOneof("selection")
    if kind is None:
        raise InvalidInputError("selection is missing; one of ids, source or filter is needed", field="selection")
    if kind == "source" and not request.source:
        raise InvalidInputError("source is empty; name the source to delete", field="source")
    if kind != "ids":
        checked_collection(request.collection)
    return str(kind)


def upsert_key(request: pb.UpsertMemoriesRequest, drafts: Sequence[Draft], delete_memory_ids: Sequence[str], scope: Scope) -> RequestKey:
    """Identifies a write and its content."""
    check_bytes(request.request_id, "request_id", MAX_REQUEST_ID_BYTES)
    digest = request_sha256(drafts, delete_memory_ids, scope) if request.request_id else b""
    return RequestKey(scope.tenant, "UpsertMemories", request.request_id, digest)


def deletion_key(request: pb.DeleteMemoriesRequest, scope: Scope) -> RequestKey:
    """Identifies a deletion and its content."""
    check_bytes(request.request_id, "request_id", MAX_REQUEST_ID_BYTES)
    content = pb.DeleteMemoriesRequest()
    content.CopyFrom(request)
    for field in ("scope", "request_id", "durability"):
        content.ClearField(field)
    digest = hashlib.sha256(_bytes(content) + repr((scope.tenant, sorted(scope.domains))).encode()).digest()
    return RequestKey(scope.tenant, "DeleteMemories", request.request_id, digest)


def page_binding(request: pb.ListMemoriesRequest, scope: Scope) -> bytes:
    """Returns what the pages of one listing have in common; which generation they are read from is told by the token itself."""
    return repr((scope.tenant, sorted(scope.domains), request.collection)).encode() + _bytes(request.filter)


def _bytes(message: pb.DeleteMemoriesRequest | type_pb2.Filter) -> bytes:
    serialize: Callable[..., bytes] = message.SerializeToString
    return serialize(deterministic=True)


def _check_salience_mode(number: int) -> None:
    known = type_pb2.SalienceMode.values()
    if number not in known:
        raise InvalidInputError(f"salience_mode is {number}; 0 to {max(known)} are known", field="salience_mode", value=number)


def _places(request: pb.QueryMemoriesRequest, default: Places) -> Places:
    extended = _optional_count(request, "extended_count", default.extended_count, MAX_EXTENDED)
    explore = _optional_count(request, "explore_count", default.explore_count, MAX_EXPLORE)
    match request.salience_mode:
        case type_pb2.SALIENCE_MODE_OFF:
            return Places()
        case type_pb2.SALIENCE_MODE_READ:
            # Nothing is learnt from such a search, so nothing is explored, and two of them give the same answer.
            return Places(extended)
        case _:
            return Places(extended, explore, request.exploration_seed or request.text)


def _optional_count(request: pb.QueryMemoriesRequest, field: str, default: int, most: int) -> int:
    if not request.HasField(field):
        return default
    count: int = getattr(request, field)
    if not 0 <= count <= most:
        raise InvalidInputError(f"{field} is {count}; 0 to {most} are allowed", field=field, value=count, max_value=most)
    return count


def _fragmentation(request: pb.QueryMemoriesRequest) -> float:
    if not request.HasField("query_fragmentation"):
        return 0.0
    value = request.query_fragmentation
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise InvalidInputError(f"query_fragmentation is {value}; 0 to 1 is allowed", field="query_fragmentation", value=value)
    return value
