"""Keeps the log of a part quiet while a fault tool provokes what it would say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(name: str, level: int) -> Iterator[None]:
    """Logs of `name` only what is at least `level`, and as before at the end: whatever runs next in this process asserts on its log."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
