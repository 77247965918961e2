from atlas.type.v1 import salience_pb2 as _salience_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSalienceRequest(_message.Message):
    __slots__ = ("memory_ids",)
    MEMORY_IDS_FIELD_NUMBER: _ClassVar[int]
    memory_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, memory_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSalienceResponse(_message.Message):
    __slots__ = ("salience", "missing_ids")
    SALIENCE_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    salience: _containers.RepeatedCompositeFieldContainer[_salience_pb2.Salience]
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, salience: _Optional[_Iterable[_Union[_salience_pb2.Salience, _Mapping]]] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainSalienceRequest(_message.Message):
    __slots__ = ("memory_id",)
    MEMORY_ID_FIELD_NUMBER: _ClassVar[int]
    memory_id: str
    def __init__(self, memory_id: _Optional[str] = ...) -> None: ...

class ExplainSalienceResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: _salience_pb2.SalienceExplanation
    def __init__(self, explanation: _Optional[_Union[_salience_pb2.SalienceExplanation, _Mapping]] = ...) -> None: ...

class RevokeEventsRequest(_message.Message):
    __slots__ = ("selector", "dry_run", "request_id")
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    selector: _salience_pb2.EventSelector
    dry_run: bool
    request_id: str
    def __init__(self, selector: _Optional[_Union[_salience_pb2.EventSelector, _Mapping]] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeEventsResponse(_message.Message):
    __slots__ = ("revocation",)
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    revocation: _salience_pb2.Revocation
    def __init__(self, revocation: _Optional[_Union[_salience_pb2.Revocation, _Mapping]] = ...) -> None: ...

class RebuildSalienceRequest(_message.Message):
    __slots__ = ("recalibrate",)
    RECALIBRATE_FIELD_NUMBER: _ClassVar[int]
    recalibrate: bool
    def __init__(self, recalibrate: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("verify",)
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    verify: bool
    def __init__(self, verify: _Optional[bool] = ...) -> None: ...

class GetStateDigestResponse(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: _salience_pb2.StateDigest
    def __init__(self, digest: _Optional[_Union[_salience_pb2.StateDigest, _Mapping]] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("selection", "request_id")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    selection: _salience_pb2.ErasureSelection
    request_id: str
    def __init__(self, selection: _Optional[_Union[_salience_pb2.ErasureSelection, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _salience_pb2.ErasureReceipt
    def __init__(self, receipt: _Optional[_Union[_salience_pb2.ErasureReceipt, _Mapping]] = ...) -> None: ...
