"""Asks a part whether it serves; `python -m atlas.health HOST:PORT [SERVICE]` exits with 0 if so, else with 1."""

from __future__ import annotations

import asyncio
import sys

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthStub

from .channel import call, open_channel
from .deadlines import Deadline
from .errors import AtlasError, DependencyDownError
from .health_service import SERVICE_NAME
from .status import from_rpc_error

_PROBE_S = 3.0
_PAUSE_S = 0.05


async def check_serving(channel: grpc.aio.Channel, service_name: str = "", *, deadline: Deadline) -> bool:
    """Returns whether a service, or with an empty name the whole part, reports SERVING now.

    Raises:
        AtlasError: The part is away, does not know the service, or did not answer in time.
    """
    reply = await call(HealthStub(channel).Check, pb.HealthCheckRequest(service=service_name), deadline=deadline)
    return bool(reply.status == pb.HealthCheckResponse.SERVING)


async def wait_until_serving(channel: grpc.aio.Channel, service_name: str = "", *, deadline: Deadline) -> None:
    """Waits until a service reports SERVING; a part that is away or unknown may still come.

    Raises:
        DependencyDownError: It did not in time.
    """
    stub = HealthStub(channel)
    while not deadline.expired:
        if await _seen_serving(stub, service_name, deadline):
            return
        await asyncio.sleep(_PAUSE_S)
    raise DependencyDownError(f"{service_name or 'the server'} did not report SERVING in time", service=service_name)


async def _seen_serving(stub: HealthStub, service_name: str, deadline: Deadline) -> bool:
    request = pb.HealthCheckRequest(service=service_name)
    watch = stub.Watch(request, timeout=deadline.remaining_s, wait_for_ready=True)
    try:
        async for reply in watch:
            if reply.status == pb.HealthCheckResponse.SERVING:
                return True
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise from_rpc_error(error) from error
    finally:
        watch.cancel()
    return False


async def _probe(target: str, service_name: str) -> bool:
    async with open_channel(target, service_names=[SERVICE_NAME]) as channel:
        return await check_serving(channel, service_name, deadline=Deadline.after(_PROBE_S))


def main(arguments: list[str]) -> None:
    """Probes the part that `arguments` name, and ends the process."""
    if not 1 <= len(arguments) <= 2:
        sys.exit("usage: python -m atlas.health HOST:PORT [SERVICE]")
    target, service_name = (*arguments, "")[:2]
    try:
        serving = asyncio.run(_probe(target, service_name))
    except AtlasError as error:
        sys.exit(f"{target}: {error}")
    sys.exit(0 if serving else f"{target}: NOT_SERVING")


if __name__ == "__main__":
    main(sys.argv[1:])
