"""Checks writes: from the messages of a request to drafts that may be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from atlas import tensors
from atlas.errors import InvalidInputError
from atlas.memory.v1 import memory_pb2 as pb
from atlas.type.v1 import type_pb2

from ..catalog.spaces import DENSE
from ..limits import MAX_IDS, check_bytes, check_count, checked_id, checked_time_us
from ..scopes import MAX_DOMAIN_BYTES, Scope
from ..search.analyzer import Analyzer
from ..store import Float32Array
from .drafts import Chunk, Content, DenseVector, Draft
from .encoding import KINDS, struct_to_json

MAX_TEXT_BYTES = 256 * 1024
"""Longest text of a memory; an encoder's limit is far below."""
MAX_TITLE_BYTES = 1_024
MAX_SPEAKER_BYTES = 256
MAX_SOURCE_BYTES = 2_048
MAX_LANGUAGE_BYTES = 32
MAX_METADATA_BYTES = 64 * 1024
MAX_COLLECTION_BYTES = 64
MAX_FINGERPRINT_BYTES = 1_024
MAX_QUERY_VECTORS = 8
"""Most spaces that one query is given in."""


def checked_drafts(request: pb.UpsertMemoriesRequest, scope: Scope, analyzer: Analyzer) -> list[Draft]:
    """Checks and analyzes the writes of a request. Takes about a millisecond for 8 texts: not for the event loop.

    Raises:
        InvalidInputError: Names the write and what is wrong with it.
    """
    check_count(len(request.writes), "writes", least=1, most=MAX_IDS)
    drafts = [_draft(write, scope, analyzer, f"writes[{index}]") for index, write in enumerate(request.writes)]
    first: dict[str, int] = {}
    for index, draft in enumerate(drafts):
        memory_id = draft.content.memory_id
        if first.setdefault(memory_id, index) != index:
            raise InvalidInputError(
                f"writes[{index}].memory.memory_id {memory_id} is also that of writes[{first[memory_id]}]; no id may come twice",
                field=f"writes[{index}].memory.memory_id",
                memory_id=memory_id,
            )
    return drafts


def checked_deletions(request: pb.UpsertMemoriesRequest, drafts: Sequence[Draft]) -> list[str]:
    """Returns the ids that a write deletes along.

    Raises:
        InvalidInputError: There are too many, one is no UUID, or one is written by the same request.
    """
    check_count(len(request.delete_memory_ids), "delete_memory_ids", least=0, most=MAX_IDS)
    written = {draft.content.memory_id for draft in drafts}
    memory_ids = [checked_id(value, f"delete_memory_ids[{index}]") for index, value in enumerate(request.delete_memory_ids)]
    for index, memory_id in enumerate(memory_ids):
        if memory_id in written:
            raise InvalidInputError(
                f"delete_memory_ids[{index}] {memory_id} is also written by this request",
                field=f"delete_memory_ids[{index}]",
                memory_id=memory_id,
            )
    return memory_ids


def checked_dense(vectors: Sequence[type_pb2.NamedVector], field: str) -> DenseVector | None:
    """Returns the dense vector of a list of vectors, of L2 norm 1; None if the list is empty.

    Raises:
        InvalidInputError: There is another kind of vector, or several, or the vector has bad values.
    """
    if not vectors:
        return None
    if len(vectors) > 1:
        raise InvalidInputError(f"{field} holds {len(vectors)} vectors; one DENSE vector is allowed", field=field, count=len(vectors))
    return checked_dense_vector(vectors[0], f"{field}[0]")


def checked_dense_vector(vector: type_pb2.NamedVector, field: str) -> DenseVector:
    """Returns a dense vector, of L2 norm 1.

    Raises:
        InvalidInputError: It is another kind of vector, or has bad values.
    """
    kind = vector.WhichOneof("vector")
    if kind != "dense":
        raise InvalidInputError(
            f"{field} holds {kind or 'nothing'}; a DENSE vector is needed (lexical vectors are made by memory)", field=field, kind=kind
        )
    if not vector.fingerprint:
        raise InvalidInputError(f"{field}.fingerprint is empty; every vector needs it", field=f"{field}.fingerprint")
    check_bytes(vector.fingerprint, f"{field}.fingerprint", MAX_FINGERPRINT_BYTES)
    values = tensors.to_array(vector.dense, field=f"{field}.dense", dtype=np.float32, ndim=1)
    return DenseVector(vector.space or DENSE, vector.fingerprint, unit(values, f"{field}.dense"))


def checked_query_vectors(vectors: Sequence[type_pb2.NamedVector], field: str) -> tuple[DenseVector, ...]:
    """Returns the vectors of a query, one a fingerprint.

    Raises:
        InvalidInputError: There are too many, two of one fingerprint, or one is not as `checked_dense` wants it.
    """
    check_count(len(vectors), field, least=0, most=MAX_QUERY_VECTORS)
    checked: list[DenseVector] = []
    for index, vector in enumerate(vectors):
        place = f"{field}[{index}]"
        found = checked_dense_vector(vector, place)
        if any(found.fingerprint == known.fingerprint for known in checked):
            raise InvalidInputError(
                f"{place}.fingerprint {found.fingerprint!r} is also that of an earlier vector; one a space is allowed",
                field=f"{place}.fingerprint",
                fingerprint=found.fingerprint,
            )
        checked.append(found)
    return tuple(checked)


def request_sha256(drafts: Sequence[Draft], delete_memory_ids: Sequence[str], scope: Scope) -> bytes:
    """Digest of what makes a write the same request.

    Vectors are left out: an encoder may give the same text another last bit.
    """
    digest = hashlib.sha256()
    for draft in drafts:
        digest.update(draft.fields_sha256 + draft.if_match.encode() + b"\0")
    digest.update(repr((list(delete_memory_ids), scope.tenant, sorted(scope.domains))).encode())
    return digest.digest()


def _draft(write: pb.MemoryWrite, scope: Scope, analyzer: Analyzer, field: str) -> Draft:
    content = _content(write.memory, scope, f"{field}.memory")
    check_bytes(write.if_match, f"{field}.if_match", MAX_LANGUAGE_BYTES)
    dense = checked_dense(write.vectors, f"{field}.vectors")
    analyzed = analyzer.analyze_document(content.indexed_text, content.kind, content.language or None)
    if not content.language:
        content = msgspec.structs.replace(content, language=analyzed.language)
    return Draft(content, analyzed, dense, write.if_match)


def _content(memory: type_pb2.Memory, scope: Scope, field: str) -> Content:
    if not memory.collection:
        raise InvalidInputError(f"{field}.collection is empty; a memory needs one", field=f"{field}.collection")
    if not memory.text or memory.text.isspace():
        raise InvalidInputError(f"{field}.text is blank; a memory needs a text", field=f"{field}.text")
    for name, max_bytes in _LIMITS:
        check_bytes(getattr(memory, name), f"{field}.{name}", max_bytes)
    if not scope.covers(memory.domain):
        raise InvalidInputError(
            f"{field}.domain {memory.domain!r} is not among scope.domains", field=f"{field}.domain", domain=memory.domain
        )
    if memory.content_kind not in KINDS:
        raise InvalidInputError(
            f"{field}.content_kind is {memory.content_kind}, which names no kind", field=f"{field}.content_kind", value=memory.content_kind
        )
    return Content(
        memory_id=checked_id(memory.memory_id, f"{field}.memory_id"),
        collection=memory.collection,
        domain=memory.domain,
        text=memory.text,
        title=memory.title,
        speaker=memory.speaker,
        source=memory.source,
        chunk=_chunk(memory.chunk, f"{field}.chunk") if memory.HasField("chunk") else None,
        language=memory.language,
        kind=KINDS[memory.content_kind],
        event_time_us=checked_time_us(memory.event_time, f"{field}.event_time") if memory.HasField("event_time") else None,
        metadata=_metadata(memory, f"{field}.metadata"),
    )


_LIMITS = (
    ("collection", MAX_COLLECTION_BYTES),
    ("domain", MAX_DOMAIN_BYTES),
    ("text", MAX_TEXT_BYTES),
    ("title", MAX_TITLE_BYTES),
    ("speaker", MAX_SPEAKER_BYTES),
    ("source", MAX_SOURCE_BYTES),
    ("language", MAX_LANGUAGE_BYTES),
)


def _chunk(chunk: type_pb2.Chunk, field: str) -> Chunk:
    check_bytes(chunk.document_id, f"{field}.document_id", MAX_SOURCE_BYTES)
    if chunk.ordinal < 0:
        raise InvalidInputError(f"{field}.ordinal is {chunk.ordinal}; it counts from 0", field=f"{field}.ordinal", value=chunk.ordinal)
    if not 0 <= chunk.begin <= chunk.end:
        raise InvalidInputError(
            f"{field} runs from {chunk.begin} to {chunk.end}; 0 ≤ begin ≤ end is needed", field=field, begin=chunk.begin, end=chunk.end
        )
    return Chunk(chunk.document_id, chunk.ordinal, chunk.begin, chunk.end)


def _metadata(memory: type_pb2.Memory, field: str) -> dict[str, Any]:
    if not memory.HasField("metadata"):
        return {}
    size_bytes = memory.metadata.ByteSize()
    if size_bytes > MAX_METADATA_BYTES:
        raise InvalidInputError(
            f"{field} has {size_bytes} bytes; at most {MAX_METADATA_BYTES} are allowed",
            field=field,
            size_bytes=size_bytes,
            max_bytes=MAX_METADATA_BYTES,
        )
    metadata = struct_to_json(memory.metadata)
    _check_numbers(metadata, field)
    return metadata


def _check_numbers(value: Any, field: str) -> None:
    match value:
        case float() if not np.isfinite(value):
            raise InvalidInputError(f"{field} is {value}; numbers must be finite", reason="NOT_FINITE", field=field, value=value)
        case dict():
            for key, item in value.items():
                _check_numbers(item, f"{field}.{key}")
        case list():
            for index, item in enumerate(value):
                _check_numbers(item, f"{field}[{index}]")
        case _:
            pass


def unit(values: Float32Array, field: str) -> Float32Array:
    """Returns a vector [D] scaled to L2 norm 1.

    Raises:
        InvalidInputError: It holds values that are not finite, or only zeros.
    """
    tensors.check_finite(values, field=field)
    # In double precision no finite vector overflows or vanishes.
    exact = values.astype(np.float64)
    norm = float(np.linalg.norm(exact))
    if norm == 0.0:
        raise InvalidInputError(f"{field} holds only zeros; a direction is needed", reason="ZERO_VECTOR", field=field)
    return (exact / norm).astype(np.float32)
