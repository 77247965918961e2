"""How far a mean over queries could lie from the truth, by resampling the queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its bounds."""

    mean: float
    """Mean of the values as they are."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""


def interval(values: Sequence[float], *, seed: int = 0, resample_count: int = 2_000, confidence: float = 0.95) -> Interval:
    """Computes the percentile bootstrap interval of the mean.

    Args:
        values: One value per query.
        seed: The same seed and values give the same interval.
        resample_count: How many samples are drawn.
        confidence: Share of the resampled means between the bounds, (0, 1).

    Raises:
        InvalidInputError: There are no values.
    """
    if not len(values):
        raise InvalidInputError("values is empty; an interval needs at least 1", field="values")
    observed = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    # One resample at a time: all at once would take resamples × queries indices, 50 MB for 3,000 queries.
    means = [observed[random.integers(0, len(observed), len(observed))].mean() for _ in range(resample_count)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(observed.mean()), float(low), float(high))
