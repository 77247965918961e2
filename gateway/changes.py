"""Compares what should be stored with what is; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from atlas.passages import content_sha256

from .memories import Memory


class Difference(Enum):
    """How a memory differs from what is stored under its id."""

    NEW = "new"
    """Nothing is."""
    CONTENT = "content"
    """The indexed text differs: it needs a vector."""
    FIELDS = "fields"
    """Other fields differ: its vector stays."""
    NONE = "none"
    """Nothing differs."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has to happen so that a document's memories are stored just so."""

    differences: Sequence[tuple[Memory, Difference]]
    """Every memory that should be stored, in order."""
    vanished_ids: Sequence[str]
    """Memories that are stored and should not be."""

    def count(self, *differences: Difference) -> int:
        """Counts the memories that differ in one of these ways."""
        return sum(difference in differences for _, difference in self.differences)

    @property
    def to_write(self) -> list[Memory]:
        """Memories to write, in order."""
        return [memory for memory, difference in self.differences if difference is not Difference.NONE]

    @property
    def to_embed(self) -> list[Memory]:
        """Memories that need a vector, in order."""
        return [memory for memory, difference in self.differences if difference in (Difference.NEW, Difference.CONTENT)]


def change_of(wanted: Sequence[Memory], stored: Iterable[Memory]) -> Change:
    """Compares the memories of one document."""
    by_id = {memory.memory_id: memory for memory in stored}
    wanted_ids = {memory.memory_id for memory in wanted}
    return Change(
        differences=differences(wanted, by_id),
        vanished_ids=[memory_id for memory_id in by_id if memory_id not in wanted_ids],
    )


def differences(wanted: Sequence[Memory], stored: Mapping[str, Memory]) -> list[tuple[Memory, Difference]]:
    """Compares memories with those stored under their ids."""
    return [(memory, _difference(memory, stored.get(memory.memory_id))) for memory in wanted]


def _difference(wanted: Memory, stored: Memory | None) -> Difference:
    if stored is None:
        return Difference.NEW
    if stored.content_sha256 != content_sha256(wanted.indexed):
        return Difference.CONTENT
    return Difference.NONE if _stated(wanted, wanted) == _stated(stored, wanted) else Difference.FIELDS


def _stated(memory: Memory, wanted: Memory) -> tuple[object, ...]:
    # A language that nobody states is detected by memory, so it is no difference.
    language = memory.language if wanted.language else ""
    return (
        memory.collection,
        memory.domain,
        memory.title,
        memory.speaker,
        memory.source,
        memory.place,
        language,
        memory.kind,
        memory.event_time,
        dict(memory.metadata),
    )
