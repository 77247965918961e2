"""Brings files and folders to disk. Blocks while the disk works."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Brings a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(home: Path) -> None:
    """Brings every file and folder below `home`, and `home` itself, to disk."""
    for path in sorted(home.rglob("*"), reverse=True):
        sync(path)
    sync(home)
