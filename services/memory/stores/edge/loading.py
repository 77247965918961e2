"""Opens the files of an index, also as a power loss leaves them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import qdrant_edge as edge

from atlas.errors import AtlasError

logger = logging.getLogger(__name__)


def load(home: Path) -> edge.EdgeShard:
    """Opens the engine's files in `home`.

    The engine makes files that its flush does not bring to disk. On those that a power loss left without a byte it fails, some when it
    loads, some only when it writes to them. A file that it has made has bytes from the start; whatever has none was never synced, so it
    holds nothing that a flush vouched for: without it, the engine opens as of its last flush, and what came later is in the journal.

    Raises:
        AtlasError: They cannot be opened.
    """
    empty = [path for path in home.rglob("*") if path.is_file() and path.stat().st_size == 0]
    for path in empty:
        path.unlink()
    if empty:
        logger.warning("removed files of the engine that a power loss left empty", extra={"folder": home.parent.name, "count": len(empty)})
    return _loaded(home)


def sync_tree(home: Path) -> None:
    """Brings every file and folder below `home` to disk."""
    for path in sorted(home.rglob("*"), reverse=True):
        sync(path)
    sync(home)


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _loaded(home: Path) -> edge.EdgeShard:
    try:
        return edge.EdgeShard.load(str(home))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise AtlasError(
            f"index {home.parent.name} cannot be opened ({error}): restore the data folder from a copy",
            reason="INDEX_DAMAGED",
            index=home.parent.name,
        ) from error
