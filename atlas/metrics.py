"""Metrics of a process: its registry, and the HTTP endpoint that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from .errors import StartupError


def new_registry() -> CollectorRegistry:
    """Returns a registry that already holds the process's memory, CPU, files and collections."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


@contextmanager
def metrics_endpoint(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Serves `registry` on `http://host:port/metrics` from a thread of its own.

    Args:
        registry: What to serve.
        host: Address to bind.
        port: TCP port; 0 takes a free one.

    Yields:
        The port it listens on.

    Raises:
        StartupError: The port cannot be bound.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise StartupError(f"the metrics endpoint cannot listen on {host}:{port}: {error.strerror}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
