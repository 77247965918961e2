"""Bounds the writes that are under way, by their size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from atlas.errors import OverloadedError

MAX_BYTES = 256 * 1024 * 1024
"""Most bytes of requests that wait, are journalled or are applied: about 100,000 memories."""
RETRY_AFTER_MS = 200
"""What a refused caller is told to wait: a few groups of writes."""


class Admission:
    """Counts the bytes of writes from their arrival to their acknowledgement."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Admits writes of `max_bytes` in all; one that is larger alone is still admitted when nothing else is under way."""
        self._max_bytes = max_bytes
        self._bytes = 0

    @contextmanager
    def admitted(self, size_bytes: int) -> Iterator[None]:
        """Counts a write for the length of the block.

        Raises:
            OverloadedError: There is no room for it now.
        """
        if self._bytes and self._bytes + size_bytes > self._max_bytes:
            raise OverloadedError(
                f"writes of {self._bytes} bytes are under way; {size_bytes} more would be above the limit of {self._max_bytes}",
                retry_after_ms=RETRY_AFTER_MS,
                waiting_bytes=self._bytes,
                size_bytes=size_bytes,
                max_bytes=self._max_bytes,
            )
        self._bytes += size_bytes
        try:
            yield
        finally:
            self._bytes -= size_bytes
