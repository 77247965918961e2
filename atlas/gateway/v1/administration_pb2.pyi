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

class GenerationRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERATION_ROLE_UNSPECIFIED: _ClassVar[GenerationRole]
    GENERATION_ROLE_ACTIVE: _ClassVar[GenerationRole]
    GENERATION_ROLE_BUILDING: _ClassVar[GenerationRole]
    GENERATION_ROLE_RETIRED: _ClassVar[GenerationRole]
GENERATION_ROLE_UNSPECIFIED: GenerationRole
GENERATION_ROLE_ACTIVE: GenerationRole
GENERATION_ROLE_BUILDING: GenerationRole
GENERATION_ROLE_RETIRED: GenerationRole

class Generation(_message.Message):
    __slots__ = ("generation", "role", "dense_fingerprint", "dimension", "embedder_address", "due_count", "create_time", "change_time")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DENSE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    generation: str
    role: GenerationRole
    dense_fingerprint: str
    dimension: int
    embedder_address: str
    due_count: int
    create_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    def __init__(self, generation: _Optional[str] = ..., role: _Optional[_Union[GenerationRole, str]] = ..., dense_fingerprint: _Optional[str] = ..., dimension: _Optional[int] = ..., embedder_address: _Optional[str] = ..., due_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StartMigrationRequest(_message.Message):
    __slots__ = ("collection", "embedder_address", "truncation", "request_id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    embedder_address: str
    truncation: _type_pb2.Truncation
    request_id: str
    def __init__(self, collection: _Optional[str] = ..., embedder_address: _Optional[str] = ..., truncation: _Optional[_Union[_type_pb2.Truncation, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("collection", "sample_count")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    sample_count: int
    def __init__(self, collection: _Optional[str] = ..., sample_count: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("collection", "force")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    force: bool
    def __init__(self, collection: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class SwitchGenerationResponse(_message.Message):
    __slots__ = ("generation", "operation")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    generation: Generation
    operation: _type_pb2.Operation
    def __init__(self, generation: _Optional[_Union[Generation, _Mapping]] = ..., operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class RollbackGenerationRequest(_message.Message):
    __slots__ = ("collection", "embedder_address", "request_id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    embedder_address: str
    request_id: str
    def __init__(self, collection: _Optional[str] = ..., embedder_address: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RollbackGenerationResponse(_message.Message):
    __slots__ = ("operation", "generation")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    generation: Generation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ..., generation: _Optional[_Union[Generation, _Mapping]] = ...) -> None: ...

class ListGenerationsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class ListGenerationsResponse(_message.Message):
    __slots__ = ("generations",)
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    generations: _containers.RepeatedCompositeFieldContainer[Generation]
    def __init__(self, generations: _Optional[_Iterable[_Union[Generation, _Mapping]]] = ...) -> None: ...

class DeleteGenerationRequest(_message.Message):
    __slots__ = ("collection", "generation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    generation: str
    def __init__(self, collection: _Optional[str] = ..., generation: _Optional[str] = ...) -> None: ...

class DeleteGenerationResponse(_message.Message):
    __slots__ = ("memory_count",)
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    memory_count: int
    def __init__(self, memory_count: _Optional[int] = ...) -> None: ...

class MoveSourceRequest(_message.Message):
    __slots__ = ("collection", "from_source", "to_source", "request_id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FROM_SOURCE_FIELD_NUMBER: _ClassVar[int]
    TO_SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    from_source: str
    to_source: str
    request_id: str
    def __init__(self, collection: _Optional[str] = ..., from_source: _Optional[str] = ..., to_source: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MoveSourceResponse(_message.Message):
    __slots__ = ("source_count", "memory_count")
    SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    source_count: int
    memory_count: int
    def __init__(self, source_count: _Optional[int] = ..., memory_count: _Optional[int] = ...) -> None: ...

class GetOperationRequest(_message.Message):
    __slots__ = ("operation_id",)
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    def __init__(self, operation_id: _Optional[str] = ...) -> None: ...

class GetOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListOperationsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOperationsResponse(_message.Message):
    __slots__ = ("operations", "next_page_token")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[_type_pb2.Operation]
    next_page_token: str
    def __init__(self, operations: _Optional[_Iterable[_Union[_type_pb2.Operation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelOperationRequest(_message.Message):
    __slots__ = ("operation_id",)
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    def __init__(self, operation_id: _Optional[str] = ...) -> None: ...

class CancelOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("snapshot_id", "create_time", "atlas_version", "schema_version", "size_bytes", "memory_count", "dense_fingerprints", "digest")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ATLAS_VERSION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    DENSE_FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    create_time: _timestamp_pb2.Timestamp
    atlas_version: str
    schema_version: int
    size_bytes: int
    memory_count: int
    dense_fingerprints: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    def __init__(self, snapshot_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., atlas_version: _Optional[str] = ..., schema_version: _Optional[int] = ..., size_bytes: _Optional[int] = ..., memory_count: _Optional[int] = ..., dense_fingerprints: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ...) -> None: ...

class CreateSnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateSnapshotResponse(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...) -> None: ...

class ListSnapshotsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ...) -> None: ...

class DeleteSnapshotRequest(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class DeleteSnapshotResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DownloadSnapshotRequest(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...

class DownloadSnapshotResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class UploadSnapshotRequest(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class UploadSnapshotResponse(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...) -> None: ...

class RestoreSnapshotRequest(_message.Message):
    __slots__ = ("snapshot_id", "replace", "any_fingerprint")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    ANY_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    replace: bool
    any_fingerprint: bool
    def __init__(self, snapshot_id: _Optional[str] = ..., replace: _Optional[bool] = ..., any_fingerprint: _Optional[bool] = ...) -> None: ...

class RestoreSnapshotResponse(_message.Message):
    __slots__ = ("snapshot", "checked_query_count")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CHECKED_QUERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    checked_query_count: int
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., checked_query_count: _Optional[int] = ...) -> None: ...
