"""Units of prose and Markdown: paragraphs, each with the headings above it."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from sentencex import segment

from .pieces import Span

_LINE = re.compile(r"^[^\S\n]*+\S[^\n]*", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}(?=\s|\Z)", re.MULTILINE)
_FENCE = re.compile(r"^[^\S\n]*+(`{3,}+|~{3,}+)([^\n]*)", re.MULTILINE)
# Lines that say nothing alone: thematic breaks, and the underlines of headings.
_RULE = re.compile(r"[-=*_~+#.\s]+\Z")
_UNDERLINE = re.compile(r"\s*(?:=+|-+)\s*\Z")
# A line that begins a list item, a row, a quotation or a fence ends what stands above it, as a sentence's end does.
_ITEM = re.compile(r"[^\S\n]*+(?:[-*+|>]|\d+[.)]|```|~~~)")

# sentencex fails on wide white space (it counts bytes as if each space had one) and takes quadratic time in
# languages without spaces: it gets plain spaces, and no more than this many characters at once.
_PLAIN_SPACES = {code: " " for code in range(0x3001) if chr(code).isspace() and chr(code) != "\n"}
_WINDOW_CHARS = 2_000


def prose_units(text: str) -> list[Span]:
    """Splits at blank lines; headings and rules go with the paragraph below them.

    A unit depends on its own lines only, so that text inserted elsewhere changes no other unit. Blank lines inside a
    closed code fence do not split.
    """
    units: list[Span] = []
    waiting: int | None = None
    lines = lines_of(text)
    for first, last in _blocks(text, lines):
        begin = lines[first].begin if waiting is None else waiting
        if _leads(text, lines[first : last + 1]):
            waiting = begin
        else:
            units.append(Span(begin, lines[last].end))
            waiting = None
    if waiting is not None:
        units.append(Span(waiting, lines[-1].end))
    return units


def body_of(text: str) -> str:
    """Gives a unit without the headings and rules above its paragraph; all of it if there is nothing else."""
    lines = lines_of(text)
    body = next((lines[first].begin for first, last in _blocks(text, lines) if not _leads(text, lines[first : last + 1])), 0)
    return text[body:]


def sentence_ends(text: str, unit: Span, language: str) -> list[int]:
    """Finds where the sentences, items and rows of `unit` end; the last is the unit's end."""
    ends = {unit.end}
    begin = unit.begin
    while begin < unit.end:
        window_end = min(begin + _WINDOW_CHARS, unit.end)
        lengths = [len(sentence) for sentence in segment(language, text[begin:window_end].translate(_PLAIN_SPACES))]
        # The last sentence of a window may go on behind it, so the next window begins with it.
        known = lengths[:-1] if window_end < unit.end else lengths
        for length in known:
            begin += length
            ends.add(begin)
        if not known:
            begin = window_end
    ends.update(_item_ends(text, unit))
    return sorted(ends)


def lines_of(text: str) -> list[Span]:
    """Lists the lines that are not blank, without their line ends."""
    return [Span(*found.span()) for found in _LINE.finditer(text)]


def _blocks(text: str, lines: Sequence[Span]) -> list[tuple[int, int]]:
    """Groups the lines (indices of first and last) between blank lines; a heading begins a block."""
    headings = {found.start() for found in _HEADING.finditer(text)}
    fences = _fences(text, lines)
    starts: list[int] = []
    fence_end = -1
    for index, line in enumerate(lines):
        fenced = index <= fence_end
        if not fenced:
            fence_end = fences.get(index, fence_end)
        follows_blank = index == 0 or line.begin != lines[index - 1].end + 1
        if not fenced and (follows_blank or line.begin in headings):
            starts.append(index)
    return [(start, end - 1) for start, end in pairwise([*starts, len(lines)])]


def _fences(text: str, lines: Sequence[Span]) -> dict[int, int]:
    """Maps the first line of each closed code fence to its last; a fence that is never closed is none."""
    begins = [line.begin for line in lines]
    openers: list[tuple[int, str, int]] = []
    closers: dict[str, list[tuple[int, int]]] = {"`": [], "~": []}
    for found in _FENCE.finditer(text):
        index, sign, length = bisect_left(begins, found.start()), found[1][0], len(found[1])
        if not found[2].strip():
            closers[sign].append((index, length))
        if sign not in found[2]:
            openers.append((index, sign, length))
    fences: dict[int, int] = {}
    fence_end = -1
    hopeless = {"`": math.inf, "~": math.inf}
    for index, sign, length in openers:
        if index <= fence_end or length >= hopeless[sign]:
            continue
        behind = range(bisect_right(closers[sign], (index, length)), len(closers[sign]))
        closer = next((closers[sign][place][0] for place in behind if closers[sign][place][1] >= length), None)
        if closer is None:
            # No later one of this length closes either; without this note many open fences would cost quadratic time.
            hopeless[sign] = length
        else:
            fences[index] = fence_end = closer
    return fences


def _leads(text: str, lines: Sequence[Span]) -> bool:
    """Tells whether a block is only a heading or a rule."""
    if len(lines) == 2 and _UNDERLINE.match(text, lines[1].begin, lines[1].end):
        return True
    return all(_HEADING.match(text, line.begin, line.end) or _RULE.match(text, line.begin, line.end) for line in lines)


def _item_ends(text: str, unit: Span) -> list[int]:
    ends: list[int] = []
    fenced = False
    position = unit.begin
    while (newline := text.find("\n", position, unit.end)) >= 0:
        fenced ^= text[position:newline].lstrip().startswith(("```", "~~~"))
        position = newline + 1
        if fenced or _ITEM.match(text, position, unit.end):
            ends.append(position)
    return [end for end in ends if end < unit.end]
