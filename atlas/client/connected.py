"""What every group of the client's calls stands on: one channel, its stubs, and the time that a call may take."""

from __future__ import annotations

import grpc.aio

from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.gateway.v1 import administration_pb2, gateway_pb2, gateway_pb2_grpc, ledger_pb2, ledger_pb2_grpc

_SERVICES = (
    gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
    ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name,
    administration_pb2.DESCRIPTOR.services_by_name["AdministrationService"].full_name,
)


class Connected:
    """One channel to one gateway."""

    def __init__(self, server: str, *, timeout_s: float) -> None:
        """Connects on the first call."""
        self._timeout_s = timeout_s
        self._channel = open_channel(server, service_names=_SERVICES, retry=True)
        self._stub = gateway_pb2_grpc.GatewayServiceStub(self._channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(self._channel)

    @property
    def channel(self) -> grpc.aio.Channel:
        """What further groups of calls go over."""
        return self._channel

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline.after(self._timeout_s if timeout_s is None else timeout_s)
