"""Gives every call an id that travels through all parts and their logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

from atlas import logs

from .call import Call, Context, Proceed

REQUEST_ID_KEY = "x-request-id"
"""Metadata key of the id, in requests and in the trailers of replies."""

_ALLOWED = re.compile(r"[\x21-\x7e]{1,128}")


def _random_id() -> str:
    return uuid4().hex


class RequestId:
    """Takes the caller's id, or makes one, and returns it in the trailers."""

    def __init__(self, new_id: Callable[[], str] = _random_id) -> None:
        """Makes ids with `new_id` for calls that bring none, or one that is no 1 to 128 visible ASCII characters."""
        self._new_id = new_id

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Sets the id for the logs of this call and for the calls that it makes."""
        request_id = _given(call.context) or self._new_id()
        logs.request_id.set(request_id)
        call.context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        return await proceed(call)


def _given(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _ALLOWED.fullmatch(value):
            return value
    return None
