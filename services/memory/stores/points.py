"""Points as the engines give them back, in the form of the seam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..store import StoredPoint
from .schema import DENSE, LEXICAL


def stored_point(payload: dict[str, Any], vectors: Mapping[str, Any]) -> StoredPoint:
    """Returns a point from its payload and its vectors by name; they are empty unless they were asked for."""
    memory_id = payload["memory_id"]
    if not vectors:
        return StoredPoint(memory_id, payload)
    sparse = vectors.get(LEXICAL)
    return StoredPoint(
        memory_id,
        payload,
        np.asarray(vectors[DENSE], np.float32),
        np.asarray(sparse.indices if sparse else [], np.uint32),
        np.asarray(sparse.values if sparse else [], np.float32),
    )
