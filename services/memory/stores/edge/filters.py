"""Filters and ids as the embedded engine takes them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from ...conditions import (
    AllOf,
    AnyOf,
    Equals,
    Exists,
    In,
    NoneOf,
    Operand,
    Range,
    StoreFilter,
    TextMatch,
    payload_path,
)
from ...operations import SALIENCE_SEQ_KEY
from ..schema import TENANT_KEY, TEXT_KEYS


def within(generation: str, condition: StoreFilter | None = None) -> edge.Filter:
    """Returns the filter of what matches `condition` inside one generation."""
    tenant = edge.FieldCondition(TENANT_KEY, match=edge.MatchValue(generation))
    parts = [] if condition is None else [_condition(condition)]
    return edge.Filter(must=[tenant, *parts])


def having(point_ids: Iterable[str | UUID]) -> edge.Filter:
    """Returns the filter of the points with these ids."""
    return edge.Filter(must=[edge.HasIdCondition(set(point_ids))])


def older_than(sequence: int, point: str) -> edge.Filter:
    """Returns the filter of the point with this id, if its projection is older than `sequence` or missing."""
    newer = edge.FieldCondition(SALIENCE_SEQ_KEY, range=edge.RangeFloat(gte=sequence))
    return edge.Filter(must=[edge.HasIdCondition({point})], must_not=[newer])


def _condition(condition: StoreFilter) -> edge.Filter:
    match condition:
        case AllOf(parts):
            return edge.Filter(must=[_condition(part) for part in parts])
        case AnyOf(parts):
            return _any(_condition(part) for part in parts)
        case NoneOf(parts):
            return edge.Filter(must_not=[_condition(part) for part in parts])
        case Equals(key, value):
            return edge.Filter(must=[_equals(payload_path(key), value)])
        case In(key, values):
            path = payload_path(key)
            return _any(edge.Filter(must=[_equals(path, value)]) for value in values)
        case Range(key, gt, gte, lt, lte):
            bounds = edge.RangeFloat(gt=gt, gte=gte, lt=lt, lte=lte)
            return edge.Filter(must=[edge.FieldCondition(payload_path(key), range=bounds)])
        case Exists(key):
            return edge.Filter(must_not=[edge.IsEmptyCondition(payload_path(key))])
        case TextMatch(key, text):
            match_text = edge.MatchText(text) if key in TEXT_KEYS else edge.MatchSubstring(text)
            return edge.Filter(must=[edge.FieldCondition(payload_path(key), match=match_text)])


def _any(parts: Iterable[edge.Filter]) -> edge.Filter:
    # An empty `should` matches everything; an empty set of ids matches nothing.
    return edge.Filter(should=[*parts, having(())])


def _equals(path: str, value: Operand) -> edge.FieldCondition:
    if isinstance(value, bool):
        # The binding takes a Python bool for a number; it knows NumPy's bool as one.
        return edge.FieldCondition(path, match=edge.MatchValue(np.bool_(value)))  # type: ignore[arg-type]
    if isinstance(value, str):
        return edge.FieldCondition(path, match=edge.MatchValue(value))
    # A match of numbers tells 2 from 2.0; a range compares by value.
    return edge.FieldCondition(path, range=edge.RangeFloat(gte=value, lte=value))
