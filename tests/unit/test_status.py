"""The table between errors and statuses, in both directions."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from atlas.errors import (
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
from atlas.status import DETAILS_KEY, code_of, from_rpc_error, from_status, to_status

TABLE = {
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


def rpc_error(code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, bytes], ...] = ()) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_each_error_has_one_code_and_comes_back_as_itself(kind: type[AtlasError]) -> None:
    error = kind("k is 0; 1 is needed", field="k", retry_after_ms=1250, k=0)
    assert code_of(error) is TABLE[kind]
    back = from_status(to_status(error))
    assert type(back) is kind
    assert (back.message, back.reason, back.field, back.retry_after_ms) == (error.message, error.reason, "k", 1250)
    assert back.values == {"k": "0"}


def test_a_reason_of_its_own_survives() -> None:
    assert from_status(to_status(ConflictError("no", reason="REPLAY_DIFFERS"))).reason == "REPLAY_DIFFERS"


def test_a_subclass_takes_the_code_of_its_parent() -> None:
    class LateError(DeadlineError):
        pass

    assert code_of(LateError("late")) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_details_of_a_failed_call_are_read_from_its_trailers() -> None:
    status = to_status(DiskFullError("12 bytes are free; 99 are needed", free_bytes=12))
    error = from_rpc_error(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, status.message, ((DETAILS_KEY, status.SerializeToString()),)))
    assert type(error) is DiskFullError
    assert error.values == {"free_bytes": "12"}


@pytest.mark.parametrize("trailers", [(), ((DETAILS_KEY, b"\xff\xff"),), ((DETAILS_KEY, Status(code=3).SerializeToString()),)])
def test_a_failed_call_without_usable_details_is_told_by_its_code(trailers: tuple[tuple[str, bytes], ...]) -> None:
    error = from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, "connection refused", trailers))
    assert type(error) is DependencyDownError
    assert (error.message, error.reason) == ("connection refused", "DEPENDENCY_DOWN")


def test_a_call_that_a_stopping_server_cancelled_means_that_the_part_is_away() -> None:
    assert type(from_rpc_error(rpc_error(grpc.StatusCode.CANCELLED, "gone"))) is DependencyDownError


def test_a_code_that_we_do_not_use_is_a_failure_named_after_it() -> None:
    error = from_rpc_error(rpc_error(grpc.StatusCode.DATA_LOSS, ""))
    assert (type(error), error.reason, error.message) == (AtlasError, "DATA_LOSS", "DATA_LOSS")


def test_a_message_that_grpc_finds_too_large_is_no_overload() -> None:
    error = from_rpc_error(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)"))
    assert (type(error), error.reason) == (InvalidInputError, "MESSAGE_TOO_LARGE")


@pytest.mark.parametrize("text", ["x" * 1_000_000, "é" * 1_000_000, "漢" * 1_000_000, "\ud800" * 1_000_000])
def test_long_texts_are_cut_so_that_the_trailers_stay_below_eight_kib(text: str) -> None:
    error = InvalidInputError(text, field=text, **{f"value_{number}": text for number in range(20)})
    status = to_status(error)
    percent_encoded = 3 * len(status.message.encode())
    base64_encoded = 4 * len(status.SerializeToString()) / 3
    assert percent_encoded + base64_encoded < 8 * 1024 - 300


def test_only_the_length_of_values_is_cut() -> None:
    info = ErrorInfo()
    to_status(NotFoundError("no", name="n" * 500, count=3)).details[0].Unpack(info)
    assert info.metadata["name"].endswith("n…")
    assert info.metadata["count"] == "3"
