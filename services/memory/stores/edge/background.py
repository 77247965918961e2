"""Lets the engine step back behind what answers, long work behind everything, and long work end with whoever wanted it."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from atlas.turns import take_usual_turns

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_NICENESS = 15
"""Of long work."""
_BEHIND = 3
"""How much nicer an engine is than the process that asks it."""
_LOWEST = 19
_LOG = logging.getLogger(__name__)


def die_with_parent() -> None:
    """Has the kernel kill this process once its parent has died.

    A call into the engine cannot be interrupted: without that, the orphan of a killed parent would go on building for minutes.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() == 1:
        sys.exit("the parent is gone already")


def stay_behind() -> None:
    """Puts this process a little behind the one that asks it, with which it shares the processors.

    That one answers everybody, also those who ask nothing of the engine: a health check does not wait until a batch is written.
    """
    take_usual_turns()
    _lower(min(_LOWEST, _own_niceness() + _BEHIND))


def step_back(work: Callable[[], T]) -> T:
    """Does work at low priority, with all threads that it starts; the caller's own priority stays."""
    with ThreadPoolExecutor(1, initializer=lambda: _lower(max(_NICENESS, _own_niceness()))) as pool:
        return pool.submit(work).result()


def _own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _lower(niceness: int) -> None:
    # Linux counts niceness by thread, and lets a plain user go down alone: a service that runs at the bottom stays there.
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    except PermissionError as error:
        # A filter of system calls. The work is as good without it, others only wait longer.
        _LOG.warning("the priority of work in the background was not lowered", extra={"niceness": niceness, "cause": str(error)})
