"""Percentiles of measured durations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Percentiles:
    """What a list of durations looks like, in milliseconds."""

    count: int
    """How many there are."""
    mean_ms: float
    """Mean."""
    p50_ms: float
    """Half are no longer than this."""
    p90_ms: float
    """90 of 100 are no longer than this."""
    p99_ms: float
    """99 of 100 are no longer than this."""
    max_ms: float
    """The longest."""


def percentiles(samples_ms: Sequence[float]) -> Percentiles:
    """Summarises durations in milliseconds; each percentile is one that was measured, not one between two.

    Raises:
        InvalidInputError: There are no samples.
    """
    if not len(samples_ms):
        raise InvalidInputError("samples_ms is empty; percentiles need at least 1", field="samples_ms")
    samples = np.asarray(samples_ms, dtype=np.float64)
    p50, p90, p99 = (float(value) for value in np.percentile(samples, (50, 90, 99), method="inverted_cdf"))
    return Percentiles(len(samples), float(samples.mean()), p50, p90, p99, float(samples.max()))
