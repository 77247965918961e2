"""Folders and files that hold what people remember: nobody but their owner may read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_OWNER_ALONE = 0o700
_OTHERS = 0o077


def make_private(folder: Path) -> None:
    """Makes a folder that its owner alone can enter, and its parents as usual; one that exists stays as its owner wants it."""
    folder.mkdir(mode=_OWNER_ALONE, parents=True, exist_ok=True)


def is_private(folder: Path) -> bool:
    """Says whether nobody but the owner may look into an existing folder."""
    return not folder.stat().st_mode & _OTHERS


def create_private(file: Path) -> BinaryIO:
    """Opens a file for writing, empty; if it is new, its owner alone may read it."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
