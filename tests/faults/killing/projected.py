"""Looks into the store of a service that ended: what it holds of each memory's worth must have followed the ledger."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from atlas.memory.v1 import collection_pb2
from services.memory.catalog.collections import index_specs
from services.memory.operations import LAST_RETRIEVED_KEY
from services.memory.settings import MemorySettings
from services.memory.stores import open_store
from tests.rpc.memory_part import scope, store_settings

from ..comparison import read
from ..expected import COLLECTION, ViolationError, require
from .ground import PATIENCE_S, Ground


async def check_projected(ground: Ground) -> None:
    """Ends the service and compares; gives it more time where the store is behind, for that is written late. The callers must stand still.

    Raises:
        ViolationError: The store never says what the ledger says, or the service did not end well.
    """
    give_up = time.monotonic() + PATIENCE_S
    while True:
        stored = await ground.looked(lambda: read(ground.memory, time.time))
        request = collection_pb2.GetCollectionRequest(scope=scope(), name=COLLECTION)
        generation = (await ground.answered(ground.memory.collections.GetCollection, request)).collection.generation.generation
        told = {
            memory_id: learnt.last_retrieved.ToMicroseconds() if learnt.HasField("last_retrieved") else None
            for memory_id, learnt in stored.salience.items()
        }
        require(await ground.part.stop() == 0, "the service did not end well")
        held = await _held(ground.part.folder, generation)
        behind = {memory_id for memory_id, time_us in told.items() if held.get(memory_id) != time_us}
        if not behind:
            return
        if time.monotonic() > give_up:
            one = min(behind)
            raise ViolationError(f"the store is behind the ledger for {len(behind)} memories: {one} has {held.get(one)}, not {told[one]}")


async def _held(folder: Path, generation: str) -> dict[str, int | None]:
    """Reads when each point of a generation was last retrieved, as the store has it."""
    found: dict[str, int | None] = {}
    settings = MemorySettings(data_dir=folder, free_space_watermark_bytes=128 << 20, **store_settings())
    with closing(sqlite3.connect(folder / "memory.sqlite3")) as connection:
        specs = index_specs(connection)
    async with open_store(settings, data_dir=folder) as store:
        for spec in specs:
            await store.ensure_index(spec)
            after: str | None = None
            while True:
                page = await store.scroll(spec.name, generation, None, limit=500, after=after)
                found |= {point.memory_id: point.payload.get(LAST_RETRIEVED_KEY) for point in page.points}
                if (after := page.next) is None:
                    break
    return found
