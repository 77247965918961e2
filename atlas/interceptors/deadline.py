"""Gives every call a deadline, and refuses those that come too late."""

from __future__ import annotations

import asyncio

from atlas import deadlines
from atlas.deadlines import Deadline
from atlas.errors import DeadlineError

from .call import Call, Proceed


class CallDeadline:
    """Imposes a default and a longest deadline; Python's gRPC knows neither."""

    def __init__(self, *, default_s: float, max_s: float, max_stream_s: float) -> None:
        """Sets the limits.

        Args:
            default_s: Deadline of a call with one request whose caller set none.
            max_s: Longest deadline of a call with one request.
            max_stream_s: Longest deadline, and the default, of a call with a stream of requests.
        """
        self._default_s = default_s
        self._max_s = max_s
        self._max_stream_s = max_stream_s

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves the call within its deadline.

        Raises:
            DeadlineError: The deadline had passed before the work began, or passed during it.
        """
        asked_s = call.context.time_remaining()
        allowed_s = self._allowed_s(call, asked_s)
        deadline = Deadline.after(allowed_s)
        deadlines.set_current(deadline)
        deadline.check("the work began")
        if asked_s is not None and asked_s <= allowed_s:
            return await proceed(call)  # gRPC cancels it in time
        try:
            async with asyncio.timeout(allowed_s) as limit:
                return await proceed(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineError(f"the call took longer than the {allowed_s:g} s that this server allows", allowed_s=allowed_s) from error

    def _allowed_s(self, call: Call, asked_s: float | None) -> float:
        if call.request_streaming:
            return self._max_stream_s if asked_s is None else min(asked_s, self._max_stream_s)
        return self._default_s if asked_s is None else min(asked_s, self._max_s)
