"""Deadlines as values: how much time a call has left, and what part of it a step may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from .errors import DeadlineError

_current: ContextVar[Deadline] = ContextVar("atlas_deadline")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which work is worth nothing."""

    at_s: float
    """The moment, in seconds of `monotonic`."""
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    """The clock that `at_s` belongs to."""

    @classmethod
    def after(cls, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> Deadline:
        """Returns the deadline that is `seconds` away; 0 or less has already passed."""
        return cls(monotonic() + seconds, monotonic)

    @property
    def remaining_s(self) -> float:
        """Seconds left; 0 when it has passed."""
        return max(0.0, self.at_s - self.monotonic())

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return self.at_s <= self.monotonic()

    def child(self, *, reserve_s: float = 0.0, cap_s: float | None = None) -> Deadline:
        """Returns the deadline of a step of this work.

        Args:
            reserve_s: Time kept back for what comes after the step.
            cap_s: Most time that the step may take, whatever is left.
        """
        at_s = self.at_s - reserve_s
        if cap_s is not None:
            at_s = min(at_s, self.monotonic() + cap_s)
        return Deadline(at_s, self.monotonic)

    def check(self, doing: str) -> None:
        """Refuses to begin a step too late.

        Args:
            doing: The step, as it follows "the deadline passed before …".

        Raises:
            DeadlineError: The deadline has passed.
        """
        if self.expired:
            raise DeadlineError(f"the deadline passed before {doing}", step=doing)


def current() -> Deadline:
    """Returns the deadline of the call that is being served.

    Raises:
        LookupError: No call is being served here.
    """
    return _current.get()


def set_current(deadline: Deadline) -> None:
    """Makes `deadline` that of the current task and of the tasks it starts."""
    _current.set(deadline)


def passed(*, within_s: float = 0.0) -> bool:
    """Returns whether a call is being served whose deadline has passed, or will within `within_s`."""
    deadline = _current.get(None)
    return deadline is not None and deadline.remaining_s <= within_s
