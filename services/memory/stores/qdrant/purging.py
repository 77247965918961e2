"""Has a Qdrant server take deleted points out of its segments sooner than it would."""

from __future__ import annotations

import asyncio

from qdrant_client import AsyncQdrantClient, models

_EAGER = (0.0, 100)
"""Share of deleted points above which a segment is built anew, and the fewest points of such a segment that the server accepts."""
_DEFAULT = (0.2, 1000)
"""The server's own, for a collection that a purge left eager because the server went away in its course."""
_INTERVAL_S = 0.5
_LONGEST_S = 300.0


async def purge(client: AsyncQdrantClient, collection: str, *, settle_s: float) -> None:
    """Makes the server's optimizer eager until it has nothing left to do, at most a few minutes, then puts its settings back.

    Segments of fewer than 100 points stay as they are, and so does the server's log: it tells nobody when they go.

    Args:
        client: The client of the server.
        collection: The collection.
        settle_s: Seconds within which the server has begun; it deletes old segments only at a flush.
    """
    found = (await client.get_collection(collection)).config.optimizer_config
    kept = (found.deleted_threshold or 0.0, found.vacuum_min_vector_number or 0)
    await _set(client, collection, _EAGER)
    try:
        await asyncio.sleep(settle_s)
        await _until_idle(client, collection)
    finally:
        await _set(client, collection, _DEFAULT if kept == _EAGER else kept)


async def _set(client: AsyncQdrantClient, collection: str, thresholds: tuple[float, int]) -> None:
    share, count = thresholds
    await client.update_collection(
        collection, optimizers_config=models.OptimizersConfigDiff(deleted_threshold=share, vacuum_min_vector_number=count)
    )


async def _until_idle(client: AsyncQdrantClient, collection: str) -> None:
    for _ in range(round(_LONGEST_S / _INTERVAL_S)):
        if (await client.get_collection(collection)).status is models.CollectionStatus.GREEN:
            return
        await asyncio.sleep(_INTERVAL_S)
