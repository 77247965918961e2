"""Turns what a handler raises into one status with its details."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn
from uuid import uuid4

import grpc
import grpc.aio

from atlas import deadlines
from atlas.errors import AtlasError
from atlas.status import DETAILS_KEY, code_of, to_status

from .call import Call, Proceed

_logger = logging.getLogger(__name__)
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _random_id() -> str:
    return uuid4().hex


class Errors:
    """Answers with the status of an `AtlasError`, or with INTERNAL and an incident id for anything else."""

    def __init__(self, new_incident_id: Callable[[], str] = _random_id) -> None:
        """Names incidents with `new_incident_id`."""
        self._new_incident_id = new_incident_id

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves the call; a failure stays a failure."""
        try:
            return await proceed(call)
        except asyncio.CancelledError:
            call.code = _cancelled_code()
            raise
        except grpc.aio.AbortError:
            # Health and reflection speak gRPC themselves.
            call.code = _CODES.get(_number(call.context.code()), grpc.StatusCode.UNKNOWN)
            raise
        except AtlasError as error:
            if code_of(error) is grpc.StatusCode.INTERNAL:
                _logger.exception("call failed", extra={"method": call.method, "reason": error.reason})
            await _refuse(call, error)
        # The one place that catches everything: what nobody expected must not show its text to the caller.
        except Exception:
            incident_id = self._new_incident_id()
            _logger.exception("call failed unexpectedly", extra={"method": call.method, "incident_id": incident_id})
            await _refuse(call, AtlasError(f"an internal error occurred; incident {incident_id}", incident_id=incident_id))


async def _refuse(call: Call, error: AtlasError) -> NoReturn:
    call.code, call.reason = code_of(error), error.reason
    status = to_status(error)
    trailers = (*(call.context.trailing_metadata() or ()), (DETAILS_KEY, status.SerializeToString()))
    await call.context.abort(call.code, status.message, trailers)


def _cancelled_code() -> grpc.StatusCode:
    # gRPC's timer may be a little ahead of our clock.
    if deadlines.passed(within_s=0.005):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _number(code: object) -> int:
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(str(code))
