"""Writes the points of an index into new files, in which nothing else ever was.

The engine's own clearing leaves alone a segment of which little was deleted, and never its log: both go on holding the text and the
vectors of points that were deleted long ago.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import qdrant_edge as edge

from ...operations import IndexSpec
from . import layout
from .layout import Current
from .loading import load

_PAGE = 256
_FOLDER = "shard-afresh"


def write_afresh(home: Path, spec: IndexSpec, *, prepare: Callable[[edge.EdgeShard], None]) -> None:
    """Replaces the shard that is in use by one that holds its points alone; for a copy, which no other engine has open.

    Args:
        home: The index's folder.
        spec: The index.
        prepare: Makes the payload indexes of a new shard.
    """
    used = layout.current(home)
    (home / _FOLDER).mkdir()
    new = edge.EdgeShard.create(str(home / _FOLDER), layout.config(spec, used.scan))
    prepare(new)
    old = load(home / used.shard)
    after: str | None = None
    while True:
        records, following = old.scroll(edge.ScrollRequest(offset=after, limit=_PAGE, with_payload=True, with_vector=True))
        # A vector that has norm 1 is stored as it is, so the copies are equal bit by bit; so are those that are made of it for the scan.
        points = [edge.Point(record.id, cast("Any", record.vector), record.payload) for record in records]
        if points:
            new.update(edge.UpdateOperation.upsert_points(points))
        if following is None:
            break
        after = str(following)
    old.close()
    new.flush()
    new.close()
    layout.make_current(home, Current(_FOLDER, used.scan))
    shutil.rmtree(home / used.shard)
