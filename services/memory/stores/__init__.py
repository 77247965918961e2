"""Memory's vector stores behind one seam."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..store import Store
from .settings import StoreSettings

__all__ = ["StoreSettings", "open_store"]


@asynccontextmanager
async def open_store(settings: StoreSettings, *, data_dir: Path) -> AsyncIterator[Store]:
    """Opens the store that `settings.store` names; it is closed with the context.

    Args:
        settings: Which store, and how it is run.
        data_dir: The data folder; the qdrant store keeps nothing in it.

    Raises:
        StartupError: The engine or server does not answer, is too old, or is in use.
    """
    match settings.store:
        case "edge":
            from .edge import open_edge_store

            async with open_edge_store(settings, data_dir) as edge:
                yield edge
        case "qdrant":
            from .qdrant import open_qdrant_store

            async with open_qdrant_store(settings) as qdrant:
                yield qdrant
        case "lancedb":
            from .lancedb import open_lance_store

            async with open_lance_store(data_dir) as lance:
                yield lance
