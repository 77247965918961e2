"""Prometheus metrics of a micro-batcher."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .lanes import BatchObserver, Lane

_TOKEN_BUCKETS = (16, 32, 64, 128, 256, 512, 1024, 2048)
_ITEM_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class BatchMetrics(BatchObserver):
    """Counts what a micro-batcher does as `atlas_<part>_…`, by lane."""

    def __init__(self, registry: CollectorRegistry, part: str) -> None:
        """Registers the metrics of `part`, such as `embedder`."""
        prefix, labels = f"atlas_{part}", ("lane",)
        self._queued = Gauge(f"{prefix}_queued_tokens", "Tokens that wait for a worker.", labels, registry=registry)
        self._tokens = Histogram(f"{prefix}_batch_tokens", "Tokens of a batch.", labels, buckets=_TOKEN_BUCKETS, registry=registry)
        self._items = Histogram(f"{prefix}_batch_items", "Items of a batch.", labels, buckets=_ITEM_BUCKETS, registry=registry)
        self._seconds = Histogram(f"{prefix}_batch_seconds", "Time of a batch.", labels, buckets=_SECONDS_BUCKETS, registry=registry)
        self._refused = Counter(f"{prefix}_refused", "Calls that found the queue full.", labels, registry=registry)
        self._dropped = Counter(f"{prefix}_dropped_items", "Items dropped before they cost compute.", labels, registry=registry)

    def queued(self, lane: Lane, token_count: int) -> None:
        """Sets the gauge of waiting tokens."""
        self._queued.labels(lane.value).set(token_count)

    def computed(self, lane: Lane, item_count: int, token_count: int, seconds: float) -> None:
        """Adds a batch to the histograms."""
        self._tokens.labels(lane.value).observe(token_count)
        self._items.labels(lane.value).observe(item_count)
        self._seconds.labels(lane.value).observe(seconds)

    def refused(self, lane: Lane) -> None:
        """Counts a refused call."""
        self._refused.labels(lane.value).inc()

    def dropped(self, lane: Lane, item_count: int) -> None:
        """Counts dropped items."""
        self._dropped.labels(lane.value).inc(item_count)
