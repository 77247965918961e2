"""Locks that keep a data folder to one process, taken before anything in it is opened."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atlas.errors import StartupError

_POLL_S = 0.05


@contextmanager
def hold(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Holds an exclusive lock on a file of its own, which is made where it is missing.

    The kernel frees the lock when the process ends, however it ends. Nothing but the lock file is
    touched, so a refused copy leaves the holder unharmed. The file stays: removing it would let
    two processes lock two files of the same name.

    Args:
        path: The lock file; its folder is made.
        wait_s: Seconds to wait for a holder that is about to end.

    Raises:
        StartupError: Another process still holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, path, wait_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, wait_s: float) -> None:
    give_up = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise StartupError(_refusal(descriptor, path, wait_s)) from None
            time.sleep(_POLL_S)
        else:
            return


def _refusal(descriptor: int, path: Path, wait_s: float) -> str:
    holder = os.pread(descriptor, 32, 0).decode(errors="replace") or "unknown"
    return (
        f"{path} is locked by process {holder} (waited {wait_s:g} s): "
        f"{path.parent} is in use; stop that process or choose another data folder"
    )
