"""Turns text into word pieces with the model's own Rust tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

_SPECIAL_TOKEN_COUNT = 2
_CONTINUATION = "##"
_UNKNOWN = "[UNK]"
_SEGMENT_CHARACTERS = 32_768
_INLINE_CHARACTERS = 1_024
"""Longest text that is read with the GIL held: about 0.1 ms."""
_WHITE_SPACE = re.compile(r"[ \t\n\r]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The word pieces of one text."""

    ids: tuple[int, ...]
    """Ids with [CLS] in front and [SEP] at the end."""

    end_offsets: tuple[int, ...]
    """End of each word piece in the text, in UTF-8 bytes; [CLS] and [SEP] have none, so 2 fewer than `ids`."""

    fragmentation: float
    """Share of the word pieces with a letter or digit that only continue a word or are unknown, [0, 1]; 0 if there are none."""

    @property
    def token_count(self) -> int:
        """Number of ids, [CLS] and [SEP] included: what the model's token limit counts."""
        return len(self.ids)

    @property
    def piece_ids(self) -> tuple[int, ...]:
        """Ids without [CLS] and [SEP]; row i of the text's token vectors belongs to `piece_ids[i]`."""
        return self.ids[1:-1]

    def truncated(self, max_tokens: int) -> tuple[int, ...]:
        """Returns `ids` cut to `max_tokens` by dropping word pieces before the final [SEP]."""
        if len(self.ids) <= max_tokens:
            return self.ids
        return (*self.ids[: max_tokens - 1], self.ids[-1])


@dataclass(frozen=True, slots=True)
class _Pieces:
    ids: list[int]
    ends: tuple[int, ...]
    size_bytes: int


class Tokenizer:
    """The word piece tokenizer of a model; it neither cuts nor pads, and reads "[SEP]" in a text as plain text.

    Calls may come from several threads at once. They leave the GIL free while the Rust part works on a long text.
    """

    special_token_count = _SPECIAL_TOKEN_COUNT
    """Ids that every text gets in addition to its word pieces."""

    def __init__(self, folder: Path) -> None:
        """Reads `tokenizer.json` from `folder`."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # Else a text could close its own sequence or pass for padding by spelling a special token.
        self._tokenizer.encode_special_tokens = True
        self._readable, self._fragment = _piece_flags(self._tokenizer)

    @property
    def vocabulary(self) -> dict[str, int]:
        """The id of every word piece."""
        return self._tokenizer.get_vocab(with_added_tokens=True)

    @staticmethod
    def least_tokens(texts: Iterable[str], *, most: int) -> int:
        """Returns what texts cost at least, special ids included, each cut to `most`; not read for that, since a word has a piece."""
        return sum(min(len(text.split()) + _SPECIAL_TOKEN_COUNT, most) for text in texts)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Encodes texts of any length; entry i belongs to `texts[i]`."""
        return [_joined([self._segment(segment) for segment in _segments(text)], self._fragmentation) for text in texts]

    def _segment(self, text: str) -> _Pieces:
        # encode keeps the GIL; encode_batch hands the text to a thread of its own, which for a query costs several times the reading.
        short = len(text) <= _INLINE_CHARACTERS
        encoded = self._tokenizer.encode(text) if short else self._tokenizer.encode_batch([text])[0]
        ends = [end for _, end in encoded.offsets[1:-1]]
        return _Pieces(encoded.ids, _utf8_ends(text, ends), _utf8_size(text))

    def _fragmentation(self, piece_ids: Sequence[int]) -> float:
        pieces = np.asarray(piece_ids, np.int64)
        readable = int(self._readable[pieces].sum())
        return int(self._fragment[pieces].sum()) / readable if readable else 0.0


def _piece_flags(tokenizer: tokenizers.Tokenizer) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns per id: does it have a letter or digit; does it, of those, only continue a word or stand for the unknown."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    readable = np.zeros(max(vocabulary.values()) + 1, np.bool_)
    fragment = np.zeros_like(readable)
    for piece, index in vocabulary.items():
        readable[index] = any(character.isalnum() for character in piece)
        fragment[index] = readable[index] and (piece.startswith(_CONTINUATION) or piece == _UNKNOWN)
    return readable, fragment


def _segments(text: str) -> Iterator[str]:
    """Yields the parts in which a long text is read, cut in front of white space, where word pieces never go on.

    A call into the Rust library copies its result while it holds the GIL: a whole book at once would stop every other request.
    """
    begin = 0
    while len(text) - begin > _SEGMENT_CHARACTERS:
        space = _WHITE_SPACE.search(text, begin + _SEGMENT_CHARACTERS)
        end = space.start() if space else len(text)
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _joined(parts: Sequence[_Pieces], fragmentation: Callable[[Sequence[int]], float]) -> Encoding:
    first = parts[0]
    if len(parts) == 1:
        return Encoding(tuple(first.ids), first.ends, fragmentation(first.ids[1:-1]))
    ids, ends, begin = [first.ids[0]], list[int](), 0
    for part in parts:
        ids += part.ids[1:-1]
        ends += [begin + end for end in part.ends]
        begin += part.size_bytes
    return Encoding((*ids, first.ids[-1]), tuple(ends), fragmentation(ids[1:]))


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _utf8_ends(text: str, ends: list[int]) -> tuple[int, ...]:
    """Turns ends counted in characters into ends counted in UTF-8 bytes."""
    if text.isascii():
        return tuple(ends)
    code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (code_points >= 0x80) + (code_points >= 0x800) + (code_points >= 0x10000)
    positions = np.concatenate(([0], np.cumsum(sizes)))
    return tuple(positions[ends].tolist())
