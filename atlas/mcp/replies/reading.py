"""Answer of `get`: a memory, or the next piece of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from atlas.client import Memory
from atlas.errors import InvalidInputError

from ..shortening import boundary, encoded_size, last_that_fits
from .quoting import ABOUT, Quoted, quoted, rounded

MAX_METADATA_BYTES = 1_000
_FIELD_BYTES = {"title": 400, "speaker": 200, "source": 1_000, "domain": 200}


class GetReply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answer of `get`: bytes `begin` to `end` of a text of `text_bytes`; `next_offset` is there if there is more."""

    about: str
    memory_id: str
    collection: str
    content_kind: str
    language: str = ""
    event_time: datetime | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    salience: float | None = None
    ordinal: int | None = None
    text_bytes: int
    begin: int
    end: int
    next_offset: int | None = None
    metadata_left_out_bytes: int = 0
    quoted: Quoted


def get_reply(memory: Memory, *, offset: int, max_text_bytes: int, max_bytes: int) -> GetReply:
    """Gives a memory with as much of its text as fits, from a byte of it on.

    Args:
        memory: What to show.
        offset: UTF-8 byte of the text to begin at.
        max_text_bytes: Most bytes of the text; 0 means as much as fits. At least one character is given.
        max_bytes: Most bytes of the reply.

    Raises:
        InvalidInputError: `offset` is behind the text or inside a character.
    """
    rest, size = _rest(memory.text, offset)
    shown = min(len(rest), max(1, _characters(rest, max_text_bytes))) if max_text_bytes else len(rest)

    def fits(count: int) -> bool:
        return encoded_size(_part(memory, rest[:count], offset, size)) <= max_bytes

    if not fits(shown):
        shown = last_that_fits(shown - 1, fits) or 0
    return _part(memory, rest[: boundary(rest, shown)], offset, size)


def _rest(text: str, offset: int) -> tuple[str, int]:
    """Gives the text from a byte on, and the size of all of it in bytes."""
    data = text.encode()
    if offset >= len(data):
        raise InvalidInputError(
            f"offset is {offset}; the text has {len(data)} bytes, so offset is at most {len(data) - 1}",
            field="offset",
            value=offset,
            text_bytes=len(data),
        )
    if data[offset] & 0xC0 == 0x80:
        raise InvalidInputError(
            f"offset is {offset}, which is inside a character; give 0 or the next_offset of the reply before", field="offset", value=offset
        )
    return data[offset:].decode(), len(data)


def _characters(text: str, max_bytes: int) -> int:
    """Says how many whole characters of a text fit into so many UTF-8 bytes."""
    return len(text.encode()[:max_bytes].decode(errors="ignore"))


def _part(memory: Memory, text: str, offset: int, size: int) -> GetReply:
    end = offset + len(text.encode())
    metadata_bytes = encoded_size(memory.metadata)
    fits = metadata_bytes <= MAX_METADATA_BYTES
    return GetReply(
        about=ABOUT,
        memory_id=memory.memory_id,
        collection=memory.collection,
        content_kind=memory.content_kind.value,
        language=memory.language,
        event_time=memory.event_time,
        create_time=memory.create_time,
        update_time=memory.update_time,
        salience=rounded(memory.salience),
        ordinal=memory.ordinal,
        text_bytes=size,
        begin=offset,
        end=end,
        next_offset=end if end < size else None,
        metadata_left_out_bytes=0 if fits else metadata_bytes,
        quoted=quoted(memory, text, _FIELD_BYTES, memory.metadata if fits else {}),
    )
