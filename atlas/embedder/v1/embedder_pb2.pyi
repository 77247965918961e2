from atlas.type.v1 import type_pb2 as _type_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Output(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_UNSPECIFIED: _ClassVar[Output]
    OUTPUT_DENSE: _ClassVar[Output]
    OUTPUT_TOKENS: _ClassVar[Output]
    OUTPUT_SPARSE: _ClassVar[Output]

class Lane(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANE_UNSPECIFIED: _ClassVar[Lane]
    LANE_INTERACTIVE: _ClassVar[Lane]
    LANE_BULK: _ClassVar[Lane]
OUTPUT_UNSPECIFIED: Output
OUTPUT_DENSE: Output
OUTPUT_TOKENS: Output
OUTPUT_SPARSE: Output
LANE_UNSPECIFIED: Lane
LANE_INTERACTIVE: Lane
LANE_BULK: Lane

class GetModelInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelInfoResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _type_pb2.ModelInfo
    def __init__(self, model: _Optional[_Union[_type_pb2.ModelInfo, _Mapping]] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("inputs", "input_type", "truncation", "outputs", "dimension", "expected_fingerprint", "lane", "token_dtype")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_DTYPE_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[_type_pb2.Input]
    input_type: _type_pb2.InputType
    truncation: _type_pb2.Truncation
    outputs: _containers.RepeatedScalarFieldContainer[Output]
    dimension: int
    expected_fingerprint: str
    lane: Lane
    token_dtype: _type_pb2.DType
    def __init__(self, inputs: _Optional[_Iterable[_Union[_type_pb2.Input, _Mapping]]] = ..., input_type: _Optional[_Union[_type_pb2.InputType, str]] = ..., truncation: _Optional[_Union[_type_pb2.Truncation, str]] = ..., outputs: _Optional[_Iterable[_Union[Output, str]]] = ..., dimension: _Optional[int] = ..., expected_fingerprint: _Optional[str] = ..., lane: _Optional[_Union[Lane, str]] = ..., token_dtype: _Optional[_Union[_type_pb2.DType, str]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("dense", "tokens", "sparse", "reports", "fingerprint", "token_fingerprint", "timing")
    DENSE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    dense: _type_pb2.Tensor
    tokens: _type_pb2.RaggedTensor
    sparse: _type_pb2.SparseRows
    reports: _containers.RepeatedCompositeFieldContainer[InputReport]
    fingerprint: str
    token_fingerprint: str
    timing: _type_pb2.ServerTiming
    def __init__(self, dense: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ..., tokens: _Optional[_Union[_type_pb2.RaggedTensor, _Mapping]] = ..., sparse: _Optional[_Union[_type_pb2.SparseRows, _Mapping]] = ..., reports: _Optional[_Iterable[_Union[InputReport, _Mapping]]] = ..., fingerprint: _Optional[str] = ..., token_fingerprint: _Optional[str] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ...) -> None: ...

class InputReport(_message.Message):
    __slots__ = ("token_count", "used_token_count", "truncated", "fragmentation")
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    USED_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    FRAGMENTATION_FIELD_NUMBER: _ClassVar[int]
    token_count: int
    used_token_count: int
    truncated: bool
    fragmentation: float
    def __init__(self, token_count: _Optional[int] = ..., used_token_count: _Optional[int] = ..., truncated: _Optional[bool] = ..., fragmentation: _Optional[float] = ...) -> None: ...

class EmbedStreamRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: EmbedRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[EmbedRequest, _Mapping]] = ...) -> None: ...

class EmbedStreamResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: EmbedResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[EmbedResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class CountTokensRequest(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class CountTokensResponse(_message.Message):
    __slots__ = ("counts", "timing")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedCompositeFieldContainer[TokenCounts]
    timing: _type_pb2.ServerTiming
    def __init__(self, counts: _Optional[_Iterable[_Union[TokenCounts, _Mapping]]] = ..., timing: _Optional[_Union[_type_pb2.ServerTiming, _Mapping]] = ...) -> None: ...

class TokenCounts(_message.Message):
    __slots__ = ("token_count", "special_token_count", "ends")
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    token_count: int
    special_token_count: int
    ends: _type_pb2.Tensor
    def __init__(self, token_count: _Optional[int] = ..., special_token_count: _Optional[int] = ..., ends: _Optional[_Union[_type_pb2.Tensor, _Mapping]] = ...) -> None: ...
