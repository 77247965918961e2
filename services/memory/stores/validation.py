"""Refuses writes that an engine would take and never find again, or store in part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from atlas.errors import InvalidInputError

from ..operations import MAX_SEQUENCE, IndexSpec, Operation, Point, ProjectedSalience, ReplacePayloads, SalienceProjection, UpsertPoints
from ..store import FACET_KEYS

NORM_TOLERANCE = 1e-2
"""How far a dense vector's L2 norm may be from 1: wider than bfloat16 rounds."""


def check_operations(operations: Sequence[Operation], specs: Mapping[str, IndexSpec]) -> None:
    """Checks operations against the indexes they name.

    Raises:
        InvalidInputError: Names the field, the value and the limit.
    """
    for operation in operations:
        spec = _ensured(operation.index, specs)
        match operation:
            case UpsertPoints(_, points):
                for position, point in enumerate(points):
                    _check_point(point, spec, f"points[{position}]")
            case ReplacePayloads(_, _, payloads):
                for memory_id, payload in payloads.items():
                    _check_payload(payload, f"payloads[{memory_id}]")


def check_projections(projections: Sequence[SalienceProjection], specs: Mapping[str, IndexSpec]) -> None:
    """Checks saliences and the indexes they name.

    Raises:
        InvalidInputError: Names the field, the value and the limit.
    """
    for projection in projections:
        _ensured(projection.index, specs)
        for memory_id, value in projection.values.items():
            _check_projected(value, f"values[{memory_id}]")


def check_dense(dense: Any, dimension: int, field: str) -> None:
    """Checks one dense vector: float32 [dimension], finite, of norm 1.

    Raises:
        InvalidInputError: It is not.
    """
    if dense.dtype != np.float32 or dense.shape != (dimension,):
        raise InvalidInputError(
            f"{field} is {dense.dtype} {list(dense.shape)}; float32 [{dimension}] is needed",
            field=field,
            shape=list(dense.shape),
            dimension=dimension,
        )
    # NaN and infinity in any element end up in the norm, so one comparison finds them all.
    norm = float(np.linalg.norm(dense))
    if not abs(norm - 1.0) <= NORM_TOLERANCE:
        raise InvalidInputError(
            f"{field} has L2 norm {norm:.6g}; it must be finite and within {NORM_TOLERANCE} of 1",
            field=field,
            norm=norm,
            tolerance=NORM_TOLERANCE,
        )


def check_facet(key: str) -> None:
    """Refuses a facet over a field without a keyword index.

    Raises:
        InvalidInputError: Names the fields that have one.
    """
    if key not in FACET_KEYS:
        raise InvalidInputError(f"key is {key!r}; a facet needs one of {', '.join(FACET_KEYS)}", field="key", key=key)


def check_cursor(after: str | None) -> None:
    """Refuses a cursor that no page gave out.

    Raises:
        InvalidInputError: It is no point id.
    """
    if after is None:
        return
    try:
        UUID(after)
    except ValueError:
        raise InvalidInputError(f"cursor {after!r} is not one that a page gave out", field="page_token", cursor=after) from None


def _ensured(index: str, specs: Mapping[str, IndexSpec]) -> IndexSpec:
    spec = specs.get(index)
    if spec is None:
        raise InvalidInputError(f"index {index!r} was not ensured", field="index", index=index)
    return spec


def _check_projected(value: ProjectedSalience, field: str) -> None:
    if not 0.0 <= value.salience <= 1.0:
        raise InvalidInputError(
            f"{field}.salience is {value.salience}; it must be in [0, 1]", field=f"{field}.salience", value=value.salience
        )
    if not 1 <= value.sequence <= MAX_SEQUENCE:
        raise InvalidInputError(
            f"{field}.sequence is {value.sequence}; 1 to {MAX_SEQUENCE} are allowed",
            field=f"{field}.sequence",
            value=value.sequence,
            limit=MAX_SEQUENCE,
        )


def _check_point(point: Point, spec: IndexSpec, field: str) -> None:
    check_dense(point.dense, spec.dimension, f"{field}.dense")
    indices, values = point.sparse_indices, point.sparse_values
    if indices.ndim != 1 or indices.shape != values.shape:
        raise InvalidInputError(
            f"{field}.sparse has {indices.size} indices and {values.size} values",
            field=f"{field}.sparse",
            index_count=indices.size,
            value_count=values.size,
        )
    if len(np.unique(indices)) != len(indices) or not np.isfinite(values).all():
        raise InvalidInputError(
            f"{field}.sparse repeats an index or holds a value that is not finite",
            field=f"{field}.sparse",
        )
    _check_payload(point.payload, f"{field}.payload")


def _check_payload(value: Any, field: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInputError(f"{field} is {value}; numbers must be finite", field=field, value=value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if type(item) is not str:
                _check_payload(item, f"{field}.{key}")
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check_payload(item, f"{field}[{position}]")
