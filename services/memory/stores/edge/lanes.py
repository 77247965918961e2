"""The order in which questions go to the engine: reads before writes, but writes not never."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

READS_BEFORE_A_WRITE = 16
"""Most reads in a row that may pass a waiting write."""


class Lane(Enum):
    """What kind of question one is."""

    READ = "read"
    WRITE = "write"


class Lanes(Generic[T]):
    """Two queues, each in its order."""

    def __init__(self) -> None:
        """Starts empty."""
        self._queues: dict[Lane, deque[T]] = {lane: deque() for lane in Lane}
        self._passed = 0

    def put(self, lane: Lane, item: T) -> None:
        """Appends an item."""
        self._queues[lane].append(item)

    def take(self) -> T | None:
        """Removes and returns the next item: a read, unless a write has waited for long enough."""
        reads, writes = self._queues[Lane.READ], self._queues[Lane.WRITE]
        if reads and not (writes and self._passed >= READS_BEFORE_A_WRITE):
            self._passed = self._passed + 1 if writes else 0
            return reads.popleft()
        self._passed = 0
        return writes.popleft() if writes else None
