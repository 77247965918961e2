"""What becomes of work in another thread, for a caller on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Outcome(Generic[T]):
    """A result on its way from a thread to the event loop that waits for it.

    `concurrent.futures.Future` and asyncio's wrapper around it do the same with a lock, a condition and three callbacks, which together
    cost as much as the read of a few rows. Its method names are theirs.
    """

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        """Made on the event loop."""
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        """What the caller awaits."""

    def set_running_or_notify_cancel(self) -> bool:
        """Says whether anybody still waits; to be asked before the work begins."""
        return not self.future.cancelled()

    def set_result(self, result: T) -> None:
        """Sends a result from any thread."""
        self._send(self._set_result, result)

    def set_exception(self, error: BaseException) -> None:
        """Sends an error from any thread."""
        self._send(self._set_exception, error)

    def _send(self, settle: Callable[[Any], None], value: object) -> None:
        # A loop that has ended has nobody who waits.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle, value)

    def _set_result(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _set_exception(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
