"""A line of the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from .ground import Ground, Request

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABORTED = grpc.StatusCode.ABORTED
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


@dataclass(frozen=True)
class Refusal:
    """A bad request and what it gets."""

    name: str
    request: Request | Callable[[Ground], Request]
    field: str
    """Path in `BadRequest`."""
    mentions: tuple[str, ...]
    """What the message says, value and limit; `{…}` stands for a value of the ground."""
    code: grpc.StatusCode


def refused(
    name: str, request: Request | Callable[[Ground], Request], field: str, *mentions: str, code: grpc.StatusCode = INVALID
) -> Refusal:
    return Refusal(name, request, field, mentions, code)
