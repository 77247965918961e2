"""Streams of use: which question was asked when, and what was said about the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import msgspec

from atlas.errors import InvalidInputError, NotFoundError

FOLDER = "stream"
"""Folder of a set that holds its stream."""
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody said of a document after a search."""

    doc_id: str
    """Document that was judged."""
    value: float
    """1 it helped, 0 it was wrong; [0, 1]."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A question at a time."""

    time: datetime
    """ISO 8601; UTC where no zone is given."""
    query_id: str
    """Question of the set."""
    phase: str = ""
    """Part of the stream, such as `a` before and `b` after a change of interest."""
    marks: tuple[Mark, ...] | None = None
    """What was really said; None where it is not known, and then a simulated user speaks."""

    @property
    def time_s(self) -> float:
        """Seconds since the epoch."""
        return (self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that the stream never asks, about a document that it may be about."""

    query_id: str
    doc_id: str
    rank_a: int = 0
    """Popularity of the document in the first phase, from 1 = most asked about; 0 where not known."""
    rank_b: int = 0
    """The same in the second phase."""
    asked_a: int = 0
    """Events about it in the first phase."""
    asked_b: int = 0
    """Events about it in the second phase."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream in the order of time."""

    events: tuple[StreamEvent, ...]
    """At least one."""
    shift: int
    """Index of the first event of the second phase; the middle where the stream names no phases."""
    probes: tuple[Probe, ...]
    """Empty where the set has none."""

    @property
    def recorded(self) -> bool:
        """Whether it says what people really said."""
        return any(event.marks is not None for event in self.events)


def read_stream(folder: Path) -> Stream:
    """Reads `events.jsonl` and, where it exists, `probes.jsonl` of a folder.

    Raises:
        NotFoundError: There is no stream.
        InvalidInputError: A line has another form, or times go backwards; the message names file and line.
    """
    path = folder / "events.jsonl"
    if not path.is_file():
        raise NotFoundError(f"{folder} holds no events.jsonl", folder=str(folder))
    events = tuple(_rows(path, StreamEvent))
    if not events:
        raise InvalidInputError(f"{path} holds no event", field="stream")
    for number, (event, following) in enumerate(pairwise(events), start=2):
        if following.time_s < event.time_s:
            raise InvalidInputError(f"{path}:{number}: earlier than the line before", line=number)
    for number, event in enumerate(events, start=1):
        for mark in event.marks or ():
            if not 0.0 <= mark.value <= 1.0:
                raise InvalidInputError(f"{path}:{number}: the value of a mark is {mark.value}; 0 to 1 are allowed", line=number)
    probes_path = folder / "probes.jsonl"
    probes = tuple(_rows(probes_path, Probe)) if probes_path.is_file() else ()
    return Stream(events, _shift(events), probes)


def _shift(events: tuple[StreamEvent, ...]) -> int:
    changed = next((index for index, event in enumerate(events) if event.phase != events[0].phase), None)
    return len(events) // 2 if changed is None else changed


def _rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InvalidInputError(f"{path}:{number}: not an entry of a stream: {error}", line=number) from error
