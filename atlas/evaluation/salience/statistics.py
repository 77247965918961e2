"""How sure a difference is: bootstrap intervals and randomisation tests over groups of searches, Holm over many tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pools import Floats

RESAMPLE_COUNT = 2_000
FLIP_COUNT = 5_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference between two arms."""

    mean: float
    low: float
    """Lower bound of the 95 % bootstrap interval over groups."""
    high: float
    """Upper bound."""
    p_value: float
    """Of the two-sided randomisation test that flips the sign of whole groups."""
    better: int
    """Searches that the first arm answers better."""
    worse: int
    """Searches that it answers worse."""
    by_seed: tuple[float, ...]
    """Mean difference of each seed."""


def difference(
    first: Sequence[Floats], second: Sequence[Floats], groups: NDArray[np.int64], *, seed: int = 0, weights: Floats | None = None
) -> Difference | None:
    """Compares two arms over the same searches; None if no search can be compared.

    Searches about the same document are one group: they are not independent. The differences of a search are averaged over the seeds first.

    Args:
        first: One array [searches] a seed; NaN where there is no value.
        second: The same of the other arm.
        groups: [searches] group of each search.
        seed: The same seed gives the same bounds.
        weights: [searches] how much each counts; None = all the same.
    """
    deltas = np.array([a - b for a, b in zip(first, second, strict=True)])
    usable = ~np.isnan(deltas).all(axis=0)
    if not usable.any():
        return None
    deltas = deltas[:, usable]
    mean = np.nanmean(deltas, axis=0)
    weight = np.ones(len(mean)) if weights is None else weights[usable]
    _, place = np.unique(groups[usable], return_inverse=True)
    sums, sizes = (np.bincount(place, values).astype(np.float64) for values in (mean * weight, weight))
    random = np.random.default_rng(seed)
    low, high = _bounds(sums, sizes, random)
    return Difference(
        mean=float(sums.sum() / sizes.sum()),
        low=low,
        high=high,
        p_value=sign_flip(sums, random),
        better=int((mean > 0).sum()),
        worse=int((mean < 0).sum()),
        by_seed=tuple(float(np.nansum(row * weight) / weight[~np.isnan(row)].sum()) for row in deltas),
    )


def sign_flip(sums: Floats, random: np.random.Generator, *, flip_count: int = FLIP_COUNT) -> float:
    """Two-sided p-value of a sum of group differences under flips of their signs (Fisher's randomisation test), at least 1/(flips + 1)."""
    observed = abs(sums.sum())
    # Rounding must not make an equal sum look smaller than the observed one.
    least = observed - 1e-12 * max(1.0, float(np.abs(sums).sum()))
    extreme = sum(int((np.abs(_signs(random, len(sums)) @ sums) >= least).sum()) for _ in range(flip_count // _BATCH))
    return (1 + extreme) / (1 + (flip_count // _BATCH) * _BATCH)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusts p-values so that the chance of any false alarm stays what it says (Holm 1979)."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = largest
    return adjusted


def gini(exposure: Floats) -> float:
    """Inequality of exposure, [0, 1): 0 if all are shown equally often, near 1 if few are shown always; NaN if none is shown."""
    ordered = np.sort(exposure)
    total = ordered.sum()
    if total <= 0.0:
        return float("nan")
    ranks = np.arange(1, len(ordered) + 1)
    return float((2.0 * (ranks * ordered).sum() / total - len(ordered) - 1.0) / len(ordered))


_BATCH = 500


def _signs(random: np.random.Generator, count: int) -> Floats:
    return random.integers(0, 2, size=(_BATCH, count), dtype=np.int8).astype(np.float64) * 2.0 - 1.0


def _bounds(sums: Floats, sizes: Floats, random: np.random.Generator) -> tuple[float, float]:
    means = []
    for _ in range(RESAMPLE_COUNT // _BATCH):
        drawn = random.integers(0, len(sums), (_BATCH, len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(np.concatenate(means), (tail, 1.0 - tail))
    return float(low), float(high)
