import datetime

from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_RERANK: _ClassVar[EventKind]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_RERANK: EventKind

class PoolEntry(_message.Message):
    __slots__ = ("memory_id", "collection", "generation", "pool", "rank", "propensity")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    collection: str
    generation: str
    pool: _type_pb2.Pool
    rank: int
    propensity: float
    def __init__(self, memory_id: _Optional[str] = ..., collection: _Optional[str] = ..., generation: _Optional[str] = ..., pool: _Optional[_Union[_type_pb2.Pool, str]] = ..., rank: _Optional[int] = ..., propensity: _Optional[float] = ...) -> None: ...

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
    kind: EventKind
    raw_score: float
    score_kind: _type_pb2.ScoreKind
    relevance: float
    calibration_version: str
    rank_before_salience: int
    def __init__(self, memory_id: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., raw_score: _Optional[float] = ..., score_kind: _Optional[_Union[_type_pb2.ScoreKind, str]] = ..., relevance: _Optional[float] = ..., calibration_version: _Optional[str] = ..., rank_before_salience: _Optional[int] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("scope", "search_id", "query", "fingerprint", "pool", "events", "search_time", "durability")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TIME_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    search_id: str
    query: _type_pb2.Tensor
    fingerprint: str
    pool: _containers.RepeatedCompositeFieldContainer[PoolEntry]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    search_time: _timestamp_pb2.Timestamp
    durability: _type_pb2.Durability
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., search_id: _Optional[str] = ..., query: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., fingerprint: _Optional[str] = ..., pool: _Optional[_Iterable[_Union[PoolEntry, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., search_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

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
    salience: _containers.RepeatedCompositeFieldContainer[Salience]
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, salience: _Optional[_Iterable[_Union[Salience, _Mapping]]] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Salience(_message.Message):
    __slots__ = ("memory_id", "salience", "prior", "log_odds", "evidence_for", "evidence_against", "event_count", "last_retrieved")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FOR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_AGAINST_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    salience: float
    prior: float
    log_odds: float
    evidence_for: float
    evidence_against: float
    event_count: int
    last_retrieved: _timestamp_pb2.Timestamp
    def __init__(self, memory_id: _Optional[str] = ..., salience: _Optional[float] = ..., prior: _Optional[float] = ..., log_odds: _Optional[float] = ..., evidence_for: _Optional[float] = ..., evidence_against: _Optional[float] = ..., event_count: _Optional[int] = ..., last_retrieved: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
