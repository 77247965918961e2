"""A memory as a caller wants it stored, checked and analyzed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from atlas.passages import content_sha256, indexed_text
from atlas.ranking import Kind

from ..search.analyzer import AnalyzedDocument
from ..store import Float32Array


class Chunk(msgspec.Struct, frozen=True):
    """Place of a memory in its document; offsets are UTF-8 bytes."""

    document_id: str
    ordinal: int
    begin: int
    end: int


class Content(msgspec.Struct, frozen=True):
    """What the caller states about a memory: two memories with equal contents are the same."""

    memory_id: str
    collection: str
    domain: str
    text: str
    title: str
    speaker: str
    source: str
    chunk: Chunk | None
    language: str
    """Stated, or detected; empty if unknown."""
    kind: Kind
    event_time_us: int | None
    """Microseconds since the epoch."""
    metadata: Mapping[str, Any]

    @property
    def indexed_text(self) -> str:
        """The text as it is embedded and indexed."""
        return indexed_text(self.text, title=self.title, speaker=self.speaker)


@dataclass(frozen=True, slots=True)
class DenseVector:
    """A dense vector as a caller sent it."""

    space: str
    fingerprint: str
    values: Float32Array
    """Finite, of L2 norm 1."""


@dataclass(frozen=True)
class Draft:
    """A memory to be written."""

    content: Content
    analyzed: AnalyzedDocument
    dense: DenseVector | None
    """None = keep the stored vectors."""
    if_match: str
    """Etag that the stored memory must have; empty = any, `*` = it must exist."""

    @cached_property
    def content_sha256(self) -> str:
        """Digest of the indexed text, 64 hex digits."""
        return content_sha256(self.content.indexed_text)

    @cached_property
    def fields_sha256(self) -> bytes:
        """Digest of everything that the caller states; vectors are left out, since they follow from it."""
        return hashlib.sha256(msgspec.json.encode(self.content, order="deterministic")).digest()
