import datetime

from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ForgetPassagesRequest(_message.Message):
    __slots__ = ("content_sha256s",)
    CONTENT_SHA256S_FIELD_NUMBER: _ClassVar[int]
    content_sha256s: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, content_sha256s: _Optional[_Iterable[str]] = ...) -> None: ...

class ForgetPassagesResponse(_message.Message):
    __slots__ = ("forgotten_count",)
    FORGOTTEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    forgotten_count: int
    def __init__(self, forgotten_count: _Optional[int] = ...) -> None: ...

class GetModelInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelInfoResponse(_message.Message):
    __slots__ = ("model", "score_kind", "calibration_version", "token_cache_bytes")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_KIND_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_CACHE_BYTES_FIELD_NUMBER: _ClassVar[int]
    model: _type_pb2.ModelInfo
    score_kind: _type_pb2.ScoreKind
    calibration_version: str
    token_cache_bytes: int
    def __init__(self, model: _Optional[_Union[_type_pb2.ModelInfo, _Mapping]] = ..., score_kind: _Optional[_Union[_type_pb2.ScoreKind, str]] = ..., calibration_version: _Optional[str] = ..., token_cache_bytes: _Optional[int] = ...) -> None: ...

class RerankRequest(_message.Message):
    __slots__ = ("query", "candidates", "truncation", "budget", "query_tokens", "query_fingerprint")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    QUERY_TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    query: _type_pb2.Input
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    truncation: _type_pb2.Truncation
    budget: Budget
    query_tokens: _type_pb2.Tensor
    query_fingerprint: str
    def __init__(self, query: _Optional[_Union[_type_pb2.Input, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., truncation: _Optional[_Union[_type_pb2.Truncation, str]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., query_tokens: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., query_fingerprint: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("id", "content", "tokens", "fingerprint")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: _type_pb2.Input
    tokens: _type_pb2.Tensor
    fingerprint: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[_Union[_type_pb2.Input, _Mapping]] = ..., tokens: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("max_time", "max_tokens")
    MAX_TIME_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    max_time: _duration_pb2.Duration
    max_tokens: int
    def __init__(self, max_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_tokens: _Optional[int] = ...) -> None: ...

class RerankResponse(_message.Message):
    __slots__ = ("scores", "calibration_version", "timing", "usage")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[CandidateScore]
    calibration_version: str
    timing: _type_pb2.ServerTiming
    usage: _type_pb2.Usage
    def __init__(self, scores: _Optional[_Iterable[_Union[CandidateScore, _Mapping]]] = ..., calibration_version: _Optional[str] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ..., usage: _Optional[_Union[_type_pb2.Usage, _Mapping]] = ...) -> None: ...

class CandidateScore(_message.Message):
    __slots__ = ("id", "scored", "raw_score", "score_kind", "relevance", "token_count", "truncated")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    RAW_SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORE_KIND_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    id: str
    scored: bool
    raw_score: float
    score_kind: _type_pb2.ScoreKind
    relevance: float
    token_count: int
    truncated: bool
    def __init__(self, id: _Optional[str] = ..., scored: _Optional[bool] = ..., raw_score: _Optional[float] = ..., score_kind: _Optional[_Union[_type_pb2.ScoreKind, str]] = ..., relevance: _Optional[float] = ..., token_count: _Optional[int] = ..., truncated: _Optional[bool] = ...) -> None: ...
