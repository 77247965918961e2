"""Writes to a store as absolute, idempotent values, and their bytes for the journal and the pipe."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeVar, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
UInt32Array = NDArray[np.uint32]
Payload = Mapping[str, Any]
"""JSON values by key; numbers are finite."""

T = TypeVar("T")

_POINT_NAMESPACE = uuid.UUID("6f0e7f43-3c0e-5d8c-9a60-6a1d3f6f8a52")


class IndexSpec(msgspec.Struct, frozen=True):
    """One physical index: every generation whose vector spaces are equal lives in it."""

    name: str
    """`atlas-` and 12 hexadecimal digits of the spaces' fingerprints."""
    dimension: int
    """Width of the dense vectors, 1 or more; their distance is cosine."""
    dense_fingerprint: str
    """Fingerprint of the dense space."""
    lexical_fingerprint: str
    """Fingerprint of the lexical analyzer."""


class Point(msgspec.Struct, frozen=True):
    """A memory as a store keeps it."""

    memory_id: str
    """UUID in text, unique within `generation`."""
    generation: str
    """The generation it belongs to; with `memory_id` it makes the store's own id."""
    dense: Float32Array
    """Dense vector [D] of L2 norm 1."""
    sparse_indices: UInt32Array
    """Term ids [N] of the lexical vector, each once."""
    sparse_values: Float32Array
    """BM25 weights [N] without IDF, which the engine applies."""
    payload: Payload
    """What is stored beside the vectors; the store adds `memory_id` and `generation`."""


class UpsertPoints(msgspec.Struct, frozen=True, tag="upsert"):
    """Writes whole points, whether they exist or not."""

    index: str
    points: tuple[Point, ...]


class ReplacePayloads(msgspec.Struct, frozen=True, tag="payloads"):
    """Replaces whole payloads and keeps the vectors; ids that do not exist are skipped."""

    index: str
    generation: str
    payloads: Mapping[str, Payload]
    """New payload by `memory_id`."""


class DeletePoints(msgspec.Struct, frozen=True, tag="delete"):
    """Deletes points; ids that do not exist are skipped."""

    index: str
    generation: str
    memory_ids: tuple[str, ...]


class DeleteGeneration(msgspec.Struct, frozen=True, tag="delete_generation"):
    """Deletes every point of a generation."""

    index: str
    generation: str


Operation = UpsertPoints | ReplacePayloads | DeletePoints | DeleteGeneration
"""One write; applying a list of them again, in order, changes nothing."""

SALIENCE_KEY = "salience"
"""Payload key of a point's projected salience."""
LAST_RETRIEVED_KEY = "last_retrieved_us"
"""Payload key of when a point was last retrieved; null where that is not known."""
SALIENCE_SEQ_KEY = "salience_seq"
"""Payload key of the sequence of the projection that a point holds."""
_PROJECTED_KEYS = (SALIENCE_KEY, LAST_RETRIEVED_KEY, SALIENCE_SEQ_KEY)
MAX_SEQUENCE = 2**53 - 1
"""Highest sequence: engines compare it as a double."""


class ProjectedSalience(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger says of one memory, as absolute values."""

    salience: float
    """Learnt worth in [0, 1]."""
    last_retrieved_us: int | None
    """When it was last retrieved, in microseconds since 1970 UTC; None if that is not known."""
    sequence: int
    """Place of this projection among all of its memory, 1 to `MAX_SEQUENCE`; a higher one wins."""


class SalienceProjection(msgspec.Struct, frozen=True):
    """Salience to write beside the points of one generation.

    It is not journalled: the ledger is the truth, so what is lost is projected again.
    """

    index: str
    generation: str
    values: Mapping[str, ProjectedSalience]
    """By `memory_id`; ids that do not exist are skipped."""


def projected_payload(value: ProjectedSalience) -> dict[str, Any]:
    """Returns the payload keys of a projection."""
    return {SALIENCE_KEY: value.salience, LAST_RETRIEVED_KEY: value.last_retrieved_us, SALIENCE_SEQ_KEY: value.sequence}


def without_projection(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a payload without what was projected: a copy of a point must not keep what the ledger has taken back since it was read."""
    return {key: value for key, value in payload.items() if key not in _PROJECTED_KEYS}


def touched(operation: Operation) -> Iterator[tuple[str, str | None]]:
    """Yields generation and `memory_id` of every point that an operation may change; None stands for all of the generation."""
    match operation:
        case UpsertPoints(_, points):
            yield from ((point.generation, point.memory_id) for point in points)
        case ReplacePayloads(_, generation, payloads):
            yield from ((generation, memory_id) for memory_id in payloads)
        case DeletePoints(_, generation, memory_ids):
            yield from ((generation, memory_id) for memory_id in memory_ids)
        case DeleteGeneration(_, generation):
            yield generation, None


@lru_cache(maxsize=1024)
def _namespace(generation: str) -> uuid.UUID:
    return uuid.uuid5(_POINT_NAMESPACE, generation)


def point_uuid(generation: str, memory_id: str) -> uuid.UUID:
    """Returns the store's own id of a memory: UUIDv5 of the generation and `memory_id`."""
    return uuid.uuid5(_namespace(generation), memory_id)


def point_id(generation: str, memory_id: str) -> str:
    """Returns `point_uuid` as text."""
    return str(point_uuid(generation, memory_id))


def stored_payload(generation: str, memory_id: str, payload: Payload) -> dict[str, Any]:
    """Returns `payload` with the two keys that every stored point has."""
    return {**payload, "memory_id": memory_id, "generation": generation}


def to_wire(value: object) -> object:
    """Encodes an array as its little-endian bytes; the hook of every encoder of these types."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).data
    raise NotImplementedError(f"{type(value).__name__} has no wire form")


def from_wire(wanted: object, value: Any) -> Any:
    """Decodes what `to_wire` made, as a read-only array; the hook of every decoder."""
    return np.frombuffer(value, dtype=_wire_type(wanted))


@cache
def _wire_type(wanted: object) -> np.dtype[Any]:
    # `NDArray[np.float32]` is ndarray[shape, dtype[float32]]; how Python compares such aliases differs between its versions.
    _, element = get_args(wanted)
    (scalar,) = get_args(element)
    wire_type: np.dtype[Any] = np.dtype(scalar).newbyteorder("<")
    return wire_type


_ENCODER = msgspec.msgpack.Encoder(enc_hook=to_wire)
_DECODER = msgspec.msgpack.Decoder(list[Operation], dec_hook=from_wire)


def encode_operations(operations: Sequence[Operation]) -> bytes:
    """Returns the bytes that `decode_operations` reads."""
    return _ENCODER.encode(operations)


def decode_operations(body: bytes) -> list[Operation]:
    """Returns the operations of `encode_operations`.

    Raises:
        msgspec.ValidationError: `body` is something else.
        msgspec.DecodeError: `body` is not MessagePack.
    """
    return _DECODER.decode(body)


def item_count(operation: Operation) -> int:
    """Returns how many points an operation names; a whole generation counts as one."""
    match operation:
        case UpsertPoints(_, points):
            return len(points)
        case ReplacePayloads(_, _, payloads):
            return len(payloads)
        case DeletePoints(_, _, memory_ids):
            return len(memory_ids)
        case DeleteGeneration():
            return 1


def cut(operations: Iterable[Operation], *, limit: int) -> list[Operation]:
    """Cuts operations so that each names at most `limit` points; order is kept."""
    return [part for operation in operations for part in _parts(operation, limit)]


def cut_projections(projections: Iterable[SalienceProjection], *, limit: int) -> Iterator[list[SalienceProjection]]:
    """Groups projections, in order, so that each group names at most `limit` points and none is empty."""
    group: list[SalienceProjection] = []
    held = 0
    for projection in projections:
        for piece in _pieces(tuple(projection.values.items()), limit):
            if group and held + len(piece) > limit:
                yield group
                group, held = [], 0
            group.append(SalienceProjection(projection.index, projection.generation, dict(piece)))
            held += len(piece)
    if group:
        yield group


def _parts(operation: Operation, limit: int) -> list[Operation]:
    match operation:
        case UpsertPoints(index, points):
            return [UpsertPoints(index, piece) for piece in _pieces(points, limit)]
        case ReplacePayloads(index, generation, payloads):
            items = tuple(payloads.items())
            return [ReplacePayloads(index, generation, dict(piece)) for piece in _pieces(items, limit)]
        case DeletePoints(index, generation, memory_ids):
            return [DeletePoints(index, generation, piece) for piece in _pieces(memory_ids, limit)]
        case DeleteGeneration():
            return [operation]


def _pieces(items: tuple[T, ...], limit: int) -> list[tuple[T, ...]]:
    return [items[begin : begin + limit] for begin in range(0, len(items), limit)]
