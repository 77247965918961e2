"""Makes replies fit: texts are cut between characters, lists behind the last item that fits, and both say so."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TypeVar

import msgspec

Reply = TypeVar("Reply")

ELLIPSIS = "…"
_JOINER = "\u200d"
_LONGEST_CLUSTER = 16
"""Characters that a cut steps back at most to keep a cluster together; a longer one is no writing but noise."""


def encode(reply: object) -> str:
    """Gives a reply as compact JSON. Only what JSON has to escape is escaped, so a text costs about its UTF-8 bytes."""
    return msgspec.json.encode(reply).decode()


def encoded_size(value: object) -> int:
    """Says how many bytes a value takes in a reply."""
    return len(msgspec.json.encode(value))


def boundary(text: str, end: int) -> int:
    """Gives the last place up to `end` where a cut parts no letter from its accents and no joined emoji.

    Args:
        text: What is cut.
        end: Number of characters that fit, 0 to its length.
    """
    cut = end
    while 0 < cut < len(text) and end - cut < _LONGEST_CLUSTER and _continues(text, cut):
        cut -= 1
    return cut if cut > 0 and not (cut < len(text) and _continues(text, cut)) else end


def clip(text: str, max_bytes: int) -> str:
    """Gives a text that takes at most `max_bytes` of a reply, without its quotes; what was cut ends in an ellipsis."""
    if encoded_size(text) - 2 <= max_bytes:
        return text
    fits = last_that_fits(len(text), lambda end: encoded_size(text[:end] + ELLIPSIS) - 2 <= max_bytes)
    return text[: boundary(text, fits or 0)] + ELLIPSIS


def last_that_fits(count: int, fits: Callable[[int], bool]) -> int | None:
    """Gives the largest number up to `count` that fits, None if not even 0 does; what fits must fit with fewer."""
    if not fits(0):
        return None
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _continues(text: str, index: int) -> bool:
    """Says whether the character at `index` belongs to the one before it."""
    character = text[index]
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")  # accents, vowel signs, variation selectors
        or _JOINER in (character, text[index - 1])
        or 0x1F3FB <= ord(character) <= 0x1F3FF  # skin tones
    )
