import datetime

from atlas.type.v1 import salience_pb2 as _salience_pb2
from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RememberOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REMEMBER_OUTCOME_UNSPECIFIED: _ClassVar[RememberOutcome]
    REMEMBER_OUTCOME_NEW: _ClassVar[RememberOutcome]
    REMEMBER_OUTCOME_CHANGED: _ClassVar[RememberOutcome]
    REMEMBER_OUTCOME_KNOWN: _ClassVar[RememberOutcome]

class FeedbackKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_KIND_UNSPECIFIED: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_USED: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_HELPFUL: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_WRONG: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_OUTCOME: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_PIN: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_UNPIN: _ClassVar[FeedbackKind]

class UsageVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_VERDICT_UNSPECIFIED: _ClassVar[UsageVerdict]
    USAGE_VERDICT_USED: _ClassVar[UsageVerdict]
    USAGE_VERDICT_UNUSED: _ClassVar[UsageVerdict]
    USAGE_VERDICT_AMBIGUOUS: _ClassVar[UsageVerdict]
REMEMBER_OUTCOME_UNSPECIFIED: RememberOutcome
REMEMBER_OUTCOME_NEW: RememberOutcome
REMEMBER_OUTCOME_CHANGED: RememberOutcome
REMEMBER_OUTCOME_KNOWN: RememberOutcome
FEEDBACK_KIND_UNSPECIFIED: FeedbackKind
FEEDBACK_KIND_USED: FeedbackKind
FEEDBACK_KIND_HELPFUL: FeedbackKind
FEEDBACK_KIND_WRONG: FeedbackKind
FEEDBACK_KIND_OUTCOME: FeedbackKind
FEEDBACK_KIND_PIN: FeedbackKind
FEEDBACK_KIND_UNPIN: FeedbackKind
USAGE_VERDICT_UNSPECIFIED: UsageVerdict
USAGE_VERDICT_USED: UsageVerdict
USAGE_VERDICT_UNUSED: UsageVerdict
USAGE_VERDICT_AMBIGUOUS: UsageVerdict

class SearchRequest(_message.Message):
    __slots__ = ("query", "collections", "domain", "filter", "candidate_count", "result_count", "min_relevance", "salience_mode", "explain", "require_complete", "group_by_source", "request_id", "event_time", "content_kinds", "caller")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_MODE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_KINDS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    query: _type_pb2.Input
    collections: _containers.RepeatedScalarFieldContainer[str]
    domain: str
    filter: _type_pb2.Filter
    candidate_count: int
    result_count: int
    min_relevance: float
    salience_mode: _type_pb2.SalienceMode
    explain: bool
    require_complete: bool
    group_by_source: bool
    request_id: str
    event_time: TimeRange
    content_kinds: _containers.RepeatedScalarFieldContainer[_type_pb2.ContentKind]
    caller: _salience_pb2.Caller
    def __init__(self, query: _Optional[_Union[_type_pb2.Input, _Mapping]] = ..., collections: _Optional[_Iterable[str]] = ..., domain: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., candidate_count: _Optional[int] = ..., result_count: _Optional[int] = ..., min_relevance: _Optional[float] = ..., salience_mode: _Optional[_Union[_type_pb2.SalienceMode, str]] = ..., explain: _Optional[bool] = ..., require_complete: _Optional[bool] = ..., group_by_source: _Optional[bool] = ..., request_id: _Optional[str] = ..., event_time: _Optional[_Union[TimeRange, _Mapping]] = ..., content_kinds: _Optional[_Iterable[_Union[_type_pb2.ContentKind, str]]] = ..., caller: _Optional[_Union[_salience_pb2.Caller, _Mapping]] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, begin: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("hits", "search_id", "models", "degraded", "notices", "salience_write", "timings", "unaccounted_seconds", "total_seconds", "usage", "max_displacement_logits")
    HITS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_WRITE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    UNACCOUNTED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_DISPLACEMENT_LOGITS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    search_id: str
    models: _containers.RepeatedCompositeFieldContainer[ModelUse]
    degraded: _containers.RepeatedCompositeFieldContainer[Degradation]
    notices: _containers.RepeatedCompositeFieldContainer[Notice]
    salience_write: SalienceWrite
    timings: _containers.RepeatedCompositeFieldContainer[_type_pb2.StageTiming]
    unaccounted_seconds: float
    total_seconds: float
    usage: _type_pb2.Usage
    max_displacement_logits: float
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., search_id: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ModelUse, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[Degradation, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., salience_write: _Optional[_Union[SalienceWrite, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_type_pb2.StageTiming, _Mapping]]] = ..., unaccounted_seconds: _Optional[float] = ..., total_seconds: _Optional[float] = ..., usage: _Optional[_Union[_type_pb2.Usage, _Mapping]] = ..., max_displacement_logits: _Optional[float] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("memory", "snippet", "rank", "relevance", "rank_score", "evidence", "salience", "rank_before_salience", "explanation", "pool")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SNIPPET_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    RANK_SCORE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    RANK_BEFORE_SALIENCE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    memory: _type_pb2.Memory
    snippet: str
    rank: int
    relevance: float
    rank_score: float
    evidence: _containers.RepeatedCompositeFieldContainer[_type_pb2.Evidence]
    salience: float
    rank_before_salience: int
    explanation: RankExplanation
    pool: _type_pb2.Pool
    def __init__(self, memory: _Optional[_Union[_type_pb2.Memory, _Mapping]] = ..., snippet: _Optional[str] = ..., rank: _Optional[int] = ..., relevance: _Optional[float] = ..., rank_score: _Optional[float] = ..., evidence: _Optional[_Iterable[_Union[_type_pb2.Evidence, _Mapping]]] = ..., salience: _Optional[float] = ..., rank_before_salience: _Optional[int] = ..., explanation: _Optional[_Union[RankExplanation, _Mapping]] = ..., pool: _Optional[_Union[_type_pb2.Pool, str]] = ...) -> None: ...

class RankExplanation(_message.Message):
    __slots__ = ("pool_rank", "pool_score", "lexical_strength", "query_fragmentation", "final_score", "logits_per_unit", "salience_logits", "salience_log_odds", "outside_log_odds", "influence", "log_odds_limit", "propensity")
    POOL_RANK_FIELD_NUMBER: _ClassVar[int]
    POOL_SCORE_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FRAGMENTATION_FIELD_NUMBER: _ClassVar[int]
    FINAL_SCORE_FIELD_NUMBER: _ClassVar[int]
    LOGITS_PER_UNIT_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_LOGITS_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    INFLUENCE_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    pool_rank: int
    pool_score: float
    lexical_strength: float
    query_fragmentation: float
    final_score: float
    logits_per_unit: float
    salience_logits: float
    salience_log_odds: float
    outside_log_odds: float
    influence: float
    log_odds_limit: float
    propensity: float
    def __init__(self, pool_rank: _Optional[int] = ..., pool_score: _Optional[float] = ..., lexical_strength: _Optional[float] = ..., query_fragmentation: _Optional[float] = ..., final_score: _Optional[float] = ..., logits_per_unit: _Optional[float] = ..., salience_logits: _Optional[float] = ..., salience_log_odds: _Optional[float] = ..., outside_log_odds: _Optional[float] = ..., influence: _Optional[float] = ..., log_odds_limit: _Optional[float] = ..., propensity: _Optional[float] = ...) -> None: ...

class SearchStreamRequest(_message.Message):
    __slots__ = ("search",)
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    search: SearchRequest
    def __init__(self, search: _Optional[_Union[SearchRequest, _Mapping]] = ...) -> None: ...

class SearchStreamResponse(_message.Message):
    __slots__ = ("pool", "results", "summary")
    POOL_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    pool: SearchPool
    results: SearchResults
    summary: SearchSummary
    def __init__(self, pool: _Optional[_Union[SearchPool, _Mapping]] = ..., results: _Optional[_Union[SearchResults, _Mapping]] = ..., summary: _Optional[_Union[SearchSummary, _Mapping]] = ...) -> None: ...

class SearchPool(_message.Message):
    __slots__ = ("search_id", "hits", "candidate_count", "degraded")
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    search_id: str
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    candidate_count: int
    degraded: _containers.RepeatedCompositeFieldContainer[Degradation]
    def __init__(self, search_id: _Optional[str] = ..., hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., candidate_count: _Optional[int] = ..., degraded: _Optional[_Iterable[_Union[Degradation, _Mapping]]] = ...) -> None: ...

class SearchResults(_message.Message):
    __slots__ = ("hits", "models", "degraded", "notices", "max_displacement_logits")
    HITS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    MAX_DISPLACEMENT_LOGITS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    models: _containers.RepeatedCompositeFieldContainer[ModelUse]
    degraded: _containers.RepeatedCompositeFieldContainer[Degradation]
    notices: _containers.RepeatedCompositeFieldContainer[Notice]
    max_displacement_logits: float
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelUse, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[Degradation, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., max_displacement_logits: _Optional[float] = ...) -> None: ...

class SearchSummary(_message.Message):
    __slots__ = ("salience_write", "timings", "unaccounted_seconds", "total_seconds", "usage")
    SALIENCE_WRITE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    UNACCOUNTED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    salience_write: SalienceWrite
    timings: _containers.RepeatedCompositeFieldContainer[_type_pb2.StageTiming]
    unaccounted_seconds: float
    total_seconds: float
    usage: _type_pb2.Usage
    def __init__(self, salience_write: _Optional[_Union[SalienceWrite, _Mapping]] = ..., timings: _Optional[_Iterable[_Union[_type_pb2.StageTiming, _Mapping]]] = ..., unaccounted_seconds: _Optional[float] = ..., total_seconds: _Optional[float] = ..., usage: _Optional[_Union[_type_pb2.Usage, _Mapping]] = ...) -> None: ...

class HitFeedback(_message.Message):
    __slots__ = ("memory_id", "kind", "value")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    kind: FeedbackKind
    value: float
    def __init__(self, memory_id: _Optional[str] = ..., kind: _Optional[_Union[FeedbackKind, str]] = ..., value: _Optional[float] = ...) -> None: ...

class FeedbackRequest(_message.Message):
    __slots__ = ("search_id", "feedback", "caller", "durability")
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    search_id: str
    feedback: _containers.RepeatedCompositeFieldContainer[HitFeedback]
    caller: _salience_pb2.Caller
    durability: _type_pb2.Durability
    def __init__(self, search_id: _Optional[str] = ..., feedback: _Optional[_Iterable[_Union[HitFeedback, _Mapping]]] = ..., caller: _Optional[_Union[_salience_pb2.Caller, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class FeedbackResponse(_message.Message):
    __slots__ = ("accepted_count", "duplicate_count", "ignored_count", "durability")
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IGNORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    accepted_count: int
    duplicate_count: int
    ignored_count: int
    durability: _type_pb2.Durability
    def __init__(self, accepted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., ignored_count: _Optional[int] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class ReportUsageRequest(_message.Message):
    __slots__ = ("search_id", "answer", "memory_ids", "caller", "dry_run", "query")
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    search_id: str
    answer: str
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    caller: _salience_pb2.Caller
    dry_run: bool
    query: str
    def __init__(self, search_id: _Optional[str] = ..., answer: _Optional[str] = ..., memory_ids: _Optional[_Iterable[str]] = ..., caller: _Optional[_Union[_salience_pb2.Caller, _Mapping]] = ..., dry_run: _Optional[bool] = ..., query: _Optional[str] = ...) -> None: ...

class HitUsage(_message.Message):
    __slots__ = ("memory_id", "overlap", "verdict")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    overlap: float
    verdict: UsageVerdict
    def __init__(self, memory_id: _Optional[str] = ..., overlap: _Optional[float] = ..., verdict: _Optional[_Union[UsageVerdict, str]] = ...) -> None: ...

class ReportUsageResponse(_message.Message):
    __slots__ = ("usage", "accepted_count", "duplicate_count", "missing_ids", "durability", "ignored_count")
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    IGNORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    usage: _containers.RepeatedCompositeFieldContainer[HitUsage]
    accepted_count: int
    duplicate_count: int
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    durability: _type_pb2.Durability
    ignored_count: int
    def __init__(self, usage: _Optional[_Iterable[_Union[HitUsage, _Mapping]]] = ..., accepted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., missing_ids: _Optional[_Iterable[str]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., ignored_count: _Optional[int] = ...) -> None: ...

class ModelUse(_message.Message):
    __slots__ = ("part", "model_id", "revision", "fingerprint", "calibration_version")
    PART_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    part: str
    model_id: str
    revision: str
    fingerprint: str
    calibration_version: str
    def __init__(self, part: _Optional[str] = ..., model_id: _Optional[str] = ..., revision: _Optional[str] = ..., fingerprint: _Optional[str] = ..., calibration_version: _Optional[str] = ...) -> None: ...

class Degradation(_message.Message):
    __slots__ = ("stage", "reason", "message")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    reason: str
    message: str
    def __init__(self, stage: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class SalienceWrite(_message.Message):
    __slots__ = ("accepted_count", "duplicate_count", "rejected_count", "durability", "error", "skipped_reason")
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_REASON_FIELD_NUMBER: _ClassVar[int]
    accepted_count: int
    duplicate_count: int
    rejected_count: int
    durability: _type_pb2.Durability
    error: _status_pb2.Status
    skipped_reason: str
    def __init__(self, accepted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., rejected_count: _Optional[int] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., skipped_reason: _Optional[str] = ...) -> None: ...

class NewMemory(_message.Message):
    __slots__ = ("text", "memory_id", "collection", "domain", "speaker", "title", "source", "content_kind", "event_time", "metadata")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    text: str
    memory_id: str
    collection: str
    domain: str
    speaker: str
    title: str
    source: str
    content_kind: _type_pb2.ContentKind
    event_time: _timestamp_pb2.Timestamp
    metadata: _struct_pb2.Struct
    def __init__(self, text: _Optional[str] = ..., memory_id: _Optional[str] = ..., collection: _Optional[str] = ..., domain: _Optional[str] = ..., speaker: _Optional[str] = ..., title: _Optional[str] = ..., source: _Optional[str] = ..., content_kind: _Optional[_Union[_type_pb2.ContentKind, str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class RememberRequest(_message.Message):
    __slots__ = ("memories", "request_id", "durability")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[NewMemory]
    request_id: str
    durability: _type_pb2.Durability
    def __init__(self, memories: _Optional[_Iterable[_Union[NewMemory, _Mapping]]] = ..., request_id: _Optional[str] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class RememberResponse(_message.Message):
    __slots__ = ("memories", "durability")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[Remembered]
    durability: _type_pb2.Durability
    def __init__(self, memories: _Optional[_Iterable[_Union[Remembered, _Mapping]]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class Remembered(_message.Message):
    __slots__ = ("memory_ids", "outcome", "collection")
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    outcome: RememberOutcome
    collection: str
    def __init__(self, memory_ids: _Optional[_Iterable[str]] = ..., outcome: _Optional[_Union[RememberOutcome, str]] = ..., collection: _Optional[str] = ...) -> None: ...

class IngestDocument(_message.Message):
    __slots__ = ("source", "text", "title", "content_kind", "language", "domain", "event_time", "metadata", "speaker", "document_id")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_KIND_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    source: str
    text: str
    title: str
    content_kind: _type_pb2.ContentKind
    language: str
    domain: str
    event_time: _timestamp_pb2.Timestamp
    metadata: _struct_pb2.Struct
    speaker: str
    document_id: str
    def __init__(self, source: _Optional[str] = ..., text: _Optional[str] = ..., title: _Optional[str] = ..., content_kind: _Optional[_Union[_type_pb2.ContentKind, str]] = ..., language: _Optional[str] = ..., domain: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., speaker: _Optional[str] = ..., document_id: _Optional[str] = ...) -> None: ...

class IngestRequest(_message.Message):
    __slots__ = ("sequence", "collection", "document", "durability", "in_search_all")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    IN_SEARCH_ALL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    collection: str
    document: IngestDocument
    durability: _type_pb2.Durability
    in_search_all: bool
    def __init__(self, sequence: _Optional[int] = ..., collection: _Optional[str] = ..., document: _Optional[_Union[IngestDocument, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., in_search_all: _Optional[bool] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("sequence", "source", "new_count", "changed_count", "unchanged_count", "removed_count", "embedded_tokens", "error", "durability")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NEW_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    source: str
    new_count: int
    changed_count: int
    unchanged_count: int
    removed_count: int
    embedded_tokens: int
    error: _status_pb2.Status
    durability: _type_pb2.Durability
    def __init__(self, sequence: _Optional[int] = ..., source: _Optional[str] = ..., new_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., unchanged_count: _Optional[int] = ..., removed_count: _Optional[int] = ..., embedded_tokens: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class GetMemoryRequest(_message.Message):
    __slots__ = ("memory_id",)
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    def __init__(self, memory_id: _Optional[str] = ...) -> None: ...

class GetMemoryResponse(_message.Message):
    __slots__ = ("memory",)
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    memory: _type_pb2.Memory
    def __init__(self, memory: _Optional[_Union[_type_pb2.Memory, _Mapping]] = ...) -> None: ...

class ListMemoriesRequest(_message.Message):
    __slots__ = ("collection", "domain", "filter", "page_size", "page_token", "without_text")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    domain: str
    filter: _type_pb2.Filter
    page_size: int
    page_token: str
    without_text: bool
    def __init__(self, collection: _Optional[str] = ..., domain: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., without_text: _Optional[bool] = ...) -> None: ...

class ListMemoriesResponse(_message.Message):
    __slots__ = ("memories", "next_page_token")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_type_pb2.Memory]
    next_page_token: str
    def __init__(self, memories: _Optional[_Iterable[_Union[_type_pb2.Memory, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteMemoriesRequest(_message.Message):
    __slots__ = ("collection", "ids", "source", "filter", "request_id")
    class Ids(_message.Message):
        __slots__ = ("memory_ids",)
        MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
        memory_ids: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ids: DeleteMemoriesRequest.Ids
    source: str
    filter: _type_pb2.Filter
    request_id: str
    def __init__(self, collection: _Optional[str] = ..., ids: _Optional[_Union[DeleteMemoriesRequest.Ids, _Mapping]] = ..., source: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteMemoriesResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "memory_count", "in_search_all", "generation", "spaces", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    IN_SEARCH_ALL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    memory_count: int
    in_search_all: bool
    generation: str
    spaces: _containers.RepeatedCompositeFieldContainer[_type_pb2.VectorSpace]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., memory_count: _Optional[int] = ..., in_search_all: _Optional[bool] = ..., generation: _Optional[str] = ..., spaces: _Optional[_Iterable[_Union[_type_pb2.VectorSpace, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections", "next_page_token")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    next_page_token: str
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name", "confirm_name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    confirm_name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., confirm_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ("memory_count",)
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    def __init__(self, memory_count: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "profile", "parts", "limits", "features")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    version: str
    profile: str
    parts: _containers.RepeatedCompositeFieldContainer[PartInfo]
    limits: Limits
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., profile: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[PartInfo, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class PartInfo(_message.Message):
    __slots__ = ("part", "address", "serving", "error", "model", "calibration_version")
    PART_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    part: str
    address: str
    serving: bool
    error: _status_pb2.Status
    model: _type_pb2.ModelInfo
    calibration_version: str
    def __init__(self, part: _Optional[str] = ..., address: _Optional[str] = ..., serving: _Optional[bool] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., model: _Optional[_Union[_type_pb2.ModelInfo, _Mapping]] = ..., calibration_version: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_query_tokens", "max_candidate_count", "max_remember_count", "default_deadline_seconds")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUERY_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_REMEMBER_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_query_tokens: int
    max_candidate_count: int
    max_remember_count: int
    default_deadline_seconds: float
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_query_tokens: _Optional[int] = ..., max_candidate_count: _Optional[int] = ..., max_remember_count: _Optional[int] = ..., default_deadline_seconds: _Optional[float] = ...) -> None: ...
