"""Lets writes to a collection wait for a moment, so that the last vectors before a switch can be made. Nothing is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class WriteHolds:
    """Holds on collections; each ends by itself, so that a gateway that dies holds nobody up for long."""

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._held: dict[tuple[str, str], asyncio.Event] = {}

    def hold(self, tenant: str, collection: str, *, hold_s: float) -> None:
        """Lets writes wait from now on, for at most `hold_s` seconds."""
        key = (tenant, collection)
        self.release(tenant, collection)
        ended = self._held[key] = asyncio.Event()
        asyncio.get_running_loop().call_later(hold_s, self._end, key, ended)

    def release(self, tenant: str, collection: str) -> None:
        """Lets the writes go on."""
        ended = self._held.pop((tenant, collection), None)
        if ended is not None:
            ended.set()

    async def passed(self, tenant: str, collections: Iterable[str]) -> None:
        """Returns once none of the collections is held."""
        if not self._held:
            return
        for collection in collections:
            ended = self._held.get((tenant, collection))
            if ended is not None:
                await ended.wait()

    def _end(self, key: tuple[str, str], ended: asyncio.Event) -> None:
        if self._held.get(key) is ended:
            del self._held[key]
        ended.set()
