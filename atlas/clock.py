"""Time as an argument: a seam with the system's clock and one that tests move."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells what time it is."""

    def now(self) -> datetime:
        """Returns the wall-clock time in UTC, which may jump."""
        ...

    def monotonic(self) -> float:
        """Returns seconds since some fixed moment; never runs backwards."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Returns the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns seconds of the system's monotonic clock."""
        return time.monotonic()


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Starts at `start` (time zone required) with a monotonic time of 0."""
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Returns the time it was set to, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Returns the seconds it was advanced by."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward by `seconds`, 0 or more."""
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}; time does not run backwards")
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Moves the wall clock alone, in either direction, as a clock correction does."""
        self._now += timedelta(seconds=seconds)
