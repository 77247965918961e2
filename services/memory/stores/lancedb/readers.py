"""Counts reads, so that what they may still read is not deleted under them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Readers:
    """The reads of a store that run now."""

    def __init__(self) -> None:
        """Starts without any."""
        self._age = 0
        self._running: Counter[int] = Counter()
        self._ended = asyncio.Event()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Counts a read for the length of the block."""
        age = self._age
        self._running[age] += 1
        try:
            yield
        finally:
            self._running[age] -= 1
            self._running += Counter()  # leaves out what is zero
            self._ended.set()

    async def drained(self) -> None:
        """Returns once every read has ended that had begun before the call; later ones do not hold it up."""
        self._age += 1
        before = self._age
        while any(age < before for age in self._running):
            self._ended.clear()
            await self._ended.wait()
