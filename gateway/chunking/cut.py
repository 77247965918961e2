"""The one rule that cuts documents into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas.errors import InvalidInputError
from atlas.ranking import Kind

from .code import code_ends, code_units, line_begins
from .packing import SliceRule, slices
from .pieces import PieceMap, Span
from .prose import body_of, lines_of, prose_units, sentence_ends


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a document."""

    ordinal: int
    """Place in the document, from 0."""
    begin: int
    """UTF-8 byte offset of the first character."""
    end: int
    """UTF-8 byte offset behind the last character."""
    text: str
    """The slice itself."""
    piece_count: int
    """Word pieces in it; a stretch that the tokenizer reads as one unknown word counts by its length."""


def cut(
    text: str,
    token_ends: Sequence[int],
    kind: Kind,
    *,
    max_pieces: int = 200,
    overlap_pieces: int = 32,
    language: str = "en",
) -> list[Chunk]:
    """Cuts a document so that a chunk depends on its own surroundings only.

    Prose: a paragraph is a chunk, together with the headings above it, and is never joined with its neighbours.
    Messages: the whole text is one chunk. Code: a definition is a chunk. What holds more than `max_pieces` is cut at
    sentence or line ends, with overlap. So text inserted above or below leaves other chunks, and their ids, as they
    were. Blocks that the tokenizer reads nothing of (zero-width characters) give no chunk.

    Args:
        text: The document.
        token_ends: UTF-8 byte offset behind every word piece of `text`, rising.
        kind: What the document is.
        max_pieces: Most word pieces in a chunk, at least 1; only a single character of more pieces exceeds it.
        overlap_pieces: Word pieces that slices of one unit share at most, below `max_pieces`.
        language: Code of the language whose sentences are found; unknown ones fall back to general rules.

    Raises:
        InvalidInputError: `token_ends` do not fit the text, or the limits contradict each other.
    """
    if not 0 <= overlap_pieces < max_pieces:
        raise InvalidInputError(
            f"overlap_pieces is {overlap_pieces}; 0 to max_pieces - 1 = {max_pieces - 1} are allowed",
            field="overlap_pieces",
            overlap_pieces=overlap_pieces,
            max_pieces=max_pieces,
        )
    pieces = PieceMap.of(text, token_ends)
    rule = SliceRule(max_pieces, overlap_pieces)
    chunks: list[Chunk] = []
    for span in _spans(pieces, kind, rule, language):
        begin, end = pieces.trimmed(*span)
        if piece_count := pieces.count(begin, end):
            offsets = pieces.byte_offsets[begin], pieces.byte_offsets[end]
            chunks.append(Chunk(len(chunks), *offsets, text[begin:end], piece_count))
    return chunks


def identity_text(text: str, kind: Kind) -> str:
    """Gives the part of a chunk that its id follows from: a paragraph stays itself when the headings above it change."""
    return body_of(text) if kind in (Kind.TEXT, Kind.IMAGE) else text


def _spans(pieces: PieceMap, kind: Kind, rule: SliceRule, language: str) -> Iterator[Span]:
    for unit in _units(pieces, kind, rule.max_pieces):
        if pieces.count(*unit) <= rule.max_pieces:
            yield unit
        elif kind is Kind.CODE:
            yield from slices(pieces, unit, code_ends(pieces, unit, rule.max_pieces), line_begins(pieces.text, unit), rule)
        else:
            ends = sentence_ends(pieces.text, unit, language)
            yield from slices(pieces, unit, ends, ends, rule)


def _units(pieces: PieceMap, kind: Kind, max_pieces: int) -> list[Span]:
    match kind:
        case Kind.MESSAGE:
            lines = lines_of(pieces.text)
            return [Span(lines[0].begin, lines[-1].end)] if lines else []
        case Kind.CODE:
            return code_units(pieces, max_pieces)
        case Kind.TEXT | Kind.IMAGE:
            return prose_units(pieces.text)
