from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WriteOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WRITE_OUTCOME_UNSPECIFIED: _ClassVar[WriteOutcome]
    WRITE_OUTCOME_NEW: _ClassVar[WriteOutcome]
    WRITE_OUTCOME_CHANGED: _ClassVar[WriteOutcome]
    WRITE_OUTCOME_UNCHANGED: _ClassVar[WriteOutcome]
WRITE_OUTCOME_UNSPECIFIED: WriteOutcome
WRITE_OUTCOME_NEW: WriteOutcome
WRITE_OUTCOME_CHANGED: WriteOutcome
WRITE_OUTCOME_UNCHANGED: WriteOutcome

class MemoryWrite(_message.Message):
    __slots__ = ("memory", "vectors", "if_match")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    IF_MATCH_FIELD_NUMBER: _ClassVar[int]
    memory: _type_pb2.Memory
    vectors: _containers.RepeatedCompositeFieldContainer[_type_pb2.NamedVector]
    if_match: str
    def __init__(self, memory: _Optional[_Union[_type_pb2.Memory, _Mapping]] = ..., vectors: _Optional[_Iterable[_Union[_type_pb2.NamedVector, _Mapping]]] = ..., if_match: _Optional[str] = ...) -> None: ...

class UpsertMemoriesRequest(_message.Message):
    __slots__ = ("scope", "writes", "request_id", "durability", "delete_memory_ids", "expected_last_move")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    WRITES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    DELETE_MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LAST_MOVE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    writes: _containers.RepeatedCompositeFieldContainer[MemoryWrite]
    request_id: str
    durability: _type_pb2.Durability
    delete_memory_ids: _containers.RepeatedScalarFieldContainer[str]
    expected_last_move: int
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., writes: _Optional[_Iterable[_Union[MemoryWrite, _Mapping]]] = ..., request_id: _Optional[str] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., delete_memory_ids: _Optional[_Iterable[str]] = ..., expected_last_move: _Optional[int] = ...) -> None: ...

class UpsertMemoriesResponse(_message.Message):
    __slots__ = ("results", "durability", "deleted_count", "timing")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[WriteResult]
    durability: _type_pb2.Durability
    deleted_count: int
    timing: _type_pb2.ServerTiming
    def __init__(self, results: _Optional[_Iterable[_Union[WriteResult, _Mapping]]] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ..., deleted_count: _Optional[int] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ...) -> None: ...

class WriteResult(_message.Message):
    __slots__ = ("memory_id", "outcome", "etag")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    outcome: WriteOutcome
    etag: str
    def __init__(self, memory_id: _Optional[str] = ..., outcome: _Optional[_Union[WriteOutcome, str]] = ..., etag: _Optional[str] = ...) -> None: ...

class GetMemoryRequest(_message.Message):
    __slots__ = ("scope", "memory_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    memory_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., memory_id: _Optional[str] = ...) -> None: ...

class GetMemoryResponse(_message.Message):
    __slots__ = ("memory",)
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    memory: _type_pb2.Memory
    def __init__(self, memory: _Optional[_Union[_type_pb2.Memory, _Mapping]] = ...) -> None: ...

class BatchGetMemoriesRequest(_message.Message):
    __slots__ = ("scope", "memory_ids", "without_text")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    without_text: bool
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., memory_ids: _Optional[_Iterable[str]] = ..., without_text: _Optional[bool] = ...) -> None: ...

class BatchGetMemoriesResponse(_message.Message):
    __slots__ = ("memories", "missing_ids")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_type_pb2.Memory]
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, memories: _Optional[_Iterable[_Union[_type_pb2.Memory, _Mapping]]] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMemoriesRequest(_message.Message):
    __slots__ = ("scope", "collection", "filter", "page_size", "page_token", "without_text", "resolve_sources")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TEXT_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_SOURCES_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: str
    filter: _type_pb2.Filter
    page_size: int
    page_token: str
    without_text: bool
    resolve_sources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., without_text: _Optional[bool] = ..., resolve_sources: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMemoriesResponse(_message.Message):
    __slots__ = ("memories", "next_page_token", "source_ids", "last_move")
    class SourceIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    LAST_MOVE_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[_type_pb2.Memory]
    next_page_token: str
    source_ids: _containers.ScalarMap[str, str]
    last_move: int
    def __init__(self, memories: _Optional[_Iterable[_Union[_type_pb2.Memory, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., source_ids: _Optional[_Mapping[str, str]] = ..., last_move: _Optional[int] = ...) -> None: ...

class DeleteMemoriesRequest(_message.Message):
    __slots__ = ("scope", "collection", "ids", "source", "filter", "request_id", "durability")
    class Ids(_message.Message):
        __slots__ = ("memory_ids",)
        MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
        memory_ids: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: str
    ids: DeleteMemoriesRequest.Ids
    source: str
    filter: _type_pb2.Filter
    request_id: str
    durability: _type_pb2.Durability
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[str] = ..., ids: _Optional[_Union[DeleteMemoriesRequest.Ids, _Mapping]] = ..., source: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., request_id: _Optional[str] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class DeleteMemoriesResponse(_message.Message):
    __slots__ = ("deleted_count", "durability")
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    durability: _type_pb2.Durability
    def __init__(self, deleted_count: _Optional[int] = ..., durability: _Optional[_Union[_type_pb2.Durability, str]] = ...) -> None: ...

class MoveSourceRequest(_message.Message):
    __slots__ = ("scope", "collection", "from_source", "to_source", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FROM_SOURCE_FIELD_NUMBER: _ClassVar[int]
    TO_SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: str
    from_source: str
    to_source: str
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[str] = ..., from_source: _Optional[str] = ..., to_source: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MoveSourceResponse(_message.Message):
    __slots__ = ("source_count", "memory_count")
    SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    source_count: int
    memory_count: int
    def __init__(self, source_count: _Optional[int] = ..., memory_count: _Optional[int] = ...) -> None: ...

class ResolveSourcesRequest(_message.Message):
    __slots__ = ("scope", "collection", "sources")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ...) -> None: ...

class ResolveSourcesResponse(_message.Message):
    __slots__ = ("source_ids", "last_move")
    class SourceIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    LAST_MOVE_FIELD_NUMBER: _ClassVar[int]
    source_ids: _containers.ScalarMap[str, str]
    last_move: int
    def __init__(self, source_ids: _Optional[_Mapping[str, str]] = ..., last_move: _Optional[int] = ...) -> None: ...

class CountMemoriesRequest(_message.Message):
    __slots__ = ("scope", "collection", "filter")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: str
    filter: _type_pb2.Filter
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[str] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ...) -> None: ...

class CountMemoriesResponse(_message.Message):
    __slots__ = ("memory_count",)
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    def __init__(self, memory_count: _Optional[int] = ...) -> None: ...

class QueryMemoriesRequest(_message.Message):
    __slots__ = ("scope", "collections", "text", "vectors", "query_fragmentation", "filter", "candidate_count", "salience_mode", "with_tokens", "extended_count", "explore_count", "exploration_seed")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    QUERY_FRAGMENTATION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_MODE_FIELD_NUMBER: _ClassVar[int]
    WITH_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EXTENDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXPLORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXPLORATION_SEED_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collections: _containers.RepeatedScalarFieldContainer[str]
    text: str
    vectors: _containers.RepeatedCompositeFieldContainer[_type_pb2.NamedVector]
    query_fragmentation: float
    filter: _type_pb2.Filter
    candidate_count: int
    salience_mode: _type_pb2.SalienceMode
    with_tokens: bool
    extended_count: int
    explore_count: int
    exploration_seed: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collections: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., vectors: _Optional[_Iterable[_Union[_type_pb2.NamedVector, _Mapping]]] = ..., query_fragmentation: _Optional[float] = ..., filter: _Optional[_Union[_type_pb2.Filter, _Mapping]] = ..., candidate_count: _Optional[int] = ..., salience_mode: _Optional[_Union[_type_pb2.SalienceMode, str]] = ..., with_tokens: _Optional[bool] = ..., extended_count: _Optional[int] = ..., explore_count: _Optional[int] = ..., exploration_seed: _Optional[str] = ...) -> None: ...

class QueryMemoriesResponse(_message.Message):
    __slots__ = ("candidates", "searched", "timing")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    searched: _containers.RepeatedCompositeFieldContainer[SearchedCollection]
    timing: _type_pb2.ServerTiming
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., searched: _Optional[_Iterable[_Union[SearchedCollection, _Mapping]]] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ...) -> None: ...

class SearchedCollection(_message.Message):
    __slots__ = ("collection", "generation", "memory_count", "domain_known")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_KNOWN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    generation: str
    memory_count: int
    domain_known: bool
    def __init__(self, collection: _Optional[str] = ..., generation: _Optional[str] = ..., memory_count: _Optional[int] = ..., domain_known: _Optional[bool] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("memory", "evidence", "lexical_strength", "pool_score", "pool", "pool_rank", "propensity", "tokens", "token_fingerprint", "salience_log_odds", "outside_log_odds")
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    POOL_SCORE_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POOL_RANK_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SALIENCE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    memory: _type_pb2.Memory
    evidence: _containers.RepeatedCompositeFieldContainer[_type_pb2.Evidence]
    lexical_strength: float
    pool_score: float
    pool: _type_pb2.Pool
    pool_rank: int
    propensity: float
    tokens: _type_pb2.Tensor
    token_fingerprint: str
    salience_log_odds: float
    outside_log_odds: float
    def __init__(self, memory: _Optional[_Union[_type_pb2.Memory, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[_type_pb2.Evidence, _Mapping]]] = ..., lexical_strength: _Optional[float] = ..., pool_score: _Optional[float] = ..., pool: _Optional[_Union[_type_pb2.Pool, str]] = ..., pool_rank: _Optional[int] = ..., propensity: _Optional[float] = ..., tokens: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., token_fingerprint: _Optional[str] = ..., salience_log_odds: _Optional[float] = ..., outside_log_odds: _Optional[float] = ...) -> None: ...
