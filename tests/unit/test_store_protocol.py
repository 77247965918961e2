"""Frames, messages and faults between memory and its engine; the bytes of the journal."""

from __future__ import annotations

import io
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import AtlasError, InvalidInputError, SchemaMismatchError
from services.memory.conditions import AllOf, AnyOf, Equals, Exists, In, NoneOf, Range, TextMatch
from services.memory.operations import (
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    Point,
    ReplacePayloads,
    UpsertPoints,
    cut,
    decode_operations,
    encode_operations,
    item_count,
    point_id,
)
from services.memory.store import SearchRequest
from services.memory.stores.edge import protocol
from services.memory.stores.edge.protocol import Answer, Call, Fault

SPEC = IndexSpec(name="atlas-0123456789ab", dimension=2, dense_fingerprint="d", lexical_fingerprint="l")


def a_point(memory_id: str = "m") -> Point:
    return Point(
        memory_id=memory_id,
        generation="g",
        dense=np.array([0.6, 0.8], np.float32),
        sparse_indices=np.array([0, 2**32 - 1], np.uint32),
        sparse_values=np.array([0.5, 1.5], np.float32),
        payload={"n": 2**60, "x": 0.1, "s": "ü", "none": None, "list": [1, "a"], "deep": {"yes": True}},
    )


OPERATIONS: list[Operation] = [
    UpsertPoints("i", (a_point(), a_point("n"))),
    ReplacePayloads("i", "g", {"m": {"a": 1}}),
    DeletePoints("i", "g", ("m", "n")),
    DeleteGeneration("i", "g"),
]
CALLS: list[Call] = [
    protocol.EnsureIndex(SPEC, "float32"),
    protocol.Apply(tuple(OPERATIONS)),
    protocol.Search(
        (
            SearchRequest(
                index="i",
                generation="g",
                dense=np.array([1.0, 0.0], np.float32),
                terms=((1, 2), (3,)),
                filter=AllOf((AnyOf((Equals("a", 1), Equals("a", 1.5), Equals("a", True))), NoneOf((In("b", ("x", "y")),)))),
                depth=7,
            ),
            SearchRequest(index="i", generation="g", dense=None, terms=(), filter=Range("t", gte=1.0, lt=2.0)),
        )
    ),
    protocol.Retrieve("i", "g", ("m",), with_vectors=True),
    protocol.Scroll("i", "g", Exists("a"), 10, "after"),
    protocol.Count("i", "g", TextMatch("title", "words")),
    protocol.Facet("i", "g", "domain", None),
    protocol.Flush("i"),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: type(call).__name__)
def test_a_call_is_read_as_it_was_written(call: Call) -> None:
    body = protocol.encode(call)
    read = protocol.decode_call(body)
    assert type(read) is type(call)
    assert protocol.encode(read) == body


def test_operations_are_read_from_the_journal_as_they_were_written() -> None:
    body = encode_operations(OPERATIONS)
    read = decode_operations(body)
    assert encode_operations(read) == body
    first = read[0]
    assert isinstance(first, UpsertPoints)
    [point, _] = first.points
    assert point.payload == a_point().payload
    assert (point.dense.dtype, point.sparse_indices.dtype, point.sparse_values.dtype) == (np.float32, np.uint32, np.float32)
    np.testing.assert_array_equal(point.dense, a_point().dense)
    np.testing.assert_array_equal(point.sparse_indices, a_point().sparse_indices)


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x90\x90", encode_operations(OPERATIONS)[:-3], msgspec.msgpack.encode([{"type": "unknown"}])]
)
def test_a_damaged_journal_body_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_operations(body)


def test_a_sliced_vector_is_written_whole() -> None:
    dense = np.arange(8, dtype=np.float32)[::2]
    point = a_point()
    sliced = Point(point.memory_id, "g", dense, point.sparse_indices, point.sparse_values, {})
    [read] = decode_operations(encode_operations([UpsertPoints("i", (sliced,))]))
    assert isinstance(read, UpsertPoints)
    np.testing.assert_array_equal(read.points[0].dense, dense)


def reader(data: bytes) -> Callable[[int], bytes]:
    return io.BytesIO(data).read


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_frames_are_read_one_after_the_other(bodies: list[bytes]) -> None:
    read = reader(b"".join(part for body in bodies for part in protocol.framed(body)))
    assert [protocol.read_frame(read) for _ in bodies] == bodies
    assert protocol.read_frame(read) is None


@given(st.binary(min_size=1, max_size=100), st.integers(min_value=0))
def test_a_torn_frame_is_the_end(body: bytes, cut_at: int) -> None:
    whole = b"".join(protocol.framed(body))
    assert protocol.read_frame(reader(whole[: cut_at % len(whole)])) is None


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="are allowed"):
        protocol.body_length(protocol.HEADER.pack(protocol.MAX_FRAME_BYTES + 1))


def test_an_error_of_ours_crosses_the_pipe() -> None:
    error = InvalidInputError("key is 'x'; it must be y", field="key", key="x", limit=3)
    with pytest.raises(InvalidInputError) as caught:
        protocol.result_of(protocol.encode(Answer(fault=protocol.fault_of(error))))
    assert caught.value.message == error.message
    assert caught.value.field == "key"
    assert caught.value.values == {"key": "x", "limit": "3"}
    with pytest.raises(SchemaMismatchError):
        protocol.result_of(protocol.encode(Answer(fault=protocol.fault_of(SchemaMismatchError("no")))))


def test_a_fault_of_the_engine_is_an_internal_error() -> None:
    with pytest.raises(AtlasError, match="out of cheese") as caught:
        protocol.result_of(protocol.encode(Answer(fault=Fault("Exception", "out of cheese"))))
    assert type(caught.value) is AtlasError
    assert caught.value.reason == "ENGINE_FAULT"


def test_a_result_is_read_back() -> None:
    body = protocol.encode(Answer(result=protocol.raw(protocol.encode({"a": 1}))))
    assert msgspec.msgpack.decode(protocol.result_of(body)) == {"a": 1}


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=6), st.integers(min_value=1, max_value=64))
def test_cut_operations_are_short_and_name_the_same_points_in_order(sizes: list[int], limit: int) -> None:
    operations = [DeletePoints("i", "g", tuple(f"{row}-{each}" for each in range(size))) for row, size in enumerate(sizes)]
    parts = cut(operations, limit=limit)
    assert all(1 <= item_count(part) <= limit for part in parts)
    named = [name for part in parts if isinstance(part, DeletePoints) for name in part.memory_ids]
    assert named == [name for operation in operations for name in operation.memory_ids]


def test_cut_keeps_every_kind_of_operation() -> None:
    parts = cut(OPERATIONS, limit=1)
    assert [type(part).__name__ for part in parts] == [
        "UpsertPoints",
        "UpsertPoints",
        "ReplacePayloads",
        "DeletePoints",
        "DeletePoints",
        "DeleteGeneration",
    ]


def test_point_ids_differ_by_generation_and_memory() -> None:
    ids = {point_id(generation, memory) for generation in ("g1", "g2") for memory in ("m1", "m2")}
    assert len(ids) == 4
    assert point_id("g1", "m1") in ids
