"""Runs the reranker service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from threadpoolctl import threadpool_limits

from atlas.logs import configure_logs
from atlas.metrics import new_registry
from atlas.reranker.v1 import reranker_pb2, reranker_pb2_grpc
from atlas.server import Registration, RunningServer, run, serving

from .backends import open_backend
from .service import RerankerService
from .settings import RerankerSettings


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = RerankerSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    async with running(settings) as server:
        await server.until_signal()


@asynccontextmanager
async def running(settings: RerankerSettings) -> AsyncIterator[RunningServer]:
    """Loads the model and serves for the length of the block.

    Raises:
        StartupError: A file of the model is missing or not the pinned one, or the device cannot run it.
    """
    registry = new_registry()
    # A second thread of the linear algebra would fight with the inference streams: warm calls take twice as long.
    with threadpool_limits(limits=1, user_api="blas"):
        async with open_backend(settings, registry) as backend:
            service = RerankerService(backend, settings=settings)
            services = [
                Registration.of(
                    reranker_pb2.DESCRIPTOR, "RerankerService", reranker_pb2_grpc.add_RerankerServiceServicer_to_server, service
                )
            ]
            async with serving(settings, services, readiness=backend.warm_up, registry=registry) as server:
                yield server


if __name__ == "__main__":
    run(main, computes=True)
