"""What the client gives back: frozen values, no generated types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from atlas.documents import JsonValue
from atlas.errors import AtlasError
from atlas.ranking import Kind

Item = TypeVar("Item")


class Outcome(Enum):
    """What happened to a remembered text."""

    NEW = "new"
    CHANGED = "changed"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Memory:
    """The stored unit."""

    memory_id: str
    """UUID, unique in the tenant."""
    collection: str
    text: str
    """Empty where it was asked for without text."""
    domain: str
    title: str
    speaker: str
    source: str
    """URI of where it came from; empty for a text that was remembered without one."""
    document_id: str
    """Id of its document; empty for a text that was not cut from one."""
    ordinal: int | None
    """Position among the document's chunks, from 0."""
    begin: int | None
    """UTF-8 byte offset in the document's text."""
    end: int | None
    """UTF-8 byte offset behind its last byte."""
    language: str
    content_kind: Kind
    event_time: datetime | None
    create_time: datetime | None
    update_time: datetime | None
    metadata: Mapping[str, JsonValue]
    content_sha256: str
    generation: str
    etag: str
    salience: float | None
    """Learnt worth, [0, 1]; None where it was not read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One branch's measurement."""

    kind: str
    """`similarity` (cosine), `lexical` (BM25), `late_interaction` (MaxSim) or `cross_encoder` (logit)."""
    value: float
    rank: int | None
    """Position in that branch's own list, from 1; None if it did not list the memory."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a rank came about."""

    pool_rank: int
    pool_score: float
    lexical_strength: float | None
    query_fragmentation: float
    final_score: float | None
    logits_per_unit: float
    salience_logits: float
    """What salience added to the rank score, or, where it was not reranked, to the pool score times `logits_per_unit`."""
    salience_log_odds: float | None
    """Learnt worth, all evidence; None where salience is off."""
    outside_log_odds: float | None
    """The part from outside the reranker; None where salience is off."""
    influence: float
    """Logits a unit of log-odds."""
    log_odds_limit: float
    """Most log-odds that count, either way."""
    propensity: float
    """Probability that it was put among the candidates, (0, 1]; 1 unless chance did."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A result of a search."""

    memory: Memory
    snippet: str
    rank: int
    """From 1."""
    relevance: float | None
    """Calibrated probability, [0, 1]; None if it was not reranked."""
    rank_score: float | None
    """What results are ordered by, in logits; comparable within one answer only."""
    evidence: tuple[Evidence, ...]
    salience: float | None
    rank_before_salience: int
    """Position that it would have without salience, from 1; 0 if it would not be there."""
    pool: str
    """Why it was among the candidates: `clean`, `extended` (salience brought it in) or `explore` (chance did)."""
    explanation: Explanation | None


@dataclass(frozen=True, slots=True)
class Degradation:
    """A stage that did not do its part."""

    stage: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller should know though nothing failed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SalienceWrite:
    """What a search wrote back."""

    accepted_count: int
    duplicate_count: int
    rejected_count: int
    durability: str
    """`process_crash`, `power_loss`, or empty if nothing was written."""
    skipped_reason: str
    error: AtlasError | None


@dataclass(frozen=True, slots=True)
class StageTime:
    """Where the time of one stage went, in milliseconds."""

    stage: str
    queue_ms: float
    compute_ms: float
    network_ms: float

    @property
    def total_ms(self) -> float:
        """All of the stage, in milliseconds."""
        return self.queue_ms + self.compute_ms + self.network_ms


@dataclass(frozen=True, slots=True)
class SearchResult:
    """An answer."""

    hits: tuple[Hit, ...]
    search_id: str
    degraded: tuple[Degradation, ...]
    notices: tuple[Notice, ...]
    salience_write: SalienceWrite
    stages: tuple[StageTime, ...]
    unaccounted_ms: float
    total_ms: float
    """Wall time in the gateway."""
    models: Mapping[str, str]
    """Part to `model_id@revision`."""
    candidate_count: int
    cache_hit_count: int
    max_displacement_logits: float
    """Most that salience can move a hit, in logits; 0: it moves nothing."""


@dataclass(frozen=True, slots=True)
class SearchPool:
    """First step of a search: the best of the pool, before the second stage."""

    search_id: str
    hits: tuple[Hit, ...]
    candidate_count: int
    """Candidates that go on to the second stage."""
    degraded: tuple[Degradation, ...]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Second step of a search: the results."""

    hits: tuple[Hit, ...]
    degraded: tuple[Degradation, ...]
    notices: tuple[Notice, ...]
    models: Mapping[str, str]
    """Part to `model_id@revision`."""
    max_displacement_logits: float


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """Last step of a search: what was written back, and where the time went."""

    salience_write: SalienceWrite
    stages: tuple[StageTime, ...]
    unaccounted_ms: float
    total_ms: float
    candidate_count: int
    cache_hit_count: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a text."""

    memory_ids: tuple[str, ...]
    outcome: Outcome
    collection: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of one ingested document."""

    source: str
    new_count: int
    changed_count: int
    unchanged_count: int
    removed_count: int
    embedded_token_count: int
    error: AtlasError | None
    """Why it failed; then nothing of it was changed."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list."""

    items: tuple[Item, ...]
    next_page_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of memories."""

    name: str
    memory_count: int
    in_search_all: bool
    generation: str
    fingerprints: Mapping[str, str]
    """Space to fingerprint."""
    create_time: datetime | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part, as the gateway sees it now."""

    name: str
    address: str
    serving: bool
    error: AtlasError | None
    model: str
    """`model_id@revision`; empty for memory or while it is away."""
    backend: str
    """Runtime, device and precision; empty for memory or while it is away."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What serves."""

    version: str
    profile: str
    parts: tuple[Part, ...]
    features: tuple[str, ...]
    max_query_tokens: int
    max_candidate_count: int
    default_deadline_s: float
