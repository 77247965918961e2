"""Brings the files of a folder to disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..persistence.syncing import sync


class Durable:
    """Syncs what is new in a folder whose files are written once and never changed."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder; the first `sync` takes all of its files."""
        self._folder = folder
        self._synced: set[Path] = set()

    def sync(self) -> None:
        """Syncs files that came since the last call, then the folders that name them; blocks while the disk works."""
        found: set[Path] = set()
        for base, _, names in os.walk(self._folder):
            fresh = {Path(base, name) for name in names} - self._synced
            for path in fresh:
                with contextlib.suppress(FileNotFoundError):  # a compaction has deleted it meanwhile
                    sync(path)
            if fresh or Path(base) not in self._synced:
                with contextlib.suppress(FileNotFoundError):
                    sync(Path(base))
            found.update((Path(base), *(Path(base, name) for name in names)))
        self._synced = found
