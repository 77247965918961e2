"""What an operator asks of generations: begin, verify, switch, take back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, DeadlineError, DependencyDownError
from atlas.type.v1 import type_pb2

from ..clients.generations import GenerationClient, Generations, Started
from ..embedders import Embedders, Encoder
from ..memories import Scope
from .switching import Switcher

EMBEDDER_AWAY = "EMBEDDER_AWAY"
"""The embedder that a request names does not answer; the services themselves do."""


@dataclass(frozen=True, slots=True)
class MigrationOrder:
    """A checked request to begin a migration."""

    collection: str
    embedder_address: str
    truncation: int
    """Number of the `Truncation`."""
    request_id: str


class Migrations:
    """Begins and ends migrations; the driver does the work."""

    def __init__(self, generations: GenerationClient, embedders: Embedders, switcher: Switcher, *, wake: Callable[[], None]) -> None:
        """Calls `wake` whenever there is something to do for the driver."""
        self.generations = generations
        """Memory's generations."""
        self._embedders = embedders
        self._switcher = switcher
        self._wake = wake

    async def start(self, scope: Scope, order: MigrationOrder, *, deadline: Deadline) -> Started:
        """Begins a migration to the space of an embedder.

        Raises:
            DependencyDownError: That embedder does not answer.
            AtlasError: Memory refuses.
        """
        encoder = await self._embedder(order.embedder_address, deadline)
        found = await self.generations.generations(scope, order.collection, deadline=deadline)
        started = await self.generations.start(
            scope,
            order.collection,
            encoder.model.dense_space,
            embedder_address=order.embedder_address,
            source_embedder_address=await self._address_of(found.serving.fingerprint, found.serving.embedder_address, deadline),
            truncation=order.truncation,
            request_id=order.request_id,
            deadline=deadline,
        )
        self._wake()
        return started

    async def switch(self, scope: Scope, collection: str, *, force: bool, deadline: Deadline) -> tuple[type_pb2.Operation, Generations]:
        """Lets the filled generation serve."""
        return await self._switcher.switch(scope, collection, force=force, deadline=deadline)

    async def roll_back(
        self, scope: Scope, collection: str, *, embedder_address: str, request_id: str, deadline: Deadline
    ) -> tuple[type_pb2.Operation, Generations]:
        """Begins to go back to the generation before; done at once if it lacks nothing."""
        rolled_back = await self.generations.roll_back(
            scope, collection, embedder_address=embedder_address, request_id=request_id, deadline=deadline
        )
        self._wake()
        return rolled_back

    async def _embedder(self, address: str, deadline: Deadline) -> Encoder:
        try:
            return await self._embedders.at(address, deadline=deadline)
        except (DependencyDownError, DeadlineError) as error:
            raise type(error)(
                f"the embedder at {address} does not answer the gateway ({error.message}): start it there, or name the address at which the"
                " gateway reaches it; nothing was begun",
                reason=EMBEDDER_AWAY,
                field="embedder_address",
                retry_after_ms=error.retry_after_ms,
                embedder_address=address,
            ) from error

    async def _address_of(self, fingerprint: str, address: str, deadline: Deadline) -> str:
        if address:
            return address
        try:
            own = await self._embedders.primary(deadline=deadline)
        except AtlasError:
            return ""  # away; a rollback then needs to be told where it is
        return self._embedders.address if own.model.fingerprint == fingerprint else ""
