"""Units of source code: what stands between blank lines at one depth of indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from .pieces import PieceMap, Span
from .prose import lines_of

TINY_PIECES = 24
"""Units of at most this many pieces may join their neighbours: constants, comments, decorators."""
_MAX_DEPTH = 4
"""Classes in classes are split so deep."""
_REMARK = re.compile(r"\s*(?:#|//|/\*|\*|--|;|@|%)")
_IMPORT = re.compile(r"\s*(?:import|from|using?|#include|require|package|\)|\})(?:\b|(?<=[)}]))")
# What a definition begins with in the languages that are common; elsewhere a long unit is cut at its blank lines.
_DEFINITION = re.compile(
    r"\s*(?:(?:export|default|async|pub|pub\([a-z]+\)|unsafe|abstract|final|sealed|inline)\s+)*"
    r"(?:def|class|func|fun|fn|function|interface|struct|impl|enum|trait|type|object|module|namespace|rpc|message|service|oneof"
    r"|public|private|protected|internal|static|override|virtual|void|constructor|template)\b"
)
_CLOSING = frozenset(")]}")


class _Shape(Enum):
    LEAD = "a tiny comment or decorator: goes with what follows"
    FLAT = "imports, or a tiny statement without a body: goes with others like it"
    BODY = "stands alone"


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a text that are not blank."""

    pieces: PieceMap
    spans: Sequence[Span]
    indents: Sequence[int]
    """Width of the white space that each line begins with."""

    def span(self, first: int, last: int) -> Span:
        return Span(self.spans[first].begin, self.spans[last].end)

    def count(self, first: int, last: int) -> int:
        return self.pieces.count(*self.span(first, last))

    def follows_blank(self, index: int) -> bool:
        return index == 0 or self.spans[index].begin != self.spans[index - 1].end + 1

    def begins_unit(self, index: int) -> bool:
        line = self.spans[index]
        return self.follows_blank(index) and self.pieces.text[line.begin + self.indents[index]] not in _CLOSING

    def begins_definition(self, index: int) -> bool:
        """Tells whether a line, or the one below its comments and decorators, begins a definition."""
        if not self.begins_unit(index):
            return False
        while index + 1 < len(self.spans) and _REMARK.match(self.pieces.text, *self.spans[index]) and not self.follows_blank(index + 1):
            index += 1
        return _DEFINITION.match(self.pieces.text, *self.spans[index]) is not None


def code_units(pieces: PieceMap, max_pieces: int) -> list[Span]:
    """Splits source code into definitions.

    A unit begins at an unindented line that follows a blank one. A unit of more than `max_pieces` is split again at
    the definitions inside it, so that the methods of a long class become units of their own. Whether two units join
    depends on them alone, so that code inserted elsewhere changes no other unit. What still is too long is left to
    the caller.
    """
    spans = lines_of(pieces.text)
    if not spans:
        return []
    lines = _Lines(pieces, spans, [_indent(pieces.text, line) for line in spans])
    outer = [index for index in range(1, len(spans)) if not lines.indents[index] and lines.begins_unit(index)]
    units = _split(lines, 0, len(spans) - 1, outer, 0)
    for _ in range(_MAX_DEPTH):
        units = [part for first, last in units for part in _split_long(lines, first, last, max_pieces)]
    return [lines.span(first, last) for first, last in units]


def code_ends(pieces: PieceMap, unit: Span, max_pieces: int) -> list[int]:
    """Finds where a long unit may be cut: at its blank lines, and at any line of a part that still is too long."""
    lines = lines_of(pieces.text[unit.begin : unit.end])
    ends: list[int] = []
    part_begin, inner = unit.begin, list[int]()
    for place, line in enumerate(lines, start=1):
        end = unit.begin + lines[place].begin if place < len(lines) else unit.end
        inner.append(end)
        if place == len(lines) or lines[place].begin > line.end + 1:
            ends.extend(inner if pieces.count(part_begin, end) > max_pieces else [end])
            part_begin, inner = end, []
    return ends


def line_begins(text: str, unit: Span) -> list[int]:
    """Lists where the lines of `unit` begin, the first left out."""
    return [unit.begin + line.begin for line in lines_of(text[unit.begin : unit.end])][1:]


def _split_long(lines: _Lines, first: int, last: int, max_pieces: int) -> list[tuple[int, int]]:
    """Splits a long unit at the definitions of the outermost depth that has any; another one stays whole."""
    if lines.count(first, last) <= max_pieces:
        return [(first, last)]
    inner = [index for index in range(first + 1, last + 1) if lines.begins_definition(index)]
    depth = min((lines.indents[index] for index in inner), default=0)
    return _split(lines, first, last, [index for index in inner if lines.indents[index] == depth], depth)


def _split(lines: _Lines, first: int, last: int, starts: Sequence[int], depth: int) -> list[tuple[int, int]]:
    """Cuts before the lines `starts`, then joins what is tiny."""
    begins = [first, *starts]
    return list(_joined(lines, zip(begins, [*(start - 1 for start in starts), last], strict=True), depth))


def _joined(lines: _Lines, units: Iterator[tuple[int, int]], depth: int) -> Iterator[tuple[int, int]]:
    open_unit: tuple[int, int] | None = None
    open_shape = _Shape.BODY
    lead: int | None = None
    end = 0
    for first, last in units:
        end = last
        shape = _shape(lines, first, last, depth)
        if shape is _Shape.LEAD:
            lead = first if lead is None else lead
            continue
        begin, lead = (first if lead is None else lead), None
        if open_unit is not None and shape is open_shape is _Shape.FLAT:
            open_unit = (open_unit[0], last)
            continue
        if open_unit is not None:
            yield open_unit
        open_unit, open_shape = (begin, last), shape
    if open_unit is not None:
        yield open_unit
    if lead is not None:
        yield lead, end


def _shape(lines: _Lines, first: int, last: int, depth: int) -> _Shape:
    text, spans = lines.pieces.text, lines.spans[first : last + 1]
    if all(_IMPORT.match(text, *line) or indent > depth for line, indent in zip(spans, lines.indents[first : last + 1], strict=True)):
        return _Shape.FLAT
    if lines.count(first, last) > TINY_PIECES:
        return _Shape.BODY
    if all(_REMARK.match(text, *line) for line in spans):
        return _Shape.LEAD
    return _Shape.FLAT if all(indent <= depth for indent in lines.indents[first : last + 1]) else _Shape.BODY


def _indent(text: str, line: Span) -> int:
    content = text[line.begin : line.end]
    return len(content) - len(content.lstrip())
