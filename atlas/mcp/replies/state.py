"""Answer of `status`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from atlas.client import Collection, ServerInfo

from ..shortening import clip, encoded_size, last_that_fits
from .quoting import NOTE_BYTES, LeftOut


class PartState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of ATLAS."""

    name: str
    serving: bool
    model: str = ""
    error: str = ""


class CollectionSize(msgspec.Struct, frozen=True):
    """A collection."""

    name: str
    memory_count: int
    in_search_all: bool


class StatusReply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Answer of `status`."""

    version: str
    profile: str
    server: str
    principal: str
    max_reply_bytes: int
    parts: Sequence[PartState]
    collections: Sequence[CollectionSize]
    left_out: LeftOut | None = None


def status_reply(info: ServerInfo, collections: Sequence[Collection], *, server: str, principal: str, max_bytes: int) -> StatusReply:
    """Says what serves and as many collections as fit."""
    parts = [
        PartState(part.name, part.serving, part.model, clip(part.error.message, NOTE_BYTES) if part.error else "") for part in info.parts
    ]
    sizes = [CollectionSize(item.name, item.memory_count, item.in_search_all) for item in collections]

    def reply(count: int) -> StatusReply:
        rest = len(sizes) - count
        left_out = LeftOut(count=rest, how_to_get="`atlas collections` in a terminal lists all") if rest else None
        return StatusReply(
            version=info.version,
            profile=info.profile,
            server=server,
            principal=principal,
            max_reply_bytes=max_bytes,
            parts=parts,
            collections=sizes[:count],
            left_out=left_out,
        )

    if encoded_size(reply(len(sizes))) <= max_bytes:
        return reply(len(sizes))
    return reply(last_that_fits(len(sizes) - 1, lambda count: encoded_size(reply(count)) <= max_bytes) or 0)
