"""Filters over payloads, as every store understands them."""

from __future__ import annotations

import re

import msgspec

from atlas.errors import InvalidInputError

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

Operand = str | int | float | bool
"""A value that a field is compared with. Numbers compare by value: 2 equals 2.0, never true."""


class AllOf(msgspec.Struct, frozen=True, tag="all"):
    """True where every part is; also without parts."""

    parts: tuple[StoreFilter, ...]


class AnyOf(msgspec.Struct, frozen=True, tag="any"):
    """True where at least one part is; false without parts."""

    parts: tuple[StoreFilter, ...]


class NoneOf(msgspec.Struct, frozen=True, tag="none"):
    """True where no part is; also without parts."""

    parts: tuple[StoreFilter, ...]


class Equals(msgspec.Struct, frozen=True, tag="equals"):
    """True where the field, or one item of a list field, equals `value`."""

    key: str
    """Payload path: `domain`, `metadata.project`, `metadata.owner.name`."""
    value: Operand


class In(msgspec.Struct, frozen=True, tag="in"):
    """True where the field, or one item of a list field, equals one of `values`."""

    key: str
    values: tuple[Operand, ...]


class Range(msgspec.Struct, frozen=True, tag="range"):
    """True where the field is a number within the given bounds; None leaves a side open."""

    key: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


class Exists(msgspec.Struct, frozen=True, tag="exists"):
    """True where the field is there and neither null nor an empty list."""

    key: str


class TextMatch(msgspec.Struct, frozen=True, tag="text"):
    """True where `title` has every whole word of `text`, whatever the case.

    Any other field has no index of its words: there it is true where the field contains `text`
    exactly as it stands.
    """

    key: str
    text: str


StoreFilter = AllOf | AnyOf | NoneOf | Equals | In | Range | Exists | TextMatch
"""A condition on payloads."""


def payload_path(key: str) -> str:
    """Returns `key` as engines write it, with unusual segments quoted.

    Raises:
        InvalidInputError: A segment is empty or holds a double quote.
    """
    return ".".join(_segment(part, key) for part in key.split("."))


def _segment(part: str, key: str) -> str:
    if _PLAIN_KEY.fullmatch(part):
        return part
    if not part or '"' in part:
        raise InvalidInputError(
            f"filter field {key!r} has a segment that is empty or holds a double quote",
            field="filter",
            key=key,
        )
    return f'"{part}"'


def check_filter(condition: StoreFilter | None) -> None:
    """Refuses a filter that an engine could not run.

    Raises:
        InvalidInputError: A field path cannot be written.
    """
    match condition:
        case AllOf(parts) | AnyOf(parts) | NoneOf(parts):
            for part in parts:
                check_filter(part)
        case Equals() | In() | Range() | Exists() | TextMatch():
            payload_path(condition.key)
        case None:
            pass
