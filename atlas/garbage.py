"""How often a serving process looks for garbage."""

from __future__ import annotations

import gc

_NEW_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def calm_garbage_collection() -> None:
    """Has the collector look for cycles once in thousands of new objects, and never at what was imported.

    A call makes a few thousand objects and next to no cycles; with Python's own threshold of 700 it pays for several collections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
