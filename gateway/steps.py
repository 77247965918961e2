"""How the calls of a write spend time: within one deadline, or patiently for bulk work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_base, wait_random_exponential

from atlas.deadlines import Deadline
from atlas.errors import DependencyDownError, OverloadedError

T = TypeVar("T")

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0


class Steps(Protocol):
    """Runs the calls of a write one by one."""

    async def run(self, step: Callable[[Deadline], Awaitable[T]]) -> T:
        """Runs one call, which gets its deadline."""
        ...


class WithinDeadline:
    """All calls share the caller's deadline; each is made once."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    async def run(self, step: Callable[[Deadline], Awaitable[T]]) -> T:
        """Runs one call."""
        return await step(self._deadline)


class Patiently:
    """Each call has a deadline of its own, and waits while its part is busy or comes back.

    gRPC does not repeat what is overloaded, nor wait for a part that restarts; bulk work has the time.
    """

    def __init__(self, *, step_s: float, patience_s: float) -> None:
        """Sets the limits.

        Args:
            step_s: Deadline of each attempt, in seconds.
            patience_s: How long a call is tried anew, in seconds; 0 means once.
        """
        self._step_s = step_s
        self._patience_s = patience_s

    async def run(self, step: Callable[[Deadline], Awaitable[T]]) -> T:
        """Runs one call until it succeeds, fails for good, or patience ends."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((OverloadedError, DependencyDownError)),
            stop=stop_after_delay(self._patience_s),
            wait=_AsAsked(),
            reraise=True,
        )

        async def attempt() -> T:
            return await step(Deadline.after(self._step_s))

        return await retrying(attempt)


class _AsAsked(wait_base):
    """Waits as long as the part asked for, else a little longer each time."""

    def __init__(self) -> None:
        self._growing = wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S)

    def __call__(self, retry_state: RetryCallState) -> float:
        growing = self._growing(retry_state)
        error = None if retry_state.outcome is None else retry_state.outcome.exception()
        asked_ms = error.retry_after_ms if isinstance(error, OverloadedError | DependencyDownError) else None
        return max(growing, min((asked_ms or 0) / 1_000, _LONGEST_WAIT_S))
