"""The watermark of free disk space below which memory refuses writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from atlas.errors import DiskFullError


class FreeSpace:
    """Looks at the disk of one folder.

    A full disk ends the engine with SIGBUS, so writes stop while there is still room.
    """

    def __init__(self, folder: Path, *, watermark_bytes: int) -> None:
        """Watches the disk that holds `folder`, which must exist."""
        self._folder = folder
        self._watermark_bytes = watermark_bytes

    def check(self) -> None:
        """Refuses to go on with a write; to be called before it is journalled.

        Raises:
            DiskFullError: Less than the watermark is free.
        """
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < self._watermark_bytes:
            raise DiskFullError(
                f"the data folder's disk has {free_bytes} bytes free; writes need {self._watermark_bytes} (free_space_watermark_bytes)",
                free_bytes=free_bytes,
                watermark_bytes=self._watermark_bytes,
            )
