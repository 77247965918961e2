"""Opens the files of an index, also as a power loss leaves them."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import qdrant_edge as edge

from atlas.errors import AtlasError

_EMPTY = "empty.json"
"""Names the files below a shard that the engine wrote without a byte: the index of a field that no point has."""

logger = logging.getLogger(__name__)


def load(home: Path) -> edge.EdgeShard:
    """Opens the engine's files in `home`.

    The engine makes files that its flush does not bring to disk. On those that a power loss left without a byte it fails, some when it
    loads, some only when it writes to them. A file that it has made has bytes from the start, but for those of a build (`note_empty`);
    whatever else has none was never synced, so it holds nothing that a flush vouched for: without it, the engine opens as of its last
    flush, and what came later is in the journal.

    Raises:
        AtlasError: They cannot be opened.
    """
    empty = _empty(home) - _noted(home)
    for path in empty:
        path.unlink()
    if empty:
        logger.warning("removed files of the engine that a power loss left empty", extra={"folder": home.parent.name, "count": len(empty)})
    return _loaded(home)


def note_empty(home: Path) -> None:
    """Notes which files of a closed shard are empty by right; to be called at the end of a build, before all of it is brought to disk.

    Without it the engine would read every payload at each start, to make those files again.
    """
    (home / _EMPTY).write_bytes(msgspec.json.encode(sorted(str(path.relative_to(home)) for path in _empty(home))))


def _empty(home: Path) -> set[Path]:
    return {path for path in home.rglob("*") if path.is_file() and path.stat().st_size == 0}


def _noted(home: Path) -> set[Path]:
    try:
        names = msgspec.json.decode((home / _EMPTY).read_bytes(), type=list[str])
    except (FileNotFoundError, msgspec.DecodeError):
        # Not built, or itself lost: then all that is empty is made again.
        return set()
    return {home / name for name in names}


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
