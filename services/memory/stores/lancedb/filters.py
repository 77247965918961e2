"""Filters as SQL conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from ...conditions import AllOf, AnyOf, Equals, Exists, In, NoneOf, Range, StoreFilter, TextMatch
from ..schema import INTEGER_KEYS, TEXT_KEYS
from . import tags
from .tags import Leaf

_WIDEST = 2**62
"""Bounds beyond it are as good as none: it is 146,000 years in microseconds."""
PointsOf = Callable[[Leaf], frozenset[str]]
"""Gives the ids of the points that meet a condition for which `read_from_payloads` is true."""


def within(generation: str, condition: str = "true") -> str:
    """Returns what selects the points of a generation that meet an SQL condition."""
    return f"generation = {_text(generation)} AND ({condition})"


def having(point_ids: Iterable[str]) -> str:
    """Returns what selects the points with these ids."""
    listed = ", ".join(map(_text, point_ids))
    return f"point_id IN ({listed})" if listed else "false"


def having_terms(terms: Iterable[int]) -> str:
    """Returns what selects the points that have at least one of these terms."""
    listed = ", ".join(f"arrow_cast({term}, 'UInt32')" for term in terms)
    return f"array_has_any(terms, [{listed}])"


def read_from_payloads(condition: StoreFilter | None) -> Iterator[Leaf]:
    """Gives the conditions that have no column and no tag, so that payloads have to be read for them."""
    match condition:
        case AllOf(parts) | AnyOf(parts) | NoneOf(parts):
            for part in parts:
                yield from read_from_payloads(part)
        case Range(key):
            if key not in INTEGER_KEYS:
                yield condition
        case TextMatch(key):
            if key not in TEXT_KEYS:
                yield condition
        case Equals(key) | In(key) | Exists(key):
            if not tags.is_tagged(key):
                yield condition


def may_hold(leaf: Leaf) -> str:
    """Returns an SQL condition that every point which meets `leaf` meets too."""
    return _tagged([tags.existence_tag(leaf.key)]) if tags.is_tagged(leaf.key) else "true"


def sql(condition: StoreFilter, points_of: PointsOf) -> str:
    """Returns a filter as an SQL condition that is never null."""
    if condition in set(read_from_payloads(condition)):
        return having(sorted(points_of(condition)))
    match condition:
        case AllOf(parts):
            return _joined(" AND ", (sql(part, points_of) for part in parts), "true")
        case AnyOf(parts):
            return _joined(" OR ", (sql(part, points_of) for part in parts), "false")
        case NoneOf(parts):
            return f"NOT {_joined(' OR ', (sql(part, points_of) for part in parts), 'false')}"
        case Equals(key, value):
            return _tagged([tags.value_tag(key, value)])
        case In(key, values):
            return _joined(" OR ", (_tagged([tags.value_tag(key, value)]) for value in values), "false")
        case Range(key):
            return _range(key, condition)
        case Exists(key):
            return _tagged([tags.existence_tag(key)])
        case TextMatch(key, text):
            return _tagged(tags.word_tags(key, text))


def _range(column: str, bounds: Range) -> str:
    # The column holds whole numbers and is compared with nothing else.
    sides = ((">", bounds.gt, math.floor), (">=", bounds.gte, math.ceil), ("<", bounds.lt, math.ceil), ("<=", bounds.lte, math.floor))
    limits = [f"{column} {sign} {rounded(_clamped(bound))}" for sign, bound, rounded in sides if bound is not None]
    return _joined(" AND ", [f"{column} IS NOT NULL", *limits], "true")


def _clamped(bound: float) -> float:
    return max(-_WIDEST, min(_WIDEST, bound))


def _tagged(wanted: Iterable[str]) -> str:
    return _joined(" AND ", (f"array_has(tags, {_text(tag)})" for tag in wanted), "false")


def _joined(word: str, parts: Iterable[str], empty: str) -> str:
    return f"({word.join(parts) or empty})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
