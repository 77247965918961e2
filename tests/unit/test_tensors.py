"""Arrays to and from tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlas import tensors
from atlas.errors import InvalidInputError
from atlas.tensors import SparseRow
from atlas.type.v1 import type_pb2 as pb

DTYPES = [np.float32, np.float16, np.int8, np.uint8, np.int32, np.int64]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@given(st.data())
def test_every_array_comes_back_as_it_was(data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(data.draw(st.sampled_from(DTYPES)), SHAPES))
    back = tensors.to_array(tensors.to_message(array), field="t", dtype=array.dtype.type, ndim=array.ndim)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(hnp.arrays(np.bool_, hnp.array_shapes(max_dims=3, min_side=0, max_side=20)))
def test_bits_come_back_as_they_were(array: np.ndarray[Any, Any]) -> None:
    np.testing.assert_array_equal(tensors.to_array(tensors.to_bits(array), field="t"), array)


def test_bits_are_packed_from_the_lowest_and_rows_start_at_a_byte() -> None:
    message = tensors.to_bits(np.array([[1, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]], np.bool_))
    assert (list(message.shape), message.data) == ([2, 9], bytes([1, 1, 2, 0]))


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, max_value=2.0**126, min_value=-(2.0**126))))
def test_bfloat16_is_within_one_part_in_two_hundred_and_fifty_six(array: np.ndarray[Any, Any]) -> None:
    message = tensors.to_bfloat16(array)
    assert len(message.data) == 2 * array.size
    back = tensors.to_array(message, field="t", dtype=np.float32)
    np.testing.assert_allclose(back, array, rtol=2**-8, atol=1e-38)


def test_bfloat16_rounds_to_even_and_keeps_nan_and_infinity() -> None:
    bits = np.array([0x3F808000, 0x3F818000, 0x7F800001, 0x7F800000, 0xFF800000], "<u4")
    back = tensors.to_array(tensors.to_bfloat16(bits.view("<f4")), field="t").view("<u4") >> 16
    assert back[0] == 0x3F80
    assert back[1] == 0x3F82
    assert np.isnan(tensors.to_array(tensors.to_bfloat16(bits.view("<f4")), field="t")[2])
    assert list(back[3:]) == [0x7F80, 0xFF80]


def test_data_is_row_major_and_little_endian_whatever_the_array_was() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3)
    message = tensors.to_message(array)
    assert message.data == np.arange(6, dtype="<i4").tobytes()
    assert tensors.to_message(np.asfortranarray(array)).data == message.data


def test_an_unspecified_dtype_means_float32() -> None:
    message = pb.Tensor(shape=[1], data=np.array([0.5], "<f4").tobytes())
    assert tensors.to_array(message, field="t", dtype=np.float32).tolist() == [0.5]


def test_half_precision_is_widened_where_float32_is_needed() -> None:
    back = tensors.to_array(tensors.to_message(np.array([0.5], np.float16)), field="t", dtype=np.float32)
    assert (back.dtype, back.tolist()) == (np.float32, [0.5])


def test_decoding_copies_nothing() -> None:
    message = tensors.to_message(np.zeros(4, np.float32))
    assert not tensors.to_array(message, field="t").flags.owndata


@pytest.mark.parametrize(
    ("message", "field", "text"),
    [
        (pb.Tensor(shape=[2], data=b"1234567"), "t.data", "t holds 7 bytes; its shape and dtype need 8"),
        (pb.Tensor(shape=[], data=b""), "t.data", "t holds 0 bytes; its shape and dtype need 4"),
        (pb.Tensor(shape=[-1], data=b""), "t.shape", r"t has the shape \[-1\]; no axis may be negative"),
        (pb.Tensor(shape=[1 << 62, 1 << 62], data=b""), "t.shape", "may multiply to 2147483648 at most"),
        (pb.Tensor(shape=[0, 1 << 62], data=b""), "t.shape", "may multiply to 2147483648 at most"),
        (pb.Tensor(shape=[1] * 9, data=b"1234"), "t.shape", "t has 9 axes; at most 8 are allowed"),
        (pb.Tensor(dtype=99, shape=[1], data=b"1"), "t.dtype", "t.dtype is 99, which names no dtype"),  # type: ignore[arg-type]
        (pb.Tensor(dtype=pb.D_TYPE_BITS, shape=[], data=b"1"), "t.shape", "BITS without any axis"),
        (pb.Tensor(dtype=pb.D_TYPE_BITS, shape=[2, 9], data=b"123"), "t.data", "t holds 3 bytes; its shape and dtype need 4"),
    ],
)
def test_a_tensor_that_does_not_add_up_is_refused(message: pb.Tensor, field: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as caught:
        tensors.to_array(message, field="t")
    assert caught.value.field == field


def test_a_wrong_dtype_or_number_of_axes_is_refused() -> None:
    message = tensors.to_message(np.zeros((2, 2), np.int32))
    with pytest.raises(InvalidInputError, match="t holds D_TYPE_INT32; float32 is needed"):
        tensors.to_array(message, field="t", dtype=np.float32)
    with pytest.raises(InvalidInputError, match="t has 2 axes; 1 are needed"):
        tensors.to_array(message, field="t", ndim=1)


def test_an_array_without_a_tensor_dtype_is_our_own_mistake() -> None:
    with pytest.raises(TypeError, match="float64"):
        tensors.to_message(np.zeros(1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_named(value: float) -> None:
    array = np.zeros((4, 3), np.float32)
    tensors.check_finite(array, field="vectors")
    array[2, 1] = array[3, 0] = value
    with pytest.raises(InvalidInputError, match="vectors holds NaN or infinity in row 2") as caught:
        tensors.check_finite(array, field="vectors")
    assert caught.value.reason == "NOT_FINITE"


@given(st.lists(hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=st.just(1.5)), min_size=1, max_size=5))
def test_ragged_rows_come_back_as_they_were(rows: list[np.ndarray[Any, Any]]) -> None:
    back = tensors.from_ragged(tensors.to_ragged(rows), field="t")
    assert [row.tolist() for row in back] == [row.tolist() for row in rows]


@given(st.lists(st.dictionaries(st.integers(0, 2**32 - 1), st.floats(width=32, allow_nan=False), max_size=5), max_size=5))
def test_sparse_rows_come_back_as_they_were(rows: list[dict[int, float]]) -> None:
    given_rows = [SparseRow(np.array(list(row), np.int64), np.array(list(row.values()), np.float32)) for row in rows]
    back = tensors.from_sparse(tensors.to_sparse(given_rows), field="t")
    assert [dict(zip(row.indices.tolist(), row.values.tolist(), strict=True)) for row in back] == rows


@pytest.mark.parametrize("splits", [[], [0], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3], [0, -1, 3]])
def test_splits_that_do_not_rise_from_zero_to_the_count_are_refused(splits: list[int]) -> None:
    message = pb.RaggedTensor(values=tensors.to_message(np.zeros((3, 2), np.float32)), row_splits=splits)
    with pytest.raises(InvalidInputError, match=r"t\.row_splits must rise from 0 to 3"):
        tensors.from_ragged(message, field="t")


def test_sparse_rows_need_one_value_an_index_and_indices_of_32_bits() -> None:
    message = pb.SparseRows(
        row_splits=[0, 2], indices=tensors.to_message(np.array([1, 2])), values=tensors.to_message(np.zeros(1, np.float32))
    )
    with pytest.raises(InvalidInputError, match="2 indices and 1 values"):
        tensors.from_sparse(message, field="t")
    for index in (-1, 1 << 32):
        message = pb.SparseRows(
            row_splits=[0, 1], indices=tensors.to_message(np.array([index])), values=tensors.to_message(np.zeros(1, np.float32))
        )
        with pytest.raises(InvalidInputError, match=f"t.indices holds {index}; 0 to 4294967295 are allowed"):
            tensors.from_sparse(message, field="t")
