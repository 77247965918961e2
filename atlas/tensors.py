"""Arrays to and from `atlas.type.v1.Tensor`, checked at the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlas.type.v1 import type_pb2 as pb

from .errors import InvalidInputError

AnyArray = NDArray[Any]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

_DTYPES: dict[int, np.dtype[Any]] = {
    pb.D_TYPE_UNSPECIFIED: np.dtype("<f4"),
    pb.D_TYPE_FLOAT32: np.dtype("<f4"),
    pb.D_TYPE_FLOAT16: np.dtype("<f2"),
    # numpy has no bfloat16: its bits travel as uint16 and become float32 at once.
    pb.D_TYPE_BFLOAT16: np.dtype("<u2"),
    pb.D_TYPE_INT8: np.dtype("i1"),
    pb.D_TYPE_UINT8: np.dtype("u1"),
    pb.D_TYPE_INT32: np.dtype("<i4"),
    pb.D_TYPE_INT64: np.dtype("<i8"),
}
_MESSAGE_DTYPES: dict[np.dtype[Any], pb.DType] = {
    np.dtype(np.float32): pb.D_TYPE_FLOAT32,
    np.dtype(np.float16): pb.D_TYPE_FLOAT16,
    np.dtype(np.int8): pb.D_TYPE_INT8,
    np.dtype(np.uint8): pb.D_TYPE_UINT8,
    np.dtype(np.int32): pb.D_TYPE_INT32,
    np.dtype(np.int64): pb.D_TYPE_INT64,
}
_MAX_AXES = 8
_MAX_ELEMENTS = 1 << 31


@dataclass(frozen=True, slots=True)
class SparseRow:
    """One sparse vector."""

    indices: Int64Array
    """Term ids, int64 [N], each in [0, 2^32)."""
    values: Float32Array
    """Weights, float32 [N]."""


def to_message(array: AnyArray) -> pb.Tensor:
    """Encodes an array of float32, float16, int8, uint8, int32 or int64.

    Raises:
        TypeError: The array has another dtype.
    """
    # newbyteorder("=") makes big-endian arrays find their little-endian dtype.
    dtype = _MESSAGE_DTYPES.get(array.dtype.newbyteorder("="))
    if dtype is None:
        raise TypeError(f"an array of {array.dtype} has no tensor dtype")
    data = np.ascontiguousarray(array, dtype=_DTYPES[dtype]).tobytes()
    return pb.Tensor(dtype=dtype, shape=array.shape, data=data)


def to_bfloat16(array: Float32Array) -> pb.Tensor:
    """Encodes a float32 array as BFLOAT16, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(array, dtype="<f4").view("<u4")
    rounded = bits + (((bits >> np.uint32(16)) & np.uint32(1)) + np.uint32(0x7FFF))
    # Rounding could carry a NaN's payload into infinity.
    rounded = np.where(np.isnan(array), bits | np.uint32(0x00400000), rounded)
    data = (rounded >> np.uint32(16)).astype("<u2").tobytes()
    return pb.Tensor(dtype=pb.D_TYPE_BFLOAT16, shape=array.shape, data=data)


def to_bits(array: BoolArray) -> pb.Tensor:
    """Encodes booleans of at least one axis as BITS: the last axis is packed, rows start at a byte."""
    data = np.packbits(array, axis=-1, bitorder="little").tobytes()
    return pb.Tensor(dtype=pb.D_TYPE_BITS, shape=array.shape, data=data)


def to_array(
    message: pb.Tensor,
    *,
    field: str,
    dtype: type[np.generic] | None = None,
    ndim: int | None = None,
) -> AnyArray:
    """Decodes and checks a tensor: a read-only view on its bytes where the dtype allows it.

    BFLOAT16 becomes float32, BITS becomes bool.

    Args:
        message: The tensor.
        field: Its path in the request, for the error.
        dtype: The element type that is needed. `np.float32` also takes FLOAT16 and BFLOAT16;
            any other has to match. None takes what comes.
        ndim: Number of axes that is needed. None takes any.

    Raises:
        InvalidInputError: Unknown dtype, wrong dtype, shape, number of axes or byte length.
    """
    shape = _checked_shape(message, field, ndim)
    array = _decoded(message, shape, field)
    if dtype is None or array.dtype == np.dtype(dtype):
        return array
    if dtype is np.float32 and array.dtype == np.float16:
        return array.astype(np.float32)
    name = pb.DType.Name(message.dtype)
    raise InvalidInputError(
        f"{field} holds {name}; {np.dtype(dtype)} is needed",
        field=f"{field}.dtype",
        dtype=name,
        needed_dtype=np.dtype(dtype),
    )


def check_finite(array: AnyArray, *, field: str) -> None:
    """Refuses NaN and infinities.

    Raises:
        InvalidInputError: Names the first row (index along the first axis) that holds one.
    """
    finite = np.isfinite(array)
    if bool(finite.all()):
        return
    row = int(np.argwhere(~finite)[0][0]) if array.ndim else 0
    raise InvalidInputError(
        f"{field} holds NaN or infinity in row {row}; all values must be finite",
        reason="NOT_FINITE",
        field=field,
        row=row,
    )


def to_ragged(rows: Sequence[AnyArray]) -> pb.RaggedTensor:
    """Encodes one or more [T, D] arrays of the same D and dtype, in order.

    Raises:
        ValueError: No rows: D would be unknown.
    """
    values = to_message(np.concatenate(rows))
    return pb.RaggedTensor(values=values, row_splits=_splits([len(row) for row in rows]))


def from_ragged(message: pb.RaggedTensor, *, field: str, dtype: type[np.generic] | None = np.float32) -> list[AnyArray]:
    """Decodes a ragged tensor into its [T, D] rows.

    Raises:
        InvalidInputError: The values are no [N, D] tensor of `dtype`, or the splits do not fit.
    """
    values = to_array(message.values, field=f"{field}.values", dtype=dtype, ndim=2)
    splits = _checked_splits(message.row_splits, len(values), f"{field}.row_splits")
    return [values[begin:end] for begin, end in pairwise(splits)]


def to_sparse(rows: Sequence[SparseRow]) -> pb.SparseRows:
    """Encodes sparse vectors, in order."""
    indices = [np.zeros(0, np.int64), *(row.indices.astype(np.int64) for row in rows)]
    values = [np.zeros(0, np.float32), *(row.values.astype(np.float32) for row in rows)]
    return pb.SparseRows(
        row_splits=_splits([len(row.indices) for row in rows]),
        indices=to_message(np.concatenate(indices)),
        values=to_message(np.concatenate(values)),
    )


def from_sparse(message: pb.SparseRows, *, field: str) -> list[SparseRow]:
    """Decodes sparse vectors.

    Raises:
        InvalidInputError: Indices and values differ in length, an index is outside [0, 2^32), or
            the splits do not fit.
    """
    indices = to_array(message.indices, field=f"{field}.indices", dtype=np.int64, ndim=1)
    values = to_array(message.values, field=f"{field}.values", dtype=np.float32, ndim=1)
    if len(indices) != len(values):
        raise InvalidInputError(
            f"{field} holds {len(indices)} indices and {len(values)} values; one value an index",
            field=field,
            index_count=len(indices),
            value_count=len(values),
        )
    _check_indices(indices, f"{field}.indices")
    splits = _checked_splits(message.row_splits, len(indices), f"{field}.row_splits")
    return [SparseRow(indices[begin:end], values[begin:end]) for begin, end in pairwise(splits)]


def _decoded(message: pb.Tensor, shape: tuple[int, ...], field: str) -> AnyArray:
    if message.dtype == pb.D_TYPE_BITS:
        return _decoded_bits(message, shape, field)
    dtype = _DTYPES.get(message.dtype)
    if dtype is None:
        raise InvalidInputError(
            f"{field}.dtype is {message.dtype}, which names no dtype",
            field=f"{field}.dtype",
            dtype=message.dtype,
        )
    _check_length(message, math.prod(shape) * dtype.itemsize, field)
    array = np.frombuffer(message.data, dtype=dtype).reshape(shape)
    if message.dtype == pb.D_TYPE_BFLOAT16:
        return (array.astype("<u4") << np.uint32(16)).view("<f4")
    return array


def _decoded_bits(message: pb.Tensor, shape: tuple[int, ...], field: str) -> BoolArray:
    if not shape:
        raise InvalidInputError(f"{field} holds BITS without any axis", field=f"{field}.shape")
    row_bytes = (shape[-1] + 7) // 8
    _check_length(message, math.prod(shape[:-1]) * row_bytes, field)
    packed = np.frombuffer(message.data, np.uint8).reshape((*shape[:-1], row_bytes))
    return np.unpackbits(packed, axis=-1, count=shape[-1], bitorder="little").astype(np.bool_)


def _checked_shape(message: pb.Tensor, field: str, ndim: int | None) -> tuple[int, ...]:
    shape = tuple(message.shape)
    if ndim is not None and len(shape) != ndim:
        raise InvalidInputError(
            f"{field} has {len(shape)} axes; {ndim} are needed",
            field=f"{field}.shape",
            axis_count=len(shape),
            needed_axis_count=ndim,
        )
    if len(shape) > _MAX_AXES:
        raise InvalidInputError(
            f"{field} has {len(shape)} axes; at most {_MAX_AXES} are allowed",
            field=f"{field}.shape",
            axis_count=len(shape),
            max_axis_count=_MAX_AXES,
        )
    if math.prod(max(1, length) for length in shape) > _MAX_ELEMENTS:
        raise InvalidInputError(
            f"{field} has the shape {list(shape)}; its axes may multiply to {_MAX_ELEMENTS} at most, empty ones counted as 1",
            field=f"{field}.shape",
            shape=list(shape),
            max_element_count=_MAX_ELEMENTS,
        )
    if any(length < 0 for length in shape):
        raise InvalidInputError(
            f"{field} has the shape {list(shape)}; no axis may be negative",
            field=f"{field}.shape",
            shape=list(shape),
        )
    return shape


def _check_length(message: pb.Tensor, needed_bytes: int, field: str) -> None:
    if len(message.data) != needed_bytes:
        raise InvalidInputError(
            f"{field} holds {len(message.data)} bytes; its shape and dtype need {needed_bytes}",
            reason="TENSOR_LENGTH",
            field=f"{field}.data",
            size_bytes=len(message.data),
            needed_bytes=needed_bytes,
        )


def _check_indices(indices: Int64Array, field: str) -> None:
    outside = (indices < 0) | (indices >= 1 << 32)
    if bool(outside.any()):
        index = int(indices[outside][0])
        raise InvalidInputError(f"{field} holds {index}; 0 to {(1 << 32) - 1} are allowed", field=field, index=index)


def _checked_splits(splits: Sequence[int], count: int, field: str) -> list[int]:
    listed = list(splits)
    rising = all(begin <= end for begin, end in pairwise(listed))
    if not listed or listed[0] != 0 or listed[-1] != count or not rising:
        raise InvalidInputError(
            f"{field} must rise from 0 to {count}, the number of elements",
            field=field,
            element_count=count,
        )
    return listed


def _splits(lengths: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(lengths, dtype=np.int64).tolist()]
