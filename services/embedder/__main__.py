"""Runs the embedder."""

from __future__ import annotations

from atlas.embedder.v1 import embedder_pb2 as pb
from atlas.embedder.v1 import embedder_pb2_grpc as rpc
from atlas.logs import configure_logs
from atlas.metrics import new_registry
from atlas.server import Registration, run, serving

from .backends import open_backend
from .service import EmbedderService
from .settings import EmbedderSettings


async def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    settings = EmbedderSettings.load()
    configure_logs(settings.log_level, settings.log_format)
    registry = new_registry()
    async with open_backend(settings, registry) as backend:
        service = EmbedderService(backend, settings)
        services = [Registration.of(pb.DESCRIPTOR, "EmbedderService", rpc.add_EmbedderServiceServicer_to_server, service)]
        async with serving(settings, services, readiness=backend.warm_up, registry=registry) as server:
            await server.until_signal()


if __name__ == "__main__":
    run(main, computes=True)
