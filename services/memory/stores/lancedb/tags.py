"""Payload fields as words of a list column, so that SQL can filter what has no column of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...conditions import Equals, Exists, In, Operand, Range, TextMatch
from ...operations import Payload
from ..schema import INTEGER_KEYS, KEYWORD_KEYS, TEXT_KEYS

Leaf = Equals | In | Range | Exists | TextMatch
"""A condition on one field."""

TAGGED_ROOTS = frozenset((*KEYWORD_KEYS, *INTEGER_KEYS, *TEXT_KEYS, "metadata"))
"""Payload keys whose values, and those below them, are tagged."""
_WORD = re.compile(r"[^\W_]+")


def tags_of(payload: Payload) -> list[str]:
    """Returns the tags of a payload: one for each path that exists, each value, and each word of a text field."""
    tags = dict.fromkeys(tag for root in TAGGED_ROOTS & payload.keys() for tag in _tags(root, payload[root]))
    return sorted(tags)


def existence_tag(path: str) -> str:
    """Returns the tag of a field that is neither null nor an empty list."""
    return f"{path}?"


def value_tag(path: str, value: Operand) -> str:
    """Returns the tag of a field, or of a list with an item, that equals `value`."""
    return f"{path}={_typed(value)}"


def word_tags(path: str, text: str) -> list[str]:
    """Returns the tags of the words of `text`, whatever their case."""
    return [f"{path}~{word}" for word in dict.fromkeys(_WORD.findall(text.lower()))]


def is_tagged(key: str) -> bool:
    """Says whether the field `key` leads to has tags."""
    return key.split(".", 1)[0] in TAGGED_ROOTS


def holds(leaf: Leaf, payload: Payload) -> bool:
    """Says whether a payload meets a condition on one field, read from the payload itself."""
    value = _at(payload, leaf.key.split("."))
    items = list(_scalars(value))
    match leaf:
        case Equals(_, wanted):
            return _typed(wanted) in map(_typed, items)
        case In(_, values):
            return not {_typed(each) for each in values}.isdisjoint(map(_typed, items))
        case Range():
            return any(_within(leaf, item) for item in items if isinstance(item, int | float) and not isinstance(item, bool))
        case Exists():
            return _exists(value)
        case TextMatch(_, text):
            return any(text in item for item in items if isinstance(item, str))


def _tags(path: str, value: Any) -> Iterator[str]:
    if _exists(value):
        yield existence_tag(path)
    for item in _scalars(value):
        yield value_tag(path, item)
        if path in TEXT_KEYS and isinstance(item, str):
            yield from word_tags(path, item)
    if isinstance(value, Mapping):
        for key, below in value.items():
            # A filter's path is cut at its dots, so nothing can name a key that holds one.
            if "." not in key:
                yield from _tags(f"{path}.{key}", below)


def _at(payload: Any, segments: Sequence[str]) -> Any:
    for segment in segments:
        if not isinstance(payload, Mapping):
            return None
        payload = payload.get(segment)
    return payload


def _scalars(value: Any) -> Iterator[Operand]:
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, str | int | float):
            yield item


def _typed(value: Operand) -> str:
    if isinstance(value, bool):
        return f"b:{value:d}"
    return f"s:{value}" if isinstance(value, str) else f"n:{float(value)!r}"


def _exists(value: Any) -> bool:
    return value is not None and not (isinstance(value, list | tuple) and not value)


def _within(bounds: Range, value: float) -> bool:
    return (
        (bounds.gt is None or value > bounds.gt)
        and (bounds.gte is None or value >= bounds.gte)
        and (bounds.lt is None or value < bounds.lt)
        and (bounds.lte is None or value <= bounds.lte)
    )
