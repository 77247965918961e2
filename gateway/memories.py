"""Values that the gateway works with: memories, where they lie, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import msgspec

from atlas.passages import indexed_text
from atlas.ranking import Kind

JsonValue = None | bool | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""What the caller's own fields may hold."""


class SalienceMode(IntEnum):
    """Whether a search reads and writes salience; numbered as on the wire."""

    OFF = 1
    READ = 2
    READ_WRITE = 3


class Durability(IntEnum):
    """What an acknowledged write survives; numbered as on the wire."""

    PROCESS_CRASH = 1
    POWER_LOSS = 2


class Pool(IntEnum):
    """Why a candidate is in the pool; numbered as on the wire."""

    CLEAN = 1
    EXTENDED = 2
    EXPLORE = 3


class SourceClass(IntEnum):
    """Who stands behind a call; numbered as on the wire."""

    USER = 1
    ASSISTANT = 2
    SYSTEM = 3


class EvidenceKind(IntEnum):
    """Which branch measured; numbered as on the wire."""

    SIMILARITY = 1
    LEXICAL = 2
    LATE_INTERACTION = 3
    CROSS_ENCODER = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose data a call may touch."""

    tenant: str
    """Tenant, not empty."""
    domains: tuple[str, ...] = ()
    """Domains that the call may see; empty means all of the tenant's."""
    principal: str = ""
    """Who calls; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for the provenance of evidence."""

    principal: str = ""
    """Name; empty for the nameless."""
    source_class: SourceClass = SourceClass.USER
    """Who stands behind it."""


class Evidence(msgspec.Struct, frozen=True):
    """One branch's measurement of a candidate."""

    kind: EvidenceKind
    """Branch, which states the unit of `value`."""
    space: str
    """Vector space it was measured in; empty for a cross-encoder."""
    value: float
    """The measurement."""
    rank: int | None = None
    """Position in that branch's own list, from 1; None if the branch did not list it."""


class Place(msgspec.Struct, frozen=True):
    """Where a chunk lies in its document."""

    document_id: str
    """Id of the document in the caller's words."""
    ordinal: int
    """Position among the document's chunks, from 0."""
    begin: int
    """UTF-8 byte offset of its first byte."""
    end: int
    """UTF-8 byte offset behind its last byte."""


class Memory(msgspec.Struct, frozen=True):
    """The stored unit. A struct, not a dataclass: a search makes one for every candidate."""

    memory_id: str
    """UUID, unique in the tenant."""
    collection: str
    """Collection it is in."""
    text: str
    """The text; empty where it was asked to be left out."""
    domain: str = ""
    """Caller's partition of the collection."""
    title: str = ""
    """Title of the document."""
    speaker: str = ""
    """Who said it."""
    source: str = ""
    """URI of where it came from."""
    place: Place | None = None
    """Place in its document; None for a text that was not cut."""
    language: str = ""
    """ISO 639-1 code; empty if unknown."""
    kind: Kind = Kind.TEXT
    """What it is."""
    event_time: datetime | None = None
    """When it happened, UTC; None if unknown."""
    metadata: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    """The caller's own fields."""
    create_time: datetime | None = None
    """When it was first stored; set by memory."""
    update_time: datetime | None = None
    """When it was last changed; set by memory."""
    content_sha256: str = ""
    """SHA-256 of the indexed text; set by memory."""
    generation: str = ""
    """Generation of the collection; set by memory."""
    etag: str = ""
    """Changes with every write; set by memory."""
    salience: float | None = None
    """Learnt worth, [0, 1]; None where salience was not read."""

    @property
    def indexed(self) -> str:
        """The text as models and the lexical index read it."""
        return indexed_text(self.text, title=self.title, speaker=self.speaker)


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """A page of memories."""

    memories: tuple[Memory, ...]
    """In a stable order that says nothing about worth."""
    next_page_token: str
    """Empty on the last page."""
