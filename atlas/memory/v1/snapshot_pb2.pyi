import datetime

from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Snapshot(_message.Message):
    __slots__ = ("snapshot_id", "create_time", "atlas_version", "schema_version", "size_bytes", "memory_count", "generations", "digest")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ATLAS_VERSION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_COUNT_FIELD_NUMBER: _ClassVar[int]
    GENERATIONS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    create_time: _timestamp_pb2.Timestamp
    atlas_version: str
    schema_version: int
    size_bytes: int
    memory_count: int
    generations: _containers.RepeatedCompositeFieldContainer[SnapshotGeneration]
    digest: str
    def __init__(self, snapshot_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., atlas_version: _Optional[str] = ..., schema_version: _Optional[int] = ..., size_bytes: _Optional[int] = ..., memory_count: _Optional[int] = ..., generations: _Optional[_Iterable[_Union[SnapshotGeneration, _Mapping]]] = ..., digest: _Optional[str] = ...) -> None: ...

class SnapshotGeneration(_message.Message):
    __slots__ = ("tenant", "collection", "generation", "active", "dense_fingerprint", "lexical_fingerprint", "point_count")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    DENSE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LEXICAL_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    POINT_COUNT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    collection: str
    generation: str
    active: bool
    dense_fingerprint: str
    lexical_fingerprint: str
    point_count: int
    def __init__(self, tenant: _Optional[str] = ..., collection: _Optional[str] = ..., generation: _Optional[str] = ..., active: _Optional[bool] = ..., dense_fingerprint: _Optional[str] = ..., lexical_fingerprint: _Optional[str] = ..., point_count: _Optional[int] = ...) -> None: ...

class CreateSnapshotRequest(_message.Message):
    __slots__ = ("scope",)
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ...) -> None: ...

class CreateSnapshotResponse(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...) -> None: ...

class ListSnapshotsRequest(_message.Message):
    __slots__ = ("scope",)
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ...) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ...) -> None: ...

class DeleteSnapshotRequest(_message.Message):
    __slots__ = ("scope", "snapshot_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    snapshot_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., snapshot_id: _Optional[str] = ...) -> None: ...

class DeleteSnapshotResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DownloadSnapshotRequest(_message.Message):
    __slots__ = ("scope", "snapshot_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    snapshot_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., snapshot_id: _Optional[str] = ...) -> None: ...

class DownloadSnapshotResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class UploadSnapshotRequest(_message.Message):
    __slots__ = ("scope", "data")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    data: bytes
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadSnapshotResponse(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...) -> None: ...

class RestoreSnapshotRequest(_message.Message):
    __slots__ = ("scope", "snapshot_id", "replace", "known_fingerprints")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    snapshot_id: str
    replace: bool
    known_fingerprints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., snapshot_id: _Optional[str] = ..., replace: _Optional[bool] = ..., known_fingerprints: _Optional[_Iterable[str]] = ...) -> None: ...

class RestoreSnapshotResponse(_message.Message):
    __slots__ = ("snapshot", "checked_query_count")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CHECKED_QUERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    checked_query_count: int
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., checked_query_count: _Optional[int] = ...) -> None: ...
