"""Counts and times every call."""

from __future__ import annotations

import time
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .call import Call, Proceed

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RpcMetrics:
    """Keeps `atlas_rpc_requests_total`, `atlas_rpc_duration_seconds` and `atlas_rpc_in_flight`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers the metrics with `registry`, which must not have them yet."""
        names = ("service", "method")
        self._requests = Counter("atlas_rpc_requests_total", "Calls that ended.", (*names, "code"), registry=registry)
        self._duration = Histogram(
            "atlas_rpc_duration_seconds", "Time from first to last byte of a call.", names, registry=registry, buckets=_BUCKETS_S
        )
        self._in_flight = Gauge("atlas_rpc_in_flight", "Calls being served now.", names, registry=registry)
        # Finding a series by its labels costs more than counting; there are as many as RPCs and codes.
        self._of = cache(self._series)
        self._ended = cache(self._requests.labels)

    async def __call__(self, call: Call, proceed: Proceed) -> bytes | None:
        """Serves the call and counts it, however it ends."""
        began_s = time.perf_counter()
        in_flight, duration = self._of(call.service, call.method)
        in_flight.inc()
        try:
            return await proceed(call)
        finally:
            in_flight.dec()
            self._ended(call.service, call.method, call.code.name).inc()
            duration.observe(time.perf_counter() - began_s)

    def _series(self, service: str, method: str) -> tuple[Gauge, Histogram]:
        return self._in_flight.labels(service, method), self._duration.labels(service, method)
