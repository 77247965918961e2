"""How the threads of a serving process share Python's interpreter, and how often it looks for garbage."""

from __future__ import annotations

import gc
import sys

_NEW_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_TURN_S = 0.00005


def hand_over_soon() -> None:
    """Has a thread that computes give up the interpreter within 50 µs when another one asks for it.

    An event loop asks several times in each call. With Python's own 5 ms it stands behind every thread that analyses texts or writes
    rows: beside a bulk load that was four times the latency of the slowest calls, and the load was no faster for it.
    """
    sys.setswitchinterval(_TURN_S)


def calm_garbage_collection() -> None:
    """Has the collector look for cycles once in thousands of new objects, and never at what was imported.

    A call makes a few thousand objects and next to no cycles; with Python's own threshold of 700 it pays for several collections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
