"""Counts searches: how long their stages take, and what they had to do without."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from .answers import Answer
from .timings import StageTime

_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class SearchMetrics:
    """Metrics of answered searches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers them with `registry`."""
        self._stage = Histogram(
            "atlas_gateway_stage_seconds", "Time of each stage of a search.", ["stage"], registry=registry, buckets=_BUCKETS_S
        )
        self._degraded = Counter(
            "atlas_gateway_degraded_total", "Stages that did not do their part of a search.", ["stage", "reason"], registry=registry
        )
        self._unwritten = Counter(
            "atlas_gateway_salience_unwritten_total", "Searches whose salience could not be written.", ["reason"], registry=registry
        )

    def count(self, answer: Answer, stages: Iterable[StageTime]) -> None:
        """Counts one answered search."""
        for stage in stages:
            self._stage.labels(stage.stage).observe(stage.wall_s)
        for item in answer.degraded:
            self._degraded.labels(item.stage, item.reason).inc()
        if answer.salience_write.error is not None:
            self._unwritten.labels(answer.salience_write.error.reason).inc()
