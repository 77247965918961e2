"""Ends streams of requests when the server goes away: what was read is still answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from atlas.errors import DependencyDownError

from .call import Call, Proceed


class Drain:
    """Lets no stream of requests hold up the end of the server."""

    def __init__(self) -> None:
        """Starts in the state in which streams are served."""
        self._draining = asyncio.Event()

    def begin(self) -> None:
        """Ends the reading of all streams of requests, open ones and new ones."""
        self._draining.set()

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves the call; to the handler, a drained stream looks as if the caller had finished.

        Raises:
            DependencyDownError: The stream was cut; what is unanswered has to be sent again.
        """
        if isinstance(call.request, bytes):
            return await proceed(call)
        drained = asyncio.ensure_future(self._draining.wait())
        call.request = requests = _Requests(call.request, drained)
        try:
            reply = await proceed(call)
        finally:
            drained.cancel()
        if requests.cut:
            raise DependencyDownError("the server is shutting down", reason="DRAINING", retry_after_ms=1000)
        return reply


class _Requests(AsyncIterator[bytes]):
    def __init__(self, requests: AsyncIterable[bytes], drained: asyncio.Future[Any]) -> None:
        self._requests = aiter(requests)
        self._drained = drained
        self.cut = False

    async def __anext__(self) -> bytes:
        read = asyncio.ensure_future(_next(self._requests))
        try:
            await asyncio.wait((read, self._drained), return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                request = read.result()
                if request is not None:
                    return request
            else:
                self.cut = True
            raise StopAsyncIteration
        finally:
            read.cancel()


async def _next(requests: AsyncIterator[bytes]) -> bytes | None:
    # None instead of StopAsyncIteration, which a task cannot raise.
    return await anext(requests, None)
