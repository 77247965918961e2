"""What the ledger is told and what it answers; ids, numbers and hashes, never a text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import msgspec

from atlas.salience import Channel, EventKind, SalienceReading, Sums, Worth

US_PER_DAY = 86_400_000_000


class Pool(IntEnum):
    """Why a member was in a pool; the numbers are those of the contract."""

    CLEAN = 1
    """Content alone brought it in."""
    EXTENDED = 2
    """Salience brought it in."""
    EXPLORE = 3
    """Chance brought it in, with the stated propensity."""


class SourceClass(IntEnum):
    """Who stands behind a call; the numbers are those of the contract."""

    USER = 1
    ASSISTANT = 2
    SYSTEM = 3


class PoolMember(msgspec.Struct, frozen=True):
    """A candidate of a search."""

    memory_id: str
    collection: str
    generation: str
    pool: Pool
    rank: int
    """Position in the pool, from 1; 0 if it was not said."""
    propensity: float
    """Probability that it was put into the pool, (0, 1]."""
    result_rank: int
    """Position in the result, from 1; 0 if it was not shown."""


@dataclass(frozen=True, slots=True)
class Impression:
    """A search that was shown."""

    tenant: str
    search_id: str
    principal: str
    source_class: SourceClass
    domains: tuple[str, ...]
    """Domains that the search could see, in order; empty means all."""
    time_us: int
    """When it was, in microseconds since the epoch."""
    bucket: int | None
    """Query bucket; None where the query has no vector, and then no event of the search itself may come."""
    fingerprint: str
    """Of the space of the query; empty without a vector."""
    pool: tuple[PoolMember, ...]

    @property
    def space(self) -> int:
        """Number of the query space."""
        return space_of(self.fingerprint)


class NewEvent(msgspec.Struct, frozen=True):
    """Evidence that somebody reports, already checked to be finite and in range."""

    memory_id: str
    kind: EventKind
    value: float
    """Probability or value, [0, 1]."""
    raw_score: float | None = None
    """The model's raw score; RERANK only."""
    score_kind: int = 0
    """What `raw_score` is, by the contract's number; 0 without one."""
    calibration_version: str = ""
    """What made `value` of `raw_score`; empty without one."""
    rank_before_salience: int = 0
    """Position in the result before salience, from 1; 0 if it was not among the results."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the evidence of a search."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Pairs of memory id and reason."""


@dataclass(frozen=True, slots=True)
class FedBack:
    """What became of evidence from outside."""

    accepted: int
    duplicate: int
    ignored: int
    """Events that do not count by rule: system traffic, or use of what salience itself brought in."""


class KnownSalience(msgspec.Struct, frozen=True):
    """Salience of one stored memory, with what it rests on."""

    reading: SalienceReading
    domain: str
    """Domain of the memory."""
    counts: Mapping[Channel, int]
    """Events that count, by channel; channels without any are left out."""
    last_retrieved_us: int | None
    """Time of the newest event, in microseconds since the epoch; None if there is none."""

    @property
    def event_count(self) -> int:
        """Events that count, over all channels."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of memories at one time."""

    known: Mapping[str, Worth]
    """Of those that are shown, by memory id; unknown ids are left out."""
    log_odds: Mapping[str, float]
    """Of those that may be brought in, by memory id; what is not there has 0."""


class Place(msgspec.Struct, frozen=True):
    """Where evidence about a memory is summed."""

    channel: Channel
    space: int
    """Number of the query space."""
    bucket: int


class Part(msgspec.Struct, frozen=True):
    """Evidence of one place, with the time of its newest event."""

    sums: Sums
    last_us: int

    def __add__(self, other: Part) -> Part:
        """Adds evidence, exactly."""
        return Part(self.sums + other.sums, max(self.last_us, other.last_us))


@lru_cache(maxsize=256)
def space_of(fingerprint: str) -> int:
    """Numbers a query space by its fingerprint: the same number in every ledger, and short enough to be part of each key."""
    return int.from_bytes(hashlib.sha256(fingerprint.encode()).digest()[:8], "little", signed=True)
