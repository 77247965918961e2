"""Filters as the Qdrant client takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qdrant_client import models

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

SUBSTRING_VERSION = (1, 20)
"""First version with a match of substrings; before it, text without an index was matched so."""


def having(point_ids: Iterable[str]) -> models.Filter:
    """Returns the filter of the points with these ids."""
    return models.Filter(must=[models.HasIdCondition(has_id=list(point_ids))])


def older_than(sequence: int, point: str) -> models.Filter:
    """Returns the filter of the point with this id, if its projection is older than `sequence` or missing."""
    newer = models.FieldCondition(key=SALIENCE_SEQ_KEY, range=models.Range(gte=sequence))
    return models.Filter(must=[models.HasIdCondition(has_id=[point])], must_not=[newer])


@dataclass(frozen=True, slots=True)
class Filters:
    """Writes filters for one server."""

    version: tuple[int, ...]
    """Version of the server."""

    def within(self, generation: str, condition: StoreFilter | None = None) -> models.Filter:
        """Returns the filter of what matches `condition` inside one generation."""
        tenant = models.FieldCondition(key=TENANT_KEY, match=models.MatchValue(value=generation))
        parts = [] if condition is None else [self._condition(condition)]
        return models.Filter(must=[tenant, *parts])

    def _condition(self, condition: StoreFilter) -> models.Filter:
        match condition:
            case AllOf(parts):
                return models.Filter(must=[self._condition(part) for part in parts])
            case AnyOf(parts):
                return _any(self._condition(part) for part in parts)
            case NoneOf(parts):
                return models.Filter(must_not=[self._condition(part) for part in parts])
            case Equals(key, value):
                return models.Filter(must=[_equals(payload_path(key), value)])
            case In(key, values):
                path = payload_path(key)
                return _any(models.Filter(must=[_equals(path, value)]) for value in values)
            case Range(key, gt, gte, lt, lte):
                bounds = models.Range(gt=gt, gte=gte, lt=lt, lte=lte)
                field = models.FieldCondition(key=payload_path(key), range=bounds)
                return models.Filter(must=[field])
            case Exists(key):
                empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=payload_path(key)))
                return models.Filter(must_not=[empty])
            case TextMatch(key, text):
                field = models.FieldCondition(key=payload_path(key), match=self._text(key, text))
                return models.Filter(must=[field])

    def _text(self, key: str, text: str) -> models.Match:
        if key in TEXT_KEYS or self.version < SUBSTRING_VERSION:
            return models.MatchText(text=text)
        return models.MatchSubstring(substring=text)


def _any(parts: Iterable[models.Filter]) -> models.Filter:
    # An empty `should` matches everything; an empty list of ids matches nothing.
    return models.Filter(should=[*parts, having(())])


def _equals(path: str, value: Operand) -> models.FieldCondition:
    if isinstance(value, bool | str):
        return models.FieldCondition(key=path, match=models.MatchValue(value=value))
    # A match of numbers tells 2 from 2.0; a range compares by value.
    return models.FieldCondition(key=path, range=models.Range(gte=value, lte=value))
