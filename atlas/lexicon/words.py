"""Cuts text into words: identifiers into their parts, scripts without spaces into characters and pairs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\uac00-\ud7af"  # Hangul: spaced, but its particles are glued to the nouns
)
# Python's \w leaves out the marks that Arabic, Hebrew and Indic words are written with.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_TOKEN = re.compile(rf"(?P<number>\d+(?:[.,]\d+)+)|(?P<unspaced>[{_UNSPACED}]+)|(?P<word>(?:(?![{_UNSPACED}])[\w{_MARKS}])+)")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+")
_CASE_CHANGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def words(text: str) -> Iterator[str]:
    """Yields the words of `text`, compatibility-normalised and case-folded, in order, before stop words and stemming.

    An apostrophe ends a word. An identifier (`parseHTTPReply`, `parse_http_reply`) gives its parts and then the parts
    joined, so that it is found by either. A number keeps its decimals and loses the commas or points between its
    thousands. A run of a script without spaces gives its characters and its pairs of neighbours.
    """
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        token = match.group()
        match match.lastgroup:
            case "word" if "_" not in token and (rest := token[1:]) == rest.casefold():
                yield token.casefold()  # without a capital inside it is one part
            case "word":
                yield from _identifier_words(token)
            case "number":
                yield re.sub("[.,]", "", token) if _THOUSANDS.fullmatch(token) else token
            case _:
                yield from token
                yield from (first + second for first, second in pairwise(token))


def _identifier_words(token: str) -> Iterator[str]:
    parts = [part.casefold() for piece in token.split("_") if piece for part in _CASE_CHANGE.split(piece)]
    yield from parts
    if len(parts) > 1:
        yield "".join(parts)
