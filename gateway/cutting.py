"""Cuts texts to what the encoder can read, asking it to count only where that is in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atlas.errors import InvalidInputError
from atlas.ranking import Kind

from .chunking import Chunk, cut
from .clients import EmbedderModel, TokenCount
from .embedders import Encoder
from .steps import Steps

CHUNK_PIECES = 200
"""Most word pieces of a chunk, its title or speaker not counted."""
_OVERLAP_PIECES = 32
_MARGIN_PIECES = 8
_LEAST_PIECES = 64
_BATCH_COUNT = 64
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Uncut:
    """A text as it came."""

    text: str
    """The text."""
    title: str = ""
    """Title that is indexed with each chunk."""
    speaker: str = ""
    """Speaker who is indexed with each chunk, in place of the title."""
    kind: Kind = Kind.TEXT
    """What it is."""
    language: str = ""
    """ISO 639-1 code; empty if unknown."""
    whole: bool = False
    """Cut only what the model cannot read at once, instead of at the usual length."""
    path: str = ""
    """Where it stands in the caller's request, for errors; such as `memories[3]`."""

    @property
    def prefix(self) -> str:
        """What is indexed before each chunk."""
        return f"{self.speaker}:" if self.speaker else f"{self.title}." if self.title else ""


class Cutter:
    """Cuts texts with the word pieces of the embedder that is going to read them."""

    async def cut(self, texts: Sequence[Uncut], encoder: Encoder, steps: Steps) -> list[list[Chunk]]:
        """Cuts each text; a blank one gives no chunk.

        Raises:
            InvalidInputError: A title or speaker leaves the model too little room for the text.
        """
        model = encoder.model
        doubtful = [index for index, uncut in enumerate(texts) if uncut.text.strip() and not _surely_short(uncut, model)]
        counts = await self._counts([part for index in doubtful for part in (texts[index].text, texts[index].prefix)], encoder, steps)
        chunks = [_one_chunk(uncut.text) if uncut.text.strip() else [] for uncut in texts]
        for place, index in enumerate(doubtful):
            text, prefix = counts[2 * place], counts[2 * place + 1]
            chunks[index] = _cut(texts[index], text, 0 if prefix is None else prefix.count, model)
        return chunks

    async def _counts(self, texts: Sequence[str], encoder: Encoder, steps: Steps) -> list[TokenCount | None]:
        """Counts texts; None for an empty one."""
        counted: dict[str, TokenCount] = {}
        wanted = list(dict.fromkeys(text for text in texts if text))
        for batch in _batches(wanted, min(_BATCH_COUNT, encoder.model.max_input_count or _BATCH_COUNT)):
            counts = await steps.run(lambda deadline, batch=batch: encoder.client.count_tokens(batch, deadline=deadline))  # type: ignore[misc]
            counted.update(zip(batch, counts, strict=True))
        return [counted.get(text) for text in texts]


def _surely_short(uncut: Uncut, model: EmbedderModel) -> bool:
    """Whether a text is one chunk without asking: so short a line that it cannot be cut."""
    if "\n" in uncut.text.strip() and not uncut.whole and uncut.kind is not Kind.MESSAGE:
        return False  # several paragraphs are several chunks
    # A word piece covers at least one byte. Without a letter or digit the tokenizer may read nothing at all: then it has to be asked.
    size, prefix = len(uncut.text.encode()), len(uncut.prefix.encode())
    room = model.max_input_tokens - _MARGIN_PIECES - prefix
    return size <= min(CHUNK_PIECES, room) and any(character.isalnum() and character.isascii() for character in uncut.text)


def _one_chunk(text: str) -> list[Chunk]:
    # As chunks are trimmed: no blank lines around, no space behind, but the indentation of the first line.
    words = text.rstrip()
    first = words.rfind("\n", 0, len(words) - len(words.lstrip())) + 1
    begin, size = len(text[:first].encode()), len(words[first:].encode())
    return [Chunk(ordinal=0, begin=begin, end=begin + size, text=words[first:], piece_count=size)]


def _cut(uncut: Uncut, count: TokenCount | None, prefix_count: int, model: EmbedderModel) -> list[Chunk]:
    if count is None or count.count == 0:
        return []
    room = model.max_input_tokens - count.special_count - prefix_count
    if room - _MARGIN_PIECES < _LEAST_PIECES:
        name = f"{uncut.path}.{'speaker' if uncut.speaker else 'title'}".removeprefix(".")
        most = model.max_input_tokens - count.special_count - _MARGIN_PIECES - _LEAST_PIECES
        raise InvalidInputError(
            f"{name} holds {prefix_count} word pieces; at most {most} leave room for the text",
            field=name,
            piece_count=prefix_count,
            max_piece_count=most,
        )
    if uncut.whole and count.count <= room:
        return _one_chunk(uncut.text)
    # A chunk that is cut inside a word may count a few pieces more than it did as part of the whole.
    max_pieces = min(CHUNK_PIECES, room - _MARGIN_PIECES)
    overlap = min(_OVERLAP_PIECES, max_pieces // 4)
    return cut(uncut.text, count.ends.tolist(), uncut.kind, max_pieces=max_pieces, overlap_pieces=overlap, language=uncut.language or "en")


def _batches(texts: Sequence[str], max_count: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        bytes_here = len(text.encode())
        if batch and (len(batch) >= max_count or size + bytes_here > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += bytes_here
    if batch:
        yield batch
