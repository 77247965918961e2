import datetime

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
    EVENT_KIND_USED: _ClassVar[EventKind]
    EVENT_KIND_EXPLICIT: _ClassVar[EventKind]
    EVENT_KIND_OUTCOME: _ClassVar[EventKind]
    EVENT_KIND_PIN: _ClassVar[EventKind]

class SourceClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_CLASS_UNSPECIFIED: _ClassVar[SourceClass]
    SOURCE_CLASS_USER: _ClassVar[SourceClass]
    SOURCE_CLASS_ASSISTANT: _ClassVar[SourceClass]
    SOURCE_CLASS_SYSTEM: _ClassVar[SourceClass]

class SalienceChannel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SALIENCE_CHANNEL_UNSPECIFIED: _ClassVar[SalienceChannel]
    SALIENCE_CHANNEL_PASSIVE: _ClassVar[SalienceChannel]
    SALIENCE_CHANNEL_OUTSIDE: _ClassVar[SalienceChannel]

class ErasureState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERASURE_STATE_UNSPECIFIED: _ClassVar[ErasureState]
    ERASURE_STATE_DONE: _ClassVar[ErasureState]
    ERASURE_STATE_PENDING: _ClassVar[ErasureState]
    ERASURE_STATE_LEFT_TO_SERVER: _ClassVar[ErasureState]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_RERANK: EventKind
EVENT_KIND_USED: EventKind
EVENT_KIND_EXPLICIT: EventKind
EVENT_KIND_OUTCOME: EventKind
EVENT_KIND_PIN: EventKind
SOURCE_CLASS_UNSPECIFIED: SourceClass
SOURCE_CLASS_USER: SourceClass
SOURCE_CLASS_ASSISTANT: SourceClass
SOURCE_CLASS_SYSTEM: SourceClass
SALIENCE_CHANNEL_UNSPECIFIED: SalienceChannel
SALIENCE_CHANNEL_PASSIVE: SalienceChannel
SALIENCE_CHANNEL_OUTSIDE: SalienceChannel
ERASURE_STATE_UNSPECIFIED: ErasureState
ERASURE_STATE_DONE: ErasureState
ERASURE_STATE_PENDING: ErasureState
ERASURE_STATE_LEFT_TO_SERVER: ErasureState

class Caller(_message.Message):
    __slots__ = ("principal", "source_class")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CLASS_FIELD_NUMBER: _ClassVar[int]
    principal: str
    source_class: SourceClass
    def __init__(self, principal: _Optional[str] = ..., source_class: _Optional[_Union[SourceClass, str]] = ...) -> None: ...

class ChannelSalience(_message.Message):
    __slots__ = ("channel", "mean", "prior", "log_odds", "evidence_for", "evidence_against", "event_count")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FOR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_AGAINST_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    channel: SalienceChannel
    mean: float
    prior: float
    log_odds: float
    evidence_for: float
    evidence_against: float
    event_count: int
    def __init__(self, channel: _Optional[_Union[SalienceChannel, str]] = ..., mean: _Optional[float] = ..., prior: _Optional[float] = ..., log_odds: _Optional[float] = ..., evidence_for: _Optional[float] = ..., evidence_against: _Optional[float] = ..., event_count: _Optional[int] = ...) -> None: ...

class Salience(_message.Message):
    __slots__ = ("memory_id", "salience", "prior", "log_odds", "outside_log_odds", "channels", "pinned", "event_count", "last_retrieved")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    salience: float
    prior: float
    log_odds: float
    outside_log_odds: float
    channels: _containers.RepeatedCompositeFieldContainer[ChannelSalience]
    pinned: bool
    event_count: int
    last_retrieved: _timestamp_pb2.Timestamp
    def __init__(self, memory_id: _Optional[str] = ..., salience: _Optional[float] = ..., prior: _Optional[float] = ..., log_odds: _Optional[float] = ..., outside_log_odds: _Optional[float] = ..., channels: _Optional[_Iterable[_Union[ChannelSalience, _Mapping]]] = ..., pinned: _Optional[bool] = ..., event_count: _Optional[int] = ..., last_retrieved: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BucketEvidence(_message.Message):
    __slots__ = ("channel", "bucket", "fingerprint", "evidence_for", "evidence_against", "share", "event_count")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FOR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_AGAINST_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    channel: SalienceChannel
    bucket: int
    fingerprint: str
    evidence_for: float
    evidence_against: float
    share: float
    event_count: int
    def __init__(self, channel: _Optional[_Union[SalienceChannel, str]] = ..., bucket: _Optional[int] = ..., fingerprint: _Optional[str] = ..., evidence_for: _Optional[float] = ..., evidence_against: _Optional[float] = ..., share: _Optional[float] = ..., event_count: _Optional[int] = ...) -> None: ...

class LedgerEvent(_message.Message):
    __slots__ = ("search_id", "memory_id", "kind", "value", "weight", "decay", "raw_score", "calibration_version", "caller", "event_time", "revoked")
    SEARCH_ID_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    search_id: str
    memory_id: str
    kind: EventKind
    value: float
    weight: float
    decay: float
    raw_score: float
    calibration_version: str
    caller: Caller
    event_time: _timestamp_pb2.Timestamp
    revoked: bool
    def __init__(self, search_id: _Optional[str] = ..., memory_id: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., value: _Optional[float] = ..., weight: _Optional[float] = ..., decay: _Optional[float] = ..., raw_score: _Optional[float] = ..., calibration_version: _Optional[str] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked: _Optional[bool] = ...) -> None: ...

class SalienceExplanation(_message.Message):
    __slots__ = ("salience", "buckets", "events", "checkpointed_count", "rule")
    class RuleEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    salience: Salience
    buckets: _containers.RepeatedCompositeFieldContainer[BucketEvidence]
    events: _containers.RepeatedCompositeFieldContainer[LedgerEvent]
    checkpointed_count: int
    rule: _containers.ScalarMap[str, float]
    def __init__(self, salience: _Optional[_Union[Salience, _Mapping]] = ..., buckets: _Optional[_Iterable[_Union[BucketEvidence, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[LedgerEvent, _Mapping]]] = ..., checkpointed_count: _Optional[int] = ..., rule: _Optional[_Mapping[str, float]] = ...) -> None: ...

class EventSelector(_message.Message):
    __slots__ = ("principals", "source_classes", "search_ids", "memory_ids", "kinds", "begin_time", "end_time")
    PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CLASSES_FIELD_NUMBER: _ClassVar[int]
    SEARCH_IDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    principals: _containers.RepeatedScalarFieldContainer[str]
    source_classes: _containers.RepeatedScalarFieldContainer[SourceClass]
    search_ids: _containers.RepeatedScalarFieldContainer[str]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    begin_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, principals: _Optional[_Iterable[str]] = ..., source_classes: _Optional[_Iterable[_Union[SourceClass, str]]] = ..., search_ids: _Optional[_Iterable[str]] = ..., memory_ids: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("event_count", "checkpointed_count", "memory_count", "changes")
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    checkpointed_count: int
    memory_count: int
    changes: _containers.RepeatedCompositeFieldContainer[SalienceChange]
    def __init__(self, event_count: _Optional[int] = ..., checkpointed_count: _Optional[int] = ..., memory_count: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[SalienceChange, _Mapping]]] = ...) -> None: ...

class SalienceChange(_message.Message):
    __slots__ = ("memory_id", "old_log_odds", "new_log_odds")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    OLD_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    NEW_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    old_log_odds: float
    new_log_odds: float
    def __init__(self, memory_id: _Optional[str] = ..., old_log_odds: _Optional[float] = ..., new_log_odds: _Optional[float] = ...) -> None: ...

class StateDigest(_message.Message):
    __slots__ = ("memory_sha256", "ledger_sha256", "state_sha256", "impression_sha256", "memory_count", "event_count", "state_count", "impression_count", "consistent")
    MEMORY_SHA256_FIELD_NUMBER: _ClassVar[int]
    LEDGER_SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_SHA256_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONSISTENT_FIELD_NUMBER: _ClassVar[int]
    memory_sha256: str
    ledger_sha256: str
    state_sha256: str
    impression_sha256: str
    memory_count: int
    event_count: int
    state_count: int
    impression_count: int
    consistent: bool
    def __init__(self, memory_sha256: _Optional[str] = ..., ledger_sha256: _Optional[str] = ..., state_sha256: _Optional[str] = ..., impression_sha256: _Optional[str] = ..., memory_count: _Optional[int] = ..., event_count: _Optional[int] = ..., state_count: _Optional[int] = ..., impression_count: _Optional[int] = ..., consistent: _Optional[bool] = ...) -> None: ...

class ErasureSelection(_message.Message):
    __slots__ = ("ids", "source", "principal", "domain")
    class Ids(_message.Message):
        __slots__ = ("memory_ids",)
        MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
        memory_ids: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...
    class Source(_message.Message):
        __slots__ = ("collection", "source")
        COLLECTION_FIELD_NUMBER: _ClassVar[int]
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        collection: str
        source: str
        def __init__(self, collection: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...
    IDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    ids: ErasureSelection.Ids
    source: ErasureSelection.Source
    principal: str
    domain: str
    def __init__(self, ids: _Optional[_Union[ErasureSelection.Ids, _Mapping]] = ..., source: _Optional[_Union[ErasureSelection.Source, _Mapping]] = ..., principal: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class ErasureReceipt(_message.Message):
    __slots__ = ("receipt_id", "erase_time", "memory_count", "event_count", "checkpoint_count", "impression_count", "replay_count", "cached_passage_count", "verified", "state", "clear_time", "copy_count")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_COUNT_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPLAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CACHED_PASSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_TIME_FIELD_NUMBER: _ClassVar[int]
    COPY_COUNT_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    erase_time: _timestamp_pb2.Timestamp
    memory_count: int
    event_count: int
    checkpoint_count: int
    impression_count: int
    replay_count: int
    cached_passage_count: int
    verified: bool
    state: ErasureState
    clear_time: _timestamp_pb2.Timestamp
    copy_count: int
    def __init__(self, receipt_id: _Optional[str] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., memory_count: _Optional[int] = ..., event_count: _Optional[int] = ..., checkpoint_count: _Optional[int] = ..., impression_count: _Optional[int] = ..., replay_count: _Optional[int] = ..., cached_passage_count: _Optional[int] = ..., verified: _Optional[bool] = ..., state: _Optional[_Union[ErasureState, str]] = ..., clear_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., copy_count: _Optional[int] = ...) -> None: ...
