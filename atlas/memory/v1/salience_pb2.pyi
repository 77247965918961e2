import datetime

from atlas.type.v1 import salience_pb2 as _salience_pb2
from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PoolEntry(_message.Message):
    __slots__ = ("memory_id", "collection", "generation", "pool", "rank", "propensity", "result_rank")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    RESULT_RANK_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    collection: str
    generation: str
    pool: _type_pb2.Pool
    rank: int
    propensity: float
    result_rank: int
    def __init__(self, memory_id: _Optional[str] = ..., collection: _Optional[str] = ..., generation: _Optional[str] = ..., pool: _Optional[_Union[_type_pb2.Pool, str]] = ..., rank: _Optional[int] = ..., propensity: _Optional[float] = ..., result_rank: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("memory_id", "kind", "raw_score", "score_kind", "relevance", "calibration_version", "rank_before_salience")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORE_KIND_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    RANK_BEFORE_SALIENCE_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    kind: _salience_pb2.EventKind
    raw_score: float
    score_kind: _type_pb2.ScoreKind
    relevance: float
    calibration_version: str
    rank_before_salience: int
    def __init__(self, memory_id: _Optional[str] = ..., kind: _Optional[_Union[_salience_pb2.EventKind, str]] = ..., raw_score: _Optional[float] = ..., score_kind: _Optional[_Union[_type_pb2.ScoreKind, str]] = ..., relevance: _Optional[float] = ..., calibration_version: _Optional[str] = ..., rank_before_salience: _Optional[int] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("scope", "search_id", "query", "fingerprint", "pool", "events", "search_time", "durability", "source_class")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TIME_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CLASS_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    search_id: str
    query: _type_pb2.Tensor
    fingerprint: str
    pool: _containers.RepeatedCompositeFieldContainer[PoolEntry]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    search_time: _timestamp_pb2.Timestamp
    durability: _type_pb2.Durability
    source_class: _salience_pb2.SourceClass
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., search_id: _Optional[str] = ..., query: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., fingerprint: _Optional[str] = ..., pool: _Optional[_Iterable[_Union[PoolEntry, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., search_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., source_class: _Optional[_Union[_salience_pb2.SourceClass, str]] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("accepted_count", "duplicate_count", "rejected", "durability", "timing")
    ACCEPTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    accepted_count: int
    duplicate_count: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    durability: _type_pb2.Durability
    timing: _type_pb2.ServerTiming
    def __init__(self, accepted_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("memory_id", "reason")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    reason: str
    def __init__(self, memory_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class GetSalienceRequest(_message.Message):
    __slots__ = ("scope", "memory_ids")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSalienceResponse(_message.Message):
    __slots__ = ("salience", "missing_ids")
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    salience: _containers.RepeatedCompositeFieldContainer[_salience_pb2.Salience]
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, salience: _Optional[_Iterable[_Union[_salience_pb2.Salience, _Mapping]]] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Feedback(_message.Message):
    __slots__ = ("memory_id", "kind", "value")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    kind: _salience_pb2.EventKind
    value: float
    def __init__(self, memory_id: _Optional[str] = ..., kind: _Optional[_Union[_salience_pb2.EventKind, str]] = ..., value: _Optional[float] = ...) -> None: ...

class RecordFeedbackRequest(_message.Message):
    __slots__ = ("scope", "search_id", "feedback", "source_class", "event_time", "durability")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CLASS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    search_id: str
    feedback: _containers.RepeatedCompositeFieldContainer[Feedback]
    source_class: _salience_pb2.SourceClass
    event_time: _timestamp_pb2.Timestamp
    durability: _type_pb2.Durability
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., search_id: _Optional[str] = ..., feedback: _Optional[_Iterable[_Union[Feedback, _Mapping]]] = ..., source_class: _Optional[_Union[_salience_pb2.SourceClass, str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class RecordFeedbackResponse(_message.Message):
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

class GetImpressionRequest(_message.Message):
    __slots__ = ("scope", "search_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    search_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., search_id: _Optional[str] = ...) -> None: ...

class GetImpressionResponse(_message.Message):
    __slots__ = ("pool", "search_time", "caller", "bucket")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TIME_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    pool: _containers.RepeatedCompositeFieldContainer[PoolEntry]
    search_time: _timestamp_pb2.Timestamp
    caller: _salience_pb2.Caller
    bucket: int
    def __init__(self, pool: _Optional[_Iterable[_Union[PoolEntry, _Mapping]]] = ..., search_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caller: _Optional[_Union[_salience_pb2.Caller, _Mapping]] = ..., bucket: _Optional[int] = ...) -> None: ...

class ExplainSalienceRequest(_message.Message):
    __slots__ = ("scope", "memory_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    memory_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., memory_id: _Optional[str] = ...) -> None: ...

class ExplainSalienceResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: _salience_pb2.SalienceExplanation
    def __init__(self, explanation: _Optional[_Union[_salience_pb2.SalienceExplanation, _Mapping]] = ...) -> None: ...

class RevokeEventsRequest(_message.Message):
    __slots__ = ("scope", "selector", "dry_run", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    selector: _salience_pb2.EventSelector
    dry_run: bool
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., selector: _Optional[_Union[_salience_pb2.EventSelector, _Mapping]] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeEventsResponse(_message.Message):
    __slots__ = ("revocation",)
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    revocation: _salience_pb2.Revocation
    def __init__(self, revocation: _Optional[_Union[_salience_pb2.Revocation, _Mapping]] = ...) -> None: ...

class RebuildSalienceRequest(_message.Message):
    __slots__ = ("scope", "recalibrate")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    RECALIBRATE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    recalibrate: bool
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., recalibrate: _Optional[bool] = ...) -> None: ...

class RebuildSalienceResponse(_message.Message):
    __slots__ = ("event_count", "state_count", "changed_count")
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    state_count: int
    changed_count: int
    def __init__(self, event_count: _Optional[int] = ..., state_count: _Optional[int] = ..., changed_count: _Optional[int] = ...) -> None: ...

class GetStateDigestRequest(_message.Message):
    __slots__ = ("scope", "verify")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    verify: bool
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., verify: _Optional[bool] = ...) -> None: ...

class GetStateDigestResponse(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: _salience_pb2.StateDigest
    def __init__(self, digest: _Optional[_Union[_salience_pb2.StateDigest, _Mapping]] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("scope", "selection", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    selection: _salience_pb2.ErasureSelection
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., selection: _Optional[_Union[_salience_pb2.ErasureSelection, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("receipt", "content_sha256s")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256S_FIELD_NUMBER: _ClassVar[int]
    receipt: _salience_pb2.ErasureReceipt
    content_sha256s: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, receipt: _Optional[_Union[_salience_pb2.ErasureReceipt, _Mapping]] = ..., content_sha256s: _Optional[_Iterable[str]] = ...) -> None: ...
