"""Keeps the parts' log files at a bounded size while the parts write to them."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

LIMIT_BYTES = 32 * 1024 * 1024
"""Size from which on a log begins anew; what it held is kept beside it as `.log.1`."""

logger = logging.getLogger(__name__)


def rotate(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Begins a log anew if it is longer than `limit_bytes`; says whether it did.

    The part has the file open and appends to it, so that it is copied and emptied, as logrotate's `copytruncate` does: what is written
    between the two is lost.
    """
    if not path.exists() or path.stat().st_size <= limit_bytes:
        return False
    shutil.copyfile(path, path.with_suffix(".log.1"))
    os.truncate(path, 0)
    return True


async def rotate_regularly(paths: Sequence[Path], *, interval_s: float = 30.0, limit_bytes: int = LIMIT_BYTES) -> None:
    """Looks at logs every so often. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(interval_s)
        for path in paths:
            try:
                await asyncio.to_thread(rotate, path, limit_bytes=limit_bytes)
            except OSError as error:
                logger.warning("a log was not begun anew", extra={"log": path.name, "cause": error.strerror})
