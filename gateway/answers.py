"""A search as it is asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from atlas.errors import AtlasError

from .clients import Question, Restriction
from .memories import Durability, Evidence, Memory, Pool, SalienceMode, SourceClass


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is asked; checked."""

    question: Question
    """What to look for."""
    search_id: str
    """Id of the search."""
    candidate_count: int
    """Candidates to rerank, 1 to 200."""
    result_count: int
    """Results to give, 1 to `candidate_count`."""
    collections: Sequence[str] = ()
    """Where to look; empty means everywhere that "search all" includes."""
    restriction: Restriction = field(default_factory=Restriction)
    """Which memories may be found."""
    min_relevance: float | None = None
    """Relevance that a hit must have, [0, 1]."""
    salience_mode: SalienceMode = SalienceMode.READ_WRITE
    """Whether salience is read and written."""
    explain: bool = False
    """Give the parts of each rank."""
    require_complete: bool = False
    """Fail rather than answer without a part."""
    group_by_source: bool = False
    """At most one hit a source."""
    default_deadline_s: float | None = None
    """Time that the search has because its caller set no deadline; None if the caller did."""
    source_class: SourceClass = SourceClass.USER
    """Who stands behind the search."""


class Skipped(StrEnum):
    """Why no evidence was due."""

    NOTHING = ""
    """It was."""
    OFF = "OFF"
    """Salience is off."""
    READ = "READ"
    """Salience is only read."""
    DEGRADED = "DEGRADED"
    """A stage that evidence needs did not do its part."""
    NO_HITS = "NO_HITS"
    """Nothing was found."""
    UNREADABLE = "UNREADABLE"
    """The encoder cannot read the query, so its scores are no evidence."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a rank came about."""

    pool_rank: int
    """Position in the pool, from 1."""
    pool_score: float
    """Number that the pool was ordered by."""
    lexical_strength: float | None
    """Normalised lexical evidence, [0, 1]."""
    fragmentation: float
    """Weight that moved from the encoder to the words, [0, 1]."""
    final_score: float | None
    """Fused evidence; None if it was not reranked."""
    salience_log_odds: float | None
    """Learnt worth, all evidence; None where salience was not read."""
    outside_log_odds: float | None
    """The part of it from outside the reranker; None where salience was not read."""
    influence: float
    """Logits a unit of log-odds."""
    log_odds_limit: float
    """Most log-odds that count, either way."""
    salience_logits: float
    """What salience added, in logits."""
    propensity: float
    """Probability that it was put among the candidates, (0, 1]."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A result."""

    memory: Memory
    """The memory."""
    snippet: str
    """The part of the text to show."""
    rank: int
    """Position, from 1."""
    relevance: float | None
    """Calibrated probability; None if it was not reranked or the query could not be read."""
    rank_score: float | None
    """Number that results are ordered by, in logits; None if it was not reranked."""
    evidence: tuple[Evidence, ...]
    """What each branch measured."""
    salience: float | None
    """Learnt worth, [0, 1]; None where salience is off."""
    rank_before_salience: int
    """Position that it would have without salience, from 1; 0 if it would not be there."""
    pool: Pool
    """Why it was among the candidates."""
    explanation: Explanation | None
    """Parts of the rank, where asked for."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that took part."""

    part: str
    """`embedder` or `reranker`."""
    model_id: str = ""
    """Name; empty if the part did not say."""
    revision: str = ""
    """Exact version."""
    fingerprint: str = ""
    """Fingerprint of the space it worked in."""
    calibration_version: str = ""
    """Version of the calibration; reranker only."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """A stage that did not do its part."""

    stage: str
    """`embed` or `rerank`."""
    reason: str
    """Word for programs, such as `RERANK_TIMEOUT`."""
    message: str
    """What happened, for people."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the caller should know though nothing failed."""

    code: str
    """Word for programs."""
    message: str
    """The same for people."""


@dataclass(frozen=True, slots=True)
class SalienceWrite:
    """What a search wrote back."""

    skipped: Skipped = Skipped.NOTHING
    """Why no evidence was due."""
    accepted_count: int = 0
    """Events that count now."""
    duplicate_count: int = 0
    """Events that counted before."""
    rejected_count: int = 0
    """Events that do not count."""
    durability: Durability | None = None
    """What the acknowledgement survives; None if nothing was written."""
    error: AtlasError | None = None
    """Why nothing was written though it should have been."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a search cost."""

    token_count: int
    """Word pieces read by models."""
    candidate_count: int
    """Candidates looked at."""
    cache_hits: int
    """Passages whose token vectors were known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found."""

    hits: tuple[Hit, ...]
    """Best first."""
    search_id: str
    """Id of the search."""
    models: tuple[ModelUse, ...]
    """Models that took part."""
    degraded: tuple[Degradation, ...]
    """Stages that did not do their part."""
    notices: tuple[Notice, ...]
    """What the caller should know."""
    salience_write: SalienceWrite
    """What was written back."""
    usage: Usage
    """What it cost."""
    max_displacement: float
    """Most that salience can move a hit, in logits, either way."""


@dataclass(frozen=True, slots=True)
class PoolStep:
    """The best of the pool, before the second stage."""

    search_id: str
    """Id of the search."""
    hits: tuple[Hit, ...]
    """Best first."""
    candidate_count: int
    """Candidates that go on to the second stage."""
    degraded: tuple[Degradation, ...]
    """Stages that did not do their part so far."""


@dataclass(frozen=True, slots=True)
class ResultsStep:
    """The results, before they are recorded."""

    hits: tuple[Hit, ...]
    """Best first."""
    models: tuple[ModelUse, ...]
    """Models that took part."""
    degraded: tuple[Degradation, ...]
    """Stages that did not do their part."""
    notices: tuple[Notice, ...]
    """What the caller should know."""
    max_displacement: float
    """Most that salience can move a hit, in logits, either way."""
