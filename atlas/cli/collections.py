"""`atlas collections`: lists the collections."""

from __future__ import annotations

import asyncio

from atlas.client import Collection

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import print_json, print_table


def collections(server: ServerOption = DEFAULT_SERVER, timeout_s: TimeoutOption = 10.0, as_json: JsonOption = False) -> int:
    """Lists the collections with their sizes and vector spaces."""
    found = asyncio.run(_collections(server, timeout_s))
    if as_json:
        print_json(found)
        return ExitStatus.OK
    rows = [
        (
            item.name,
            item.memory_count,
            "yes" if item.in_search_all else "no",
            item.create_time.date().isoformat() if item.create_time else "",
            item.fingerprints.get("dense", ""),
        )
        for item in found
    ]
    print_table(("collection", "memories", "in search all", "created", "dense space"), rows, right=("memories",))
    return ExitStatus.OK


async def _collections(server: str, timeout_s: float) -> tuple[Collection, ...]:
    async with connect(server, timeout_s) as client:
        return await client.collections()
