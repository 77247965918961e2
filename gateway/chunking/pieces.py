"""Where the word pieces of a text end, in characters and in bytes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atlas.errors import InvalidInputError

STRETCH = 100
"""Characters that count as a piece where the tokenizer ends none: WordPiece reads a longer word as one unknown piece."""
_LONG_STRETCH = re.compile(rf"(?<!\S)\S{{{STRETCH + 1},}}|(?<!\s)\s{{{STRETCH + 1},}}")


class Span(NamedTuple):
    """A slice of the text, in characters."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class PieceMap:
    """A text with the ends of its word pieces."""

    text: str
    """The whole document."""
    ends: Sequence[int]
    """Character offset behind each piece, non-decreasing; several pieces of one character share an end."""
    byte_offsets: Sequence[int]
    """UTF-8 byte offset of each character, and that of the text's end."""

    @classmethod
    def of(cls, text: str, token_ends: Sequence[int]) -> PieceMap:
        """Reads the byte offsets of `CountTokens`.

        Raises:
            InvalidInputError: The ends decrease, leave the text or split a character.
        """
        data = np.frombuffer(text.encode(), dtype=np.uint8)
        byte_offsets = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))
        byte_ends = np.asarray(token_ends, dtype=np.int64)
        if len(byte_ends) and (byte_ends[0] < 0 or byte_ends[-1] > len(data) or np.any(np.diff(byte_ends) < 0)):
            raise InvalidInputError(f"token_ends have to rise from 0 to {len(data)}", field="token_ends", size_bytes=len(data))
        ends = np.searchsorted(byte_offsets, byte_ends)
        if not np.array_equal(byte_offsets[ends], byte_ends):
            raise InvalidInputError("token_ends split a character", field="token_ends")
        return cls(text, _with_stretches(text, ends.tolist()), byte_offsets.tolist())

    def count(self, begin: int, end: int) -> int:
        """Counts the pieces that end behind `begin` and not behind `end`."""
        return bisect_right(self.ends, end) - bisect_right(self.ends, begin)

    def trimmed(self, begin: int, end: int) -> Span:
        """Takes blank lines from both ends, and white space behind the last word; a line keeps its indentation."""
        words = self.text[begin:end].rstrip()
        end = begin + len(words)
        kept = len(words.lstrip())
        first_word = end - kept
        if begin == 0 or self.text[begin - 1] == "\n":
            begin = max(begin, self.text.rfind("\n", begin, first_word) + 1)
        else:
            newline = self.text.rfind("\n", begin, first_word)
            begin = newline + 1 if newline >= 0 else first_word
        return Span(begin, end)


def _with_stretches(text: str, ends: list[int]) -> list[int]:
    """Adds an end every `STRETCH` characters where a run of words or white space has none."""
    added: list[int] = []
    for run in _LONG_STRETCH.finditer(text):
        last = run.start()
        for end in (*ends[bisect_right(ends, last) : bisect_right(ends, run.end())], run.end()):
            added.extend(range(last + STRETCH, end, STRETCH))
            last = end
    return sorted(ends + added) if added else ends
