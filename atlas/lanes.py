"""The two lanes of a model service, their bounds, and who is told of what happens in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Lane(Enum):
    """Queue that a call waits in; the value labels metrics."""

    INTERACTIVE = "interactive"
    """Somebody waits: before bulk work."""

    BULK = "bulk"
    """Ingestion: uses what interactive work leaves."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of a `MicroBatcher`."""

    max_batch_tokens: int = 1024
    """Most tokens of one batch, padding counted; a single longer item is still computed."""
    min_batch_tokens: int = 256
    """Interactive work is spread over all workers, but not into batches smaller than this."""
    max_queue_tokens: int = 16_384
    """Most tokens that wait in one lane; a call that finds its lane empty is always taken."""
    max_bulk_wait_ms: int = 1_000
    """Bulk work that has waited this long is computed before interactive work, one batch at a time."""
    interactive_hold_ms: int = 250
    """After interactive work, bulk work leaves a worker free for this long."""


class BatchObserver:
    """Is told what a `MicroBatcher` does; this one ignores it."""

    def queued(self, lane: Lane, token_count: int) -> None:
        """Tells how many tokens wait in a lane now."""

    def computed(self, lane: Lane, item_count: int, token_count: int, seconds: float) -> None:
        """Tells of a finished batch."""

    def refused(self, lane: Lane) -> None:
        """Tells of a call that found the queue full."""

    def dropped(self, lane: Lane, item_count: int) -> None:
        """Tells of items whose caller left or whose deadline passed before they cost compute."""
