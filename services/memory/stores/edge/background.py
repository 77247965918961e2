"""Lets the engine step back behind what answers, long work behind everything, and long work end with whoever wanted it."""

from __future__ import annotations

import ctypes
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
_BEHIND = 3


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
    os.nice(_BEHIND)


def step_back(work: Callable[[], T]) -> T:
    """Does work at low priority, with all threads that it starts; the caller's own priority stays."""
    with ThreadPoolExecutor(1, initializer=_lower) as pool:
        return pool.submit(work).result()


def _lower() -> None:
    # Linux counts niceness by thread, and lets a plain user go down alone: a service that runs at the bottom stays there.
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
