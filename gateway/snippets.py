"""Finds the part of a text to show for a query."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

MAX_CHARACTERS = 320
"""Longest snippet, ellipses included."""

_WORD = re.compile(r"[^\W_]+")
_SPACE = re.compile(r"\s")
# Scripts without spaces: each character is a word of its own.
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STEM_CHARACTERS = 5
_LEAD_CHARACTERS = 60
_ELLIPSIS = "…"


def snippet(text: str, query: str, *, max_characters: int = MAX_CHARACTERS) -> str:
    """Returns the passage of `text` that holds most of the query's words, cut at the borders of words.

    A short text is given whole. Without a word in common it is the beginning.
    """
    text = text.strip()
    if len(text) <= max_characters:
        return text
    length = max_characters - 2 * len(_ELLIPSIS)
    begin = _best_begin(text, _stems(query), length)
    end = _word_end(text, min(len(text), begin + length), begin)
    head = _ELLIPSIS if begin > 0 else ""
    tail = _ELLIPSIS if end < len(text) else ""
    return head + text[begin:end].strip() + tail


def _best_begin(text: str, stems: Mapping[str, int], length: int) -> int:
    matches = list(_matches(text, stems))
    inside: Counter[str] = Counter()
    first = behind = weight = best_weight = best_begin = 0
    for position, _ in matches:
        begin = _word_begin(text, max(0, min(position - _LEAD_CHARACTERS, len(text) - length)))
        while behind < len(matches) and matches[behind][0] + len(matches[behind][1]) <= begin + length:
            stem = matches[behind][1]
            weight += 0 if inside[stem] else stems[stem]
            inside[stem] += 1
            behind += 1
        while first < behind and matches[first][0] < begin:
            stem = matches[first][1]
            inside[stem] -= 1
            weight -= 0 if inside[stem] else stems[stem]
            first += 1
        if weight > best_weight:
            best_weight, best_begin = weight, begin
    return best_begin


def _matches(text: str, stems: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    folded = text.casefold()
    # Some letters fold into two: then places in one text are not those in the other.
    if _CJK.search(text) or len(folded) != len(text):
        return ((position, stem) for position, word in _words(text) if (stem := _stem(word)) in stems)
    return ((match.start(), stem) for match in _WORD.finditer(folded) if (stem := match.group()[:_STEM_CHARACTERS]) in stems)


def _stems(query: str) -> dict[str, int]:
    # Long words say more about the query than the short ones that every text has.
    return {_stem(word): len(word) for _, word in _words(query)}


def _stem(word: str) -> str:
    # Crude on purpose: "resetting" and "resets" share "reset"; only what is shown depends on it.
    return word.casefold()[:_STEM_CHARACTERS]


def _words(text: str) -> Iterator[tuple[int, str]]:
    for match in _WORD.finditer(text):
        if _CJK.search(match.group()):
            yield from ((match.start() + offset, character) for offset, character in enumerate(match.group()))
        else:
            yield match.start(), match.group()


def _word_begin(text: str, position: int) -> int:
    if position == 0 or text[position - 1].isspace():
        return position
    border = _SPACE.search(text, position, position + _LEAD_CHARACTERS)
    return position if border is None else border.end()


def _word_end(text: str, position: int, begin: int) -> int:
    if position == len(text) or text[position].isspace():
        return position
    border = max(text.rfind(mark, begin, position) for mark in (" ", "\n", "\t"))
    # A text without spaces is cut where it is.
    return border if border > position - _LEAD_CHARACTERS else position
