"""How soon the threads of a process get a processor while others compute."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Mapping

_SHORT_NS = 100_000
"""The shortest turn that Linux gives."""
_USUAL = 0
"""Asks Linux for turns as long as its own."""
_SET = {"x86_64": 314, "aarch64": 274}
_GET = {"x86_64": 315, "aarch64": 275}
"""Numbers of sched_setattr and sched_getattr by processor: the C library has no functions for them before glibc 2.41."""
_SHARED = (0, 3)
"""SCHED_OTHER and SCHED_BATCH: the policies that know turns."""


class _Attributes(ctypes.Structure):
    """`struct sched_attr` of Linux, in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def take_short_turns() -> bool:
    """Asks for short turns: the calling thread, and all that it starts later, get a processor earlier and give it up earlier.

    For a process that answers rather than computes. It gets as much of a processor as before: what a thread of its has to do for a call
    begins sooner while others compute, and most of it fits into one turn. A thread that waits for the interpreter waits less, too: the one
    that has it is not kept from a processor for long.

    Returns:
        Whether it was granted: by Linux from 6.12 on (sched(7), EEVDF), if the scheduling policy is an ordinary one.
    """
    return _ask(_SHORT_NS) and turn_ns() == _SHORT_NS


def take_usual_turns() -> bool:
    """Takes back what a thread inherited from one that took short turns; says whether that could be done."""
    return _ask(_USUAL)


def turn_ns(thread: int = 0) -> int | None:
    """Returns the length of a thread's turns in nanoseconds, 0 being the calling one, None where that cannot be known."""
    found = _current(thread)
    return None if found is None else int(found.runtime)


def _ask(runtime_ns: int) -> bool:
    wanted = _current(0)
    if wanted is None or wanted.policy not in _SHARED:
        return False
    # Niceness and flags stay what they are. Older kernels look at none of these three.
    wanted.runtime, wanted.deadline, wanted.period = runtime_ns, 0, 0
    return _call(_SET, 0, ctypes.byref(wanted), 0)


def _current(thread: int) -> _Attributes | None:
    attributes = _Attributes(size=ctypes.sizeof(_Attributes))
    return attributes if _call(_GET, thread, ctypes.byref(attributes), ctypes.sizeof(attributes), 0) else None


def _call(numbers: Mapping[str, int], *arguments: object) -> bool:
    number = numbers.get(platform.machine())
    # A program of 32 bits has other numbers than the machine under it.
    if sys.platform != "linux" or number is None or sys.maxsize < 2**32:
        return False
    # A refusal, as by a container's filter of system calls, leaves everything as it was.
    return bool(ctypes.CDLL(None).syscall(number, *arguments) == 0)
