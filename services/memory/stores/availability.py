"""Whether a store's engine answers, and how long calls wait for it."""

from __future__ import annotations

import asyncio

from atlas.errors import DependencyDownError

from ..store import StoreState

RETRY_AFTER_MS = 500
"""What callers are told to wait once a restart took longer than they could."""


class Availability:
    """The state of an engine; opened and shut by whoever supervises it."""

    def __init__(self, *, wait_s: float) -> None:
        """Starts as RESTARTING; `wait_s` is the longest that a call waits for SERVING."""
        self._wait_s = wait_s
        self._state = StoreState.RESTARTING
        self._serving = asyncio.Event()

    @property
    def state(self) -> StoreState:
        """The state now."""
        return self._state

    def become(self, state: StoreState) -> None:
        """Changes the state; SERVING lets waiting calls go on."""
        self._state = state
        if state is StoreState.SERVING:
            self._serving.set()
        else:
            self._serving.clear()

    async def serving(self, *, timeout_s: float | None) -> None:
        """Returns as soon as the engine serves.

        Args:
            timeout_s: What the caller can wait; never more than the limit set at construction.

        Raises:
            DependencyDownError: It did not come back in time.
        """
        if self._serving.is_set():
            return
        wait_s = self._wait_s if timeout_s is None else min(timeout_s, self._wait_s)
        try:
            async with asyncio.timeout(wait_s):
                await self._serving.wait()
        except TimeoutError:
            raise DependencyDownError(
                f"the vector engine is {self._state.value} and did not come back within {wait_s * 1000:.0f} ms",
                reason="ENGINE_DOWN",
                retry_after_ms=RETRY_AFTER_MS,
                state=self._state.value,
                wait_ms=round(wait_s * 1000),
            ) from None
