"""Metrics of a micro-batcher."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from atlas.batch_metrics import BatchMetrics
from atlas.lanes import Lane


def test_what_a_batcher_does_is_counted_by_lane() -> None:
    registry = CollectorRegistry()
    metrics = BatchMetrics(registry, "embedder")
    metrics.queued(Lane.BULK, 300)
    metrics.computed(Lane.INTERACTIVE, 2, 24, 0.003)
    metrics.refused(Lane.BULK)
    metrics.dropped(Lane.INTERACTIVE, 5)
    assert registry.get_sample_value("atlas_embedder_queued_tokens", {"lane": "bulk"}) == 300
    assert registry.get_sample_value("atlas_embedder_batch_tokens_sum", {"lane": "interactive"}) == 24
    assert registry.get_sample_value("atlas_embedder_batch_items_count", {"lane": "interactive"}) == 1
    assert registry.get_sample_value("atlas_embedder_batch_seconds_sum", {"lane": "interactive"}) == 0.003
    assert registry.get_sample_value("atlas_embedder_refused_total", {"lane": "bulk"}) == 1
    assert registry.get_sample_value("atlas_embedder_dropped_items_total", {"lane": "interactive"}) == 5
