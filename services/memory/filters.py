"""Checks the filters of requests and says them in the words of the store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf import struct_pb2

from atlas.errors import InvalidInputError
from atlas.type.v1 import type_pb2

from .limits import check_bytes, check_count
from .store import AllOf, AnyOf, Equals, Exists, In, NoneOf, Operand, Range, StoreFilter, TextMatch, check_filter

MAX_LEVELS = 8
"""Deepest tree of a filter."""
MAX_NODES = 256
"""Most nodes of a filter."""
MAX_VALUES = 256
"""Most values of one `in`."""
MAX_OPERAND_BYTES = 4_096
"""Longest text that a field is compared with."""
MAX_FIELD_BYTES = 256
"""Longest field path."""
STRING_FIELDS = frozenset({"domain", "source", "document_id", "title", "speaker", "language"})
"""Fields whose values are texts; the store leaves empty ones out."""
KIND_NAMES = frozenset({"TEXT", "MESSAGE", "CODE", "IMAGE"})
"""Values of `content_kind`."""
_CONTENT_KIND, _EVENT_TIME, _METADATA = "content_kind", "event_time", "metadata."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS = ("gt", "gte", "lt", "lte")


def checked_filter(message: type_pb2.Filter, field: str = "filter") -> StoreFilter:
    """Returns the store's form of a filter.

    Raises:
        InvalidInputError: Names the node that is wrong, or says that the tree is too deep or too large.
    """
    count = _count(message, 1, field)
    if count > MAX_NODES:
        raise InvalidInputError(
            f"{field} has {count} nodes; at most {MAX_NODES} are allowed", field=field, count=count, max_count=MAX_NODES
        )
    return _node(message, field)


def domains_asked(condition: StoreFilter | None) -> frozenset[str]:
    """Returns the domains that a filter insists on; empty if it does not name them."""
    match condition:
        case Equals("domain", str(value)):
            return frozenset({value})
        case In("domain", values):
            return frozenset(str(value) for value in values)
        case AllOf(parts):
            asked = [domains for part in parts if (domains := domains_asked(part))]
            return frozenset.intersection(*asked) if asked else frozenset()
        case _:
            return frozenset()


def _count(message: type_pb2.Filter, level: int, field: str) -> int:
    if level > MAX_LEVELS:
        raise InvalidInputError(f"{field} has more than {MAX_LEVELS} levels", field=field, max_levels=MAX_LEVELS)
    return 1 + sum(_count(part, level + 1, field) for part in _parts(message))


def _parts(message: type_pb2.Filter) -> Sequence[type_pb2.Filter]:
    kind = message.WhichOneof("node")
    return getattr(message, kind).filters if kind in {"all_of", "any_of", "none_of"} else ()


def _node(message: type_pb2.Filter, field: str) -> StoreFilter:
    kind = message.WhichOneof("node")
    if kind is None:
        raise InvalidInputError(f"{field} is empty; all_of, any_of, none_of or condition is needed", field=field)
    if kind == "condition":
        return _condition(message.condition, f"{field}.condition")
    listed = _parts(message)
    check_count(len(listed), f"{field}.{kind}.filters", least=1, most=MAX_NODES)
    parts = tuple(_node(part, f"{field}.{kind}.filters[{index}]") for index, part in enumerate(listed))
    match kind:
        case "all_of":
            return AllOf(parts)
        case "any_of":
            return AnyOf(parts)
        case _:
            return NoneOf(parts)


def _condition(condition: type_pb2.Condition, field: str) -> StoreFilter:
    key = _checked_key(condition.field, f"{field}.field")
    match condition.WhichOneof("test"):
        case "equals":
            return _equals(key, _operand(key, condition.equals, f"{field}.equals"))
        case "in":
            return _in(key, getattr(condition, "in").values, f"{field}.in.values")
        case "range":
            return _range(key, condition.range, f"{field}.range")
        case "exists":
            return _there(key) if condition.exists else NoneOf((_there(key),))
        case "text_match":
            return _text_match(key, condition.text_match, f"{field}.text_match")
        case _:
            raise InvalidInputError(f"{field} has no test; equals, in, range, exists or text_match is needed", field=field)


def _checked_key(key: str, field: str) -> str:
    check_bytes(key, field, MAX_FIELD_BYTES)
    if key in STRING_FIELDS or key in {_CONTENT_KIND, _EVENT_TIME}:
        return key
    if not key.startswith(_METADATA):
        known = sorted({*STRING_FIELDS, _CONTENT_KIND, _EVENT_TIME})
        raise InvalidInputError(f"{field} is {key!r}; known are {', '.join(known)} and metadata.<key>", field=field, value=key)
    check_filter(Exists(key))
    return key


def _operand(key: str, value: struct_pb2.Value, field: str) -> Operand:
    kind = value.WhichOneof("kind")
    if key == _EVENT_TIME:
        return _time_us(value, field)
    if kind == "string_value":
        check_bytes(value.string_value, field, MAX_OPERAND_BYTES)
        if key == _CONTENT_KIND and value.string_value not in KIND_NAMES:
            raise InvalidInputError(
                f"{field} is {value.string_value!r}; content_kind is TEXT, MESSAGE, CODE or IMAGE", field=field, value=value.string_value
            )
        return value.string_value
    if key.startswith(_METADATA) and kind == "number_value":
        return _number(value.number_value, field)
    if key.startswith(_METADATA) and kind == "bool_value":
        return value.bool_value
    needed = "a text, number or boolean" if key.startswith(_METADATA) else "a text"
    raise InvalidInputError(f"{field} holds {kind or 'nothing'}; {key} is compared with {needed}", field=field, kind=kind)


def _equals(key: str, operand: Operand) -> StoreFilter:
    if operand == "" and key in STRING_FIELDS:
        return NoneOf((Exists(key),))
    return Equals(key, operand)


def _in(key: str, values: Sequence[struct_pb2.Value], field: str) -> StoreFilter:
    check_count(len(values), field, least=1, most=MAX_VALUES)
    operands = [_operand(key, value, f"{field}[{index}]") for index, value in enumerate(values)]
    if key in STRING_FIELDS and "" in operands:
        named = tuple(operand for operand in operands if operand != "")
        return AnyOf((In(key, named), NoneOf((Exists(key),))))
    return In(key, tuple(operands))


def _there(key: str) -> StoreFilter:
    # Empty texts of our own fields are not stored; in metadata they are, and count as not there.
    return AllOf((Exists(key), NoneOf((Equals(key, ""),)))) if key.startswith(_METADATA) else Exists(key)


def _range(key: str, message: type_pb2.Range, field: str) -> StoreFilter:
    if key != _EVENT_TIME and not key.startswith(_METADATA):
        raise InvalidInputError(f"{field} is on {key}; event_time and metadata have ranges", field=field, key=key)
    bounds = {name: _bound(key, getattr(message, name), f"{field}.{name}") for name in _BOUNDS if message.HasField(name)}
    if not bounds:
        raise InvalidInputError(f"{field} has no bound; one of gt, gte, lt, lte is needed", field=field)
    return Range(key, **bounds)


def _bound(key: str, value: struct_pb2.Value, field: str) -> float:
    if key == _EVENT_TIME:
        return _time_us(value, field)
    if value.WhichOneof("kind") != "number_value":
        raise InvalidInputError(f"{field} holds {value.WhichOneof('kind') or 'nothing'}; a number is needed", field=field)
    return _number(value.number_value, field)


def _number(number: float, field: str) -> float:
    if not math.isfinite(number):
        raise InvalidInputError(f"{field} is {number}; numbers must be finite", reason="NOT_FINITE", field=field, value=number)
    return number


def _text_match(key: str, text: str, field: str) -> StoreFilter:
    if key in {_CONTENT_KIND, _EVENT_TIME}:
        raise InvalidInputError(f"{field} is on {key}, which holds no text", field=field, key=key)
    check_bytes(text, field, MAX_OPERAND_BYTES)
    if not text or text.isspace():
        raise InvalidInputError(f"{field} is blank; it needs a word", field=field)
    return TextMatch(key, text)


def _time_us(value: struct_pb2.Value, field: str) -> int:
    text = value.string_value
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or len(text) < len("2026-01-01T00:00:00Z"):
        raise InvalidInputError(
            f"{field} is {text[:64]!r}; a time in RFC 3339 with its offset is needed, such as 2026-11-20T12:00:00Z",
            field=field,
            value=text[:64],
        )
    # Whole microseconds: a float of the seconds would lose them.
    return (time - _EPOCH) // timedelta(microseconds=1)
