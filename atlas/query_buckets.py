"""Puts queries into few buckets, so that worth over diverse questions counts more than one question repeated."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PLANE_COUNT = 4
"""Hyperplanes: 16 buckets are enough to tell one question from many, and few enough to keep state small."""
_SEED = 20_011


def bucket_of(query: NDArray[np.float32]) -> int:
    """Gives the bucket of a query vector [D], in [0, 16): the sides of four fixed random hyperplanes that it lies on.

    Near vectors share a bucket more often than far ones (Charikar 2002). The same vector has the same bucket in every process and version.
    """
    sides = _planes(query.shape[0]) @ query.astype(np.float64) >= 0.0
    return int(np.packbits(sides, bitorder="little")[0])


@lru_cache(maxsize=8)
def _planes(dimension: int) -> NDArray[np.float64]:
    # RandomState is the one generator whose stream numpy promises never to change.
    return np.random.RandomState(_SEED).standard_normal((PLANE_COUNT, dimension))
