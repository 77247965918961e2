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

class GenerationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERATION_STATE_UNSPECIFIED: _ClassVar[GenerationState]
    GENERATION_STATE_ACTIVE: _ClassVar[GenerationState]
    GENERATION_STATE_BUILDING: _ClassVar[GenerationState]
    GENERATION_STATE_RETIRED: _ClassVar[GenerationState]
GENERATION_STATE_UNSPECIFIED: GenerationState
GENERATION_STATE_ACTIVE: GenerationState
GENERATION_STATE_BUILDING: GenerationState
GENERATION_STATE_RETIRED: GenerationState

class Generation(_message.Message):
    __slots__ = ("generation", "spaces", "state", "create_time", "embedder_address", "due_count", "change_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: str
    spaces: _containers.RepeatedCompositeFieldContainer[_type_pb2.VectorSpace]
    state: GenerationState
    create_time: _timestamp_pb2.Timestamp
    embedder_address: str
    due_count: int
    change_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[str] = ..., spaces: _Optional[_Iterable[_Union[_type_pb2.VectorSpace, _Mapping]]] = ..., state: _Optional[_Union[GenerationState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., embedder_address: _Optional[str] = ..., due_count: _Optional[int] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "in_search_all", "generation", "memory_count", "create_time", "languages", "other_generations", "operation")
    class LanguagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    IN_SEARCH_ALL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    OTHER_GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    in_search_all: bool
    generation: Generation
    memory_count: int
    create_time: _timestamp_pb2.Timestamp
    languages: _containers.ScalarMap[str, int]
    other_generations: _containers.RepeatedCompositeFieldContainer[Generation]
    operation: _type_pb2.Operation
    def __init__(self, name: _Optional[str] = ..., in_search_all: _Optional[bool] = ..., generation: _Optional[_Union[Generation, _Mapping]] = ..., memory_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., languages: _Optional[_Mapping[str, int]] = ..., other_generations: _Optional[_Iterable[_Union[Generation, _Mapping]]] = ..., operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("scope", "collection", "spaces", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    collection: Collection
    spaces: _containers.RepeatedCompositeFieldContainer[_type_pb2.VectorSpace]
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., collection: _Optional[_Union[Collection, _Mapping]] = ..., spaces: _Optional[_Iterable[_Union[_type_pb2.VectorSpace, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("collection", "created")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    created: bool
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class GetCollectionRequest(_message.Message):
    __slots__ = ("scope", "name")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class GetCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ("scope", "page_size", "page_token")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    page_size: int
    page_token: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections", "next_page_token")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    next_page_token: str
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("scope", "name", "confirm_name", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    confirm_name: str
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., confirm_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ("memory_count",)
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    def __init__(self, memory_count: _Optional[int] = ...) -> None: ...

class StartMigrationRequest(_message.Message):
    __slots__ = ("scope", "name", "space", "embedder_address", "source_embedder_address", "truncation", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    space: _type_pb2.VectorSpace
    embedder_address: str
    source_embedder_address: str
    truncation: _type_pb2.Truncation
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., space: _Optional[_Union[_type_pb2.VectorSpace, _Mapping]] = ..., embedder_address: _Optional[str] = ..., source_embedder_address: _Optional[str] = ..., truncation: _Optional[_Union[_type_pb2.Truncation, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StartMigrationResponse(_message.Message):
    __slots__ = ("operation", "generation", "created")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    generation: Generation
    created: bool
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ..., generation: _Optional[_Union[Generation, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class VerifyMigrationRequest(_message.Message):
    __slots__ = ("scope", "name", "sample_count")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    sample_count: int
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., sample_count: _Optional[int] = ...) -> None: ...

class VerifyMigrationResponse(_message.Message):
    __slots__ = ("verified", "source", "target", "memory_count", "source_count", "target_count", "due_count", "sample_count", "sample_recall", "neighbour_overlap", "findings")
    VERIFIED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TARGET_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RECALL_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOUR_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    verified: bool
    source: Generation
    target: Generation
    memory_count: int
    source_count: int
    target_count: int
    due_count: int
    sample_count: int
    sample_recall: float
    neighbour_overlap: float
    findings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, verified: _Optional[bool] = ..., source: _Optional[_Union[Generation, _Mapping]] = ..., target: _Optional[_Union[Generation, _Mapping]] = ..., memory_count: _Optional[int] = ..., source_count: _Optional[int] = ..., target_count: _Optional[int] = ..., due_count: _Optional[int] = ..., sample_count: _Optional[int] = ..., sample_recall: _Optional[float] = ..., neighbour_overlap: _Optional[float] = ..., findings: _Optional[_Iterable[str]] = ...) -> None: ...

class SwitchGenerationRequest(_message.Message):
    __slots__ = ("scope", "name", "force")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    force: bool
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class SwitchGenerationResponse(_message.Message):
    __slots__ = ("collection", "operation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    operation: _type_pb2.Operation
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ..., operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class RollbackGenerationRequest(_message.Message):
    __slots__ = ("scope", "name", "embedder_address", "request_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    embedder_address: str
    request_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., embedder_address: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RollbackGenerationResponse(_message.Message):
    __slots__ = ("operation", "collection")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    collection: Collection
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ..., collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class DeleteGenerationRequest(_message.Message):
    __slots__ = ("scope", "name", "generation")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    name: str
    generation: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., name: _Optional[str] = ..., generation: _Optional[str] = ...) -> None: ...

class DeleteGenerationResponse(_message.Message):
    __slots__ = ("memory_count",)
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    def __init__(self, memory_count: _Optional[int] = ...) -> None: ...
