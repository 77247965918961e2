"""A parsed document, and the record of something that could not become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from atlas.ranking import Kind

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What JSON can say; metadata holds nothing else, and only finite numbers."""


@dataclass(frozen=True, slots=True)
class Document:
    """One source text with what is known about it, ready to be sent."""

    source: str
    """URI under which the text is known; the same text under another URI is another document."""
    text: str
    """The extracted text; chunk offsets count its UTF-8 bytes. Never blank."""
    title: str = ""
    """Heading of the whole text; it is indexed with every chunk."""
    content_kind: Kind = Kind.TEXT
    """Decides how the text is cut and weighted."""
    language: str = ""
    """Code of the text's language, or the name of a programming language; empty where unknown."""
    domain: str = ""
    """The caller's partition of a collection; empty where the source names none."""
    speaker: str = ""
    """Who said it, for messages."""
    event_time: datetime | None = None
    """When it happened: aware, in UTC."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """What else the source says, by its own names."""
    document_id: str = ""
    """Id of the row for JSON Lines; for a file, its source."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, folder or row that was left out, and why."""

    path: Path
    """The file or folder."""
    reason: str
    """Why, for people."""
    line: int | None = None
    """Line of the row, from 1; None where the whole file is meant."""
    fault: bool = True
    """False where a rule left it out (empty or generated file); true where something is wrong with it."""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line is not None else f"{self.path}"
        return f"{place}: {self.reason}"
