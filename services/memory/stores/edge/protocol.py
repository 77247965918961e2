"""Frames and messages between memory and its engine process.

A frame is a four-byte little-endian length and a MessagePack body. Memory asks, the engine
answers; there is one question in flight at a time, so answers need no number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from atlas.errors import (
    AtlasError,
    InvalidInputError,
    NotFoundError,
    SchemaMismatchError,
)

from ...operations import from_wire, to_wire
from ...store import IndexSpec, Operation, SalienceProjection, SearchRequest, StoreFilter

HEADER = struct.Struct("<I")
"""Length of the body that follows."""
MAX_FRAME_BYTES = 1 << 30
"""Longest body; more is a fault of ours or a torn stream."""
DenseDatatype = Literal["float32", "float16", "turbo8"]


class EnsureIndex(msgspec.Struct, frozen=True, tag="ensure"):
    """Opens or creates an index; answered with whether it was created."""

    spec: IndexSpec
    scan: DenseDatatype
    """What the dense branch scans in an index that is created now."""


class Apply(msgspec.Struct, frozen=True, tag="apply"):
    """Applies operations in order; answered with whether all is done.

    False means that a deleted generation has points left: the same message is to be sent again.
    """

    operations: tuple[Operation, ...]


class Project(msgspec.Struct, frozen=True, tag="project"):
    """Writes saliences beside points; answered with None."""

    projections: tuple[SalienceProjection, ...]


class Search(msgspec.Struct, frozen=True, tag="search"):
    """Runs searches; answered with a list of `BranchResult`."""

    requests: tuple[SearchRequest, ...]


class Retrieve(msgspec.Struct, frozen=True, tag="retrieve"):
    """Reads points; answered with a list of `StoredPoint`."""

    index: str
    generation: str
    memory_ids: tuple[str, ...]
    with_vectors: bool


class Scroll(msgspec.Struct, frozen=True, tag="scroll"):
    """Reads matching points in the order of their ids; answered with a `Page`."""

    index: str
    generation: str
    condition: StoreFilter | None
    limit: int
    after: str | None


class Count(msgspec.Struct, frozen=True, tag="count"):
    """Counts matching points; answered with the number."""

    index: str
    generation: str
    condition: StoreFilter | None


class Facet(msgspec.Struct, frozen=True, tag="facet"):
    """Counts matching points by a field's value; answered with a dict."""

    index: str
    generation: str
    key: str
    condition: StoreFilter | None


class IndexState(msgspec.Struct, frozen=True, array_like=True):
    """How large and how worn an index is."""

    points: int
    """Points that live."""
    dead: int
    """Vectors of points that were overwritten or deleted."""
    graph_points: int
    """Points that had a graph when it was built; 0 = it has none."""


class State(msgspec.Struct, frozen=True, tag="state"):
    """Asks how large and how worn an index is; answered with an `IndexState`."""

    index: str


class Rebuild(msgspec.Struct, frozen=True, tag="rebuild"):
    """Clears an index of dead vectors and opens it; for a second engine on a copy. Answered with None."""

    spec: IndexSpec
    graph: bool
    """Whether a graph is built as well."""
    afresh: bool = False
    """Whether its points are first written into new files, so that nothing else is in any of them."""


class Reopen(msgspec.Struct, frozen=True, tag="reopen"):
    """Opens the shard of an index that has been put in use and closes the one before; answered with None."""

    index: str


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Writes one index to disk; answered with None."""

    index: str


Call = EnsureIndex | Apply | Project | Search | Retrieve | Scroll | Count | Facet | State | Rebuild | Reopen | Flush
"""What memory asks."""


class Fault(msgspec.Struct, frozen=True):
    """Why a call failed."""

    kind: str
    """Name of the class of the error."""
    message: str
    field: str | None = None
    values: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """What the engine says; the first one, unasked, that it is ready."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    """The answer's own bytes: its type follows from the question."""
    fault: Fault | None = None


_FAULTS: dict[str, type[AtlasError]] = {error.__name__: error for error in (InvalidInputError, NotFoundError, SchemaMismatchError)}
_ENCODER = msgspec.msgpack.Encoder(enc_hook=to_wire)
_CALLS = msgspec.msgpack.Decoder(Call, dec_hook=from_wire)
_ANSWERS = msgspec.msgpack.Decoder(Answer)


def encode(value: object) -> bytes:
    """Returns the body of a message or of a result."""
    return _ENCODER.encode(value)


def raw(body: bytes) -> msgspec.Raw:
    """Returns encoded bytes as a value that is not encoded again."""
    return msgspec.Raw(body)


def decode_call(body: bytes) -> Call:
    """Returns the question of a body."""
    call: Call = _CALLS.decode(body)
    return call


def fault_of(error: AtlasError) -> Fault:
    """Returns the form in which an error of ours crosses the pipe."""
    values = {key: str(value) for key, value in error.values.items()}
    return Fault(type(error).__name__, error.message, error.field, values)


def result_of(body: bytes) -> msgspec.Raw:
    """Returns the bytes of an answer's result.

    Raises:
        AtlasError: The engine answered with a fault; of the class that it names.
    """
    answer = _ANSWERS.decode(body)
    if answer.fault is None:
        return answer.result
    fault = answer.fault
    error = _FAULTS.get(fault.kind)
    if error is None:
        raise AtlasError(f"the vector engine refused: {fault.message}", reason="ENGINE_FAULT", kind=fault.kind)
    raise error(fault.message, field=fault.field, **fault.values)


def framed(body: bytes) -> list[bytes]:
    """Returns header and body, to be written together.

    Raises:
        ValueError: The body is longer than a frame may be.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes; {MAX_FRAME_BYTES} are allowed")
    return [HEADER.pack(len(body)), body]


def body_length(header: bytes) -> int:
    """Returns the length that a header announces.

    Raises:
        ValueError: No frame of ours is that long.
    """
    length: int = HEADER.unpack(header)[0]
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes; {MAX_FRAME_BYTES} are allowed")
    return length


def read_frame(read: Callable[[int], bytes]) -> bytes | None:
    """Reads one frame with a blocking `read` that returns less only at the end.

    Returns:
        The body, or None where the stream ended, even inside a frame.
    """
    header = read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length = body_length(header)
    body = read(length)
    return body if len(body) == length else None
