"""What the ledger gives back: frozen values, no generated types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ..callers import Caller


class EventKind(Enum):
    """Kind of evidence."""

    RERANK = "rerank"
    USED = "used"
    EXPLICIT = "explicit"
    OUTCOME = "outcome"
    PIN = "pin"


class Channel(Enum):
    """Where evidence is summed."""

    PASSIVE = "passive"
    """What the reranker measured."""
    OUTSIDE = "outside"
    """What the reranker cannot know."""


class UsageVerdict(Enum):
    """Whether an answer used a hit."""

    USED = "used"
    UNUSED = "unused"
    AMBIGUOUS = "ambiguous"
    """It cannot be told; nothing was recorded."""


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """What became of feedback."""

    accepted_count: int
    """Pieces that count now."""
    duplicate_count: int
    """Pieces that counted before."""
    ignored_count: int
    """Pieces that do not count because they are SYSTEM traffic."""
    durability: str
    """`process_crash`, `power_loss`, or empty if nothing was written."""


@dataclass(frozen=True, slots=True)
class HitUsage:
    """Use of one hit."""

    memory_id: str
    overlap: float
    """How much of one sentence of the answer rests on the hit, [0, 1]."""
    verdict: UsageVerdict


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What an answer used."""

    usage: tuple[HitUsage, ...]
    """In the order of the request or of the results."""
    accepted_count: int
    duplicate_count: int
    ignored_count: int
    missing_ids: tuple[str, ...]
    """Hits that are not there any more."""
    durability: str
    """`process_crash`, `power_loss`, or empty if nothing was recorded."""


@dataclass(frozen=True, slots=True)
class ChannelSalience:
    """What has been learnt about a memory in one channel."""

    channel: Channel
    mean: float
    """Posterior mean of the evidence, (0, 1)."""
    prior: float
    """Base rate of the scope, (0, 1)."""
    log_odds: float
    evidence_for: float
    """Decayed, in events."""
    evidence_against: float
    """Decayed, in events."""
    event_count: int


@dataclass(frozen=True, slots=True)
class Salience:
    """What has been learnt about a memory."""

    memory_id: str
    salience: float
    """Learnt worth, (0, 1)."""
    prior: float
    """What it is where nothing is known, (0, 1)."""
    log_odds: float
    """All evidence; 0 where nothing is known."""
    outside_log_odds: float
    """The part from outside the reranker: only this may move a final order."""
    channels: tuple[ChannelSalience, ...]
    pinned: bool
    event_count: int
    last_retrieved: datetime | None


@dataclass(frozen=True, slots=True)
class SalienceResult:
    """What has been learnt about some memories."""

    salience: tuple[Salience, ...]
    """Of the known ids, in the order of the request."""
    missing_ids: tuple[str, ...]
    """Ids that are not there."""


@dataclass(frozen=True, slots=True)
class BucketEvidence:
    """Evidence from questions of one kind."""

    channel: Channel
    bucket: int
    """[0, 16)."""
    fingerprint: str
    """Space of the questions."""
    evidence_for: float
    evidence_against: float
    share: float
    """What saturation leaves of it, (0, 1]."""
    event_count: int


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of the ledger."""

    search_id: str
    memory_id: str
    kind: EventKind
    value: float
    """Probability that it reported, [0, 1]."""
    weight: float
    """In events."""
    decay: float
    """Share of the weight that is left now, (0, 1]."""
    raw_score: float | None
    """The model's own score; RERANK only."""
    calibration_version: str
    caller: Caller
    event_time: datetime | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class SalienceExplanation:
    """How the salience of a memory came about."""

    salience: Salience
    buckets: tuple[BucketEvidence, ...]
    events: tuple[LedgerEvent, ...]
    """Newest first, at most 100."""
    checkpointed_count: int
    """Older events that live on in checkpoints."""
    rule: Mapping[str, float]
    """Constants of the rule."""


@dataclass(frozen=True, slots=True)
class SalienceChange:
    """How much a memory changed."""

    memory_id: str
    old_log_odds: float
    new_log_odds: float


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was, or would be, taken back."""

    event_count: int
    """Events that count no more."""
    checkpointed_count: int
    """Of those, events that live in checkpoints."""
    memory_count: int
    """Memories whose salience changed."""
    changes: tuple[SalienceChange, ...]
    """Those that changed most, at most 20."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a new fold of the ledger gave."""

    event_count: int
    state_count: int
    """Sums that were written."""
    changed_count: int
    """Sums that were not exactly what the ledger says."""


@dataclass(frozen=True, slots=True)
class StateDigest:
    """Digests of what is stored and learnt, 64 hex digits each; equal content gives equal digests."""

    memory_sha256: str
    ledger_sha256: str
    state_sha256: str
    impression_sha256: str
    memory_count: int
    event_count: int
    state_count: int
    impression_count: int
    consistent: bool | None
    """Whether the sums are exactly those that a fold of the whole ledger gives; None unless asked for."""


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was erased: each number counts what was there and is gone."""

    receipt_id: str
    erase_time: datetime | None
    memory_count: int
    event_count: int
    checkpoint_count: int
    impression_count: int
    replay_count: int
    cached_passage_count: int
    verified: bool
    """Whether everything was read again and holds nothing of it."""
    state: str
    """How far the bytes have left the disk: `done`, `pending` (memory goes on by itself), `left_to_server` (a Qdrant server was told)."""
    clear_time: datetime | None
    """When that was reached; None while it is pending."""
    copy_count: int
    """Copies of the store in the data folder that were made before: snapshots, what repairs put aside. They may hold it until deleted."""
