import datetime

from atlas.type.v1 import type_pb2 as _type_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetOperationRequest(_message.Message):
    __slots__ = ("scope", "operation_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    operation_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., operation_id: _Optional[str] = ...) -> None: ...

class GetOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListOperationsRequest(_message.Message):
    __slots__ = ("scope", "page_size", "page_token")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    page_size: int
    page_token: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOperationsResponse(_message.Message):
    __slots__ = ("operations", "next_page_token")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[_type_pb2.Operation]
    next_page_token: str
    def __init__(self, operations: _Optional[_Iterable[_Union[_type_pb2.Operation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelOperationRequest(_message.Message):
    __slots__ = ("scope", "operation_id")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    operation_id: str
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., operation_id: _Optional[str] = ...) -> None: ...

class CancelOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...

class ClaimOperationRequest(_message.Message):
    __slots__ = ("scope", "driver", "lease")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    driver: str
    lease: _duration_pb2.Duration
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., driver: _Optional[str] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ClaimOperationResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: FillTask
    def __init__(self, task: _Optional[_Union[FillTask, _Mapping]] = ...) -> None: ...

class FillTask(_message.Message):
    __slots__ = ("operation", "collection", "embedder_address", "space", "truncation", "switch_when_filled")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    SWITCH_WHEN_FILLED_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    collection: str
    embedder_address: str
    space: _type_pb2.VectorSpace
    truncation: _type_pb2.Truncation
    switch_when_filled: bool
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ..., collection: _Optional[str] = ..., embedder_address: _Optional[str] = ..., space: _Optional[_Union[_type_pb2.VectorSpace, _Mapping]] = ..., truncation: _Optional[_Union[_type_pb2.Truncation, str]] = ..., switch_when_filled: _Optional[bool] = ...) -> None: ...

class ListDueMemoriesRequest(_message.Message):
    __slots__ = ("scope", "operation_id", "page_size", "hold_writes")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    HOLD_WRITES_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    operation_id: str
    page_size: int
    hold_writes: _duration_pb2.Duration
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., operation_id: _Optional[str] = ..., page_size: _Optional[int] = ..., hold_writes: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DueMemory(_message.Message):
    __slots__ = ("memory_id", "etag", "text")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    etag: str
    text: str
    def __init__(self, memory_id: _Optional[str] = ..., etag: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ListDueMemoriesResponse(_message.Message):
    __slots__ = ("memories", "due_count", "failed_count", "task")
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    DUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[DueMemory]
    due_count: int
    failed_count: int
    task: FillTask
    def __init__(self, memories: _Optional[_Iterable[_Union[DueMemory, _Mapping]]] = ..., due_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., task: _Optional[_Union[FillTask, _Mapping]] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("memory_id", "etag")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    etag: str
    def __init__(self, memory_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class FillFailure(_message.Message):
    __slots__ = ("memory_id", "etag", "error")
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    etag: str
    error: _status_pb2.Status
    def __init__(self, memory_id: _Optional[str] = ..., etag: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class FillGenerationRequest(_message.Message):
    __slots__ = ("scope", "operation_id", "fills", "vectors", "fingerprint", "failures")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    operation_id: str
    fills: _containers.RepeatedCompositeFieldContainer[Fill]
    vectors: _type_pb2.Tensor
    fingerprint: str
    failures: _containers.RepeatedCompositeFieldContainer[FillFailure]
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., operation_id: _Optional[str] = ..., fills: _Optional[_Iterable[_Union[Fill, _Mapping]]] = ..., vectors: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., fingerprint: _Optional[str] = ..., failures: _Optional[_Iterable[_Union[FillFailure, _Mapping]]] = ...) -> None: ...

class FillGenerationResponse(_message.Message):
    __slots__ = ("filled_count", "stale_count")
    FILLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALE_COUNT_FIELD_NUMBER: _ClassVar[int]
    filled_count: int
    stale_count: int
    def __init__(self, filled_count: _Optional[int] = ..., stale_count: _Optional[int] = ...) -> None: ...

class ReportOperationRequest(_message.Message):
    __slots__ = ("scope", "operation_id", "error", "final")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    scope: _type_pb2.Scope
    operation_id: str
    error: _status_pb2.Status
    final: bool
    def __init__(self, scope: _Optional[_Union[_type_pb2.Scope, _Mapping]] = ..., operation_id: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., final: _Optional[bool] = ...) -> None: ...

class ReportOperationResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _type_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_type_pb2.Operation, _Mapping]] = ...) -> None: ...
