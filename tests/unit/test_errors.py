"""The error tree."""

from __future__ import annotations

import pickle

from atlas.errors import AtlasError, DiskFullError, InvalidInputError, StartupError


def test_an_error_carries_message_reason_field_values_and_delay() -> None:
    error = InvalidInputError("k is 0; 1 to 5 are allowed", reason="K", field="k", retry_after_ms=7, k=0, max_k=5)
    assert str(error) == error.message == "k is 0; 1 to 5 are allowed"
    assert (error.reason, error.field, error.retry_after_ms) == ("K", "k", 7)
    assert error.values == {"k": 0, "max_k": 5}


def test_an_error_without_reason_has_that_of_its_class() -> None:
    assert DiskFullError("full").reason == "DISK_FULL"
    assert AtlasError("odd").reason == "INTERNAL"


def test_every_class_has_a_reason_of_its_own() -> None:
    reasons = [kind.default_reason for kind in (AtlasError, *AtlasError.__subclasses__())]
    assert len(set(reasons)) == len(reasons) == 11


def test_an_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(InvalidInputError("no", field="k", k=0)))
    assert (type(error), error.message, error.field, error.values) == (InvalidInputError, "no", "k", {"k": 0})


def test_a_failed_start_is_no_answer_to_a_caller() -> None:
    assert not issubclass(StartupError, AtlasError)
