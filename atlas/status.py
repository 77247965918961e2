"""The one table between errors and gRPC statuses, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from .errors import (
    AtlasError,
    ConflictError,
    DeadlineError,
    DependencyDownError,
    DiskFullError,
    InvalidInputError,
    ModelFaultError,
    NotFoundError,
    OverloadedError,
    SchemaMismatchError,
    UnsupportedError,
)

DOMAIN = "atlas"
"""`ErrorInfo.domain` of every error of ours."""
DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata key of the serialised `google.rpc.Status`."""

_CODES: dict[type[AtlasError], grpc.StatusCode] = {
    InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ConflictError: grpc.StatusCode.ABORTED,
    SchemaMismatchError: grpc.StatusCode.FAILED_PRECONDITION,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DiskFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    DependencyDownError: grpc.StatusCode.UNAVAILABLE,
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    ModelFaultError: grpc.StatusCode.INTERNAL,
    AtlasError: grpc.StatusCode.INTERNAL,
}
_CODE_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_CLASS_BY_CODE: dict[grpc.StatusCode, type[AtlasError]] = {
    **{code: kind for kind, code in reversed(_CODES.items())},
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.INTERNAL: AtlasError,
    # A server that stops cancels what is still running: for the caller it went away.
    grpc.StatusCode.CANCELLED: DependencyDownError,
}
_CLASS_BY_REASON: dict[tuple[grpc.StatusCode, str], type[AtlasError]] = {
    (_CODES[kind], kind.default_reason): kind for kind in (DiskFullError, ModelFaultError)
}

# Peers refuse trailers above 8 KiB, and the message travels twice, once percent-encoded (three
# bytes for one): the limits keep the worst case below that.
_MAX_MESSAGE_BYTES = 1024
_MAX_VALUE_BYTES = 160
_MAX_VALUES_BYTES = 1024


def code_of(error: AtlasError) -> grpc.StatusCode:
    """Returns the status code of an error's class or of its nearest ancestor in the table."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def to_status(error: AtlasError) -> Status:
    """Returns the status with `ErrorInfo` and, where they apply, `BadRequest` and `RetryInfo`.

    Long texts are cut, so that the whole fits into the trailers of a reply.
    """
    message = _shortened(error.message, _MAX_MESSAGE_BYTES)
    status = Status(code=code_of(error).value[0], message=message)
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(_metadata(error.values)))
    status.details.add().Pack(info)
    if error.field is not None:
        violation = BadRequest.FieldViolation(
            field=_shortened(error.field, _MAX_VALUE_BYTES),
            description=_shortened(error.message, _MAX_VALUE_BYTES),
        )
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    if error.retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


def from_status(status: Status) -> AtlasError:
    """Returns the error that a status of an ATLAS part stands for."""
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        for message in (info, bad_request, retry):
            detail.Unpack(message)
    code = _CODE_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    kind = _CLASS_BY_REASON.get((code, info.reason)) or _CLASS_BY_CODE.get(code, AtlasError)
    error = kind(status.message, reason=info.reason or _reason_of(kind, code))
    error.values = dict(info.metadata)
    if bad_request.field_violations:
        error.field = bad_request.field_violations[0].field
    if retry.HasField("retry_delay"):
        error.retry_after_ms = retry.retry_delay.ToMilliseconds()
    return error


def from_rpc_error(error: grpc.aio.AioRpcError) -> AtlasError:
    """Returns the error that a failed call stands for, with reason, field, values and retry delay."""
    details = next(_values_of(error.trailing_metadata() or (), DETAILS_KEY), None)
    if details is not None:
        try:
            status = Status.FromString(details)
        except DecodeError:
            status = Status()  # not ours: code and text of the call are all there is
        if status.code == error.code().value[0]:
            return from_status(status)
    text = error.details() or ""
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text:
        # gRPC's own refusal carries no details; trying again cannot help.
        return InvalidInputError(text, reason="MESSAGE_TOO_LARGE")
    return from_status(Status(code=error.code().value[0], message=text or error.code().name))


def _reason_of(kind: type[AtlasError], code: grpc.StatusCode) -> str:
    return code.name if kind is AtlasError else kind.default_reason


def _values_of(metadata: Iterable[tuple[str, str | bytes]], key: str) -> Iterator[bytes]:
    for name, value in metadata:
        if name == key and isinstance(value, bytes):
            yield value


def _metadata(values: dict[str, object]) -> Iterator[tuple[str, str]]:
    left = _MAX_VALUES_BYTES
    for name, value in values.items():
        text = _shortened(str(value), min(_MAX_VALUE_BYTES, max(0, left)))
        left -= len(name) + len(text.encode())
        yield name, text


def _shortened(text: str, max_bytes: int) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    return encoded[: max(0, max_bytes - 3)].decode(errors="ignore") + "…"
