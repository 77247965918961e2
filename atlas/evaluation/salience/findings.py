"""What the runs show: regimes, arms, measures, poisoning, probes, and the verdict on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atlas.errors import InvalidInputError

from .arms import Arm
from .pools import Flags, Floats
from .replay import FALLBACK, FRESH, SERIES, STALE
from .revocation import Revocation, revoke
from .runs import Run, Runs
from .statistics import Difference, difference, gini, holm
from .streams import Probe
from .verdict import Findings, Verdict, judge

RECOVERY_SHARE = 0.2
"""Part of the time after the shift in which old worth still misleads."""
NDCG = SERIES[0]
Window = Callable[[Run], Flags]


@dataclass(frozen=True, slots=True)
class RegimeRow:
    """One regime."""

    name: str
    search_count: int
    means: Mapping[str, float]
    """Arm to mean nDCG@10."""
    over_off: Difference
    """ON - OFF."""
    over_placebo: Difference | None
    """ON - PLACEBO; None where the placebo did not run."""


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm where questions repeat."""

    arm: str
    measures: Mapping[str, float]
    over_off: Difference
    drift: Difference
    """Minus OFF after interest shifted."""
    gini: float
    """Inequality of exposure over the documents that are asked about or shown."""
    saturated: float
    """Share of the memories with evidence whose log-odds are at the limit; NaN where there are none."""


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure where questions repeat, ON - OFF."""

    name: str
    off: float
    on: float
    over_off: Difference
    adjusted_p_value: float


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """How an arm takes a change of the world."""

    arm: str
    stale_hits: float
    """Share of the searches for a superseded fact whose old version ranks above the new one."""
    late_stale_hits: float
    """The same in the last part of the stream."""
    fresh_exposure: float
    """Share of the results given to documents that arrived late, where all searches after their arrival count."""
    fresh_ndcg: float
    """nDCG@10 of the searches that such a document answers."""


@dataclass(frozen=True, slots=True)
class Poisoning:
    """What one hostile principal does."""

    loss: Difference
    """ON with the principal - ON without."""
    worst: Difference
    """Bound: what any evidence at all could do to OFF's order within the bound of the influence."""
    hostile_share: float
    """Hostile marks over all marks."""
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found."""

    regimes: tuple[RegimeRow, ...]
    arms: tuple[ArmRow, ...]
    measures: tuple[MeasureRow, ...]
    changes: tuple[ChangeRow, ...]
    fallback: RegimeRow
    """The order without the reranker."""
    poisoning: Poisoning
    passive_events_per_search: float
    marks_per_search: float
    curve: Mapping[str, tuple[float, ...]]
    """Arm to the running mean of its nDCG@10 minus OFF's over the stream."""
    curve_shift: float
    """Where in the curve the shift is, [0, 1]."""
    verdict: Verdict


def evaluation_of(runs: Runs) -> Evaluation:
    """Reads everything off the runs."""
    compare = _Comparison(runs)
    regimes = [
        compare.row("repeats", "stream", _before),
        compare.row("drift", "stream", _after),
        compare.row("drift, recovery", "stream", _recovery),
        compare.row("supersession", "supersession", _after),
        compare.row("supersession, recovery", "supersession", _recovery),
        compare.row("no repeats", "no repeats", _all),
        compare.row("cold start", "cold start", _fresh_asked),
        *compare.probes(),
    ]
    by_name = {row.name: row for row in regimes}
    measures = compare.measures()
    placebo = by_name["repeats"].over_placebo
    assert placebo is not None  # noqa: S101 - the placebo always runs where questions repeat
    verdict = judge(
        Findings(
            gain=by_name["repeats"].over_off,
            over_placebo=placebo,
            gain_p_value=next(row.adjusted_p_value for row in measures if row.name == NDCG),
            no_repeats=by_name["no repeats"].over_off,
            after_drift=by_name["drift, recovery"].over_off,
            after_supersession=by_name["supersession, recovery"].over_off,
        )
    )
    ons = runs.of("stream", Arm.ON)
    searches = sum(len(run.world.occasions) for run in ons)
    curve, shift = compare.curve()
    return Evaluation(
        regimes=tuple(regimes),
        arms=compare.arms(),
        measures=measures,
        changes=compare.changes(),
        fallback=compare.row("reranker off", "stream", _before, FALLBACK),
        poisoning=compare.poisoning(),
        passive_events_per_search=sum(run.record.passive_count for run in ons) / searches,
        marks_per_search=sum(run.record.mark_count for run in ons) / searches,
        curve=curve,
        curve_shift=shift,
        verdict=verdict,
    )


class _Comparison:
    """Compares arms of the same regime over the same searches."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def values(self, regime: str, arm: Arm, window: Window, name: str = NDCG) -> list[Floats]:
        count = self._runs.search_count(regime)
        return [run.aligned(name, window(run), count) for run in self._runs.of(regime, arm)]

    def row(self, title: str, regime: str, window: Window, name: str = NDCG) -> RegimeRow:
        arms = [arm for arm in Arm if self._runs.of(regime, arm)]
        values = {arm: self.values(regime, arm, window, name) for arm in arms}
        groups = self._runs.groups(regime)
        over_off = difference(values[Arm.ON], values[Arm.OFF], groups)
        if over_off is None:
            raise InvalidInputError(f"no search of the stream can be measured in the regime {title}", field="stream")
        return RegimeRow(
            name=title,
            search_count=int((~np.isnan(np.array(values[Arm.OFF])).all(axis=0)).sum()),
            means={arm.value: _mean(values[arm]) for arm in arms},
            over_off=over_off,
            over_placebo=difference(values[Arm.ON], values[Arm.PLACEBO], groups),
        )

    def probes(self) -> list[RegimeRow]:
        """Questions that were never asked: weighted by how often their document is asked about, all alike, and never asked about."""
        probes = self._runs.experiment.stream.probes
        number = self._runs.experiment.pools.numbers()
        known = [probe for probe in probes if probe.query_id in number]
        if not known:
            return []
        popular = np.array([1.0 / max(1, probe.rank_b) for probe in known])
        alike = np.ones(len(known))
        never = np.array([float(probe.asked_a + probe.asked_b == 0) for probe in known])
        rows = [("probes, as popular as asked", popular), ("probes, all alike", alike)]
        if never.any():
            rows.append(("probes, never asked about", never))
        return [self._probe_row(name, weights, known) for name, weights in rows]

    def _probe_row(self, name: str, weights: Floats, known: Sequence[Probe]) -> RegimeRow:
        arms = [arm for arm in Arm if self._runs.of("stream", arm)]
        values = {arm: [np.where(weights > 0.0, run.record.probes[-1], np.nan) for run in self._runs.of("stream", arm)] for arm in arms}
        number = self._runs.experiment.pools.numbers()
        groups = np.array([min(self._runs.experiment.grades[number[probe.query_id]]) for probe in known], dtype=np.int64)
        over_off = difference(values[Arm.ON], values[Arm.OFF], groups, weights=weights)
        if over_off is None:
            raise InvalidInputError(f"no probe can be measured for {name}", field="probes")
        return RegimeRow(
            name=name,
            search_count=int((weights > 0.0).sum()),
            means={arm.value: _mean(values[arm], weights) for arm in arms},
            over_off=over_off,
            over_placebo=difference(values[Arm.ON], values[Arm.PLACEBO], groups, weights=weights),
        )

    def arms(self) -> tuple[ArmRow, ...]:
        groups = self._runs.groups("stream")
        off = {window: self.values("stream", Arm.OFF, window) for window in (_before, _after)}
        rows = []
        for arm in Arm:
            over_off = difference(self.values("stream", arm, _before), off[_before], groups)
            drift = difference(self.values("stream", arm, _after), off[_after], groups)
            if over_off is None or drift is None:
                raise InvalidInputError("the stream has to have searches on both sides of its shift", field="stream")
            runs = self._runs.of("stream", arm)
            rows.append(
                ArmRow(
                    arm=arm.value,
                    measures={name: _mean(self.values("stream", arm, _before, name)) for name in SERIES},
                    over_off=over_off,
                    drift=drift,
                    gini=float(np.mean([gini(run.record.exposure) for run in runs])),
                    saturated=float(np.mean([run.record.saturated for run in runs])),
                )
            )
        return tuple(rows)

    def measures(self) -> tuple[MeasureRow, ...]:
        groups = self._runs.groups("stream")
        found: dict[str, tuple[float, float, Difference]] = {}
        for name in SERIES:
            off, on = (self.values("stream", arm, _before, name) for arm in (Arm.OFF, Arm.ON))
            delta = difference(on, off, groups)
            if delta is None:
                raise InvalidInputError(f"no search of the stream has a value of {name}", field="stream")
            found[name] = (_mean(off), _mean(on), delta)
        adjusted = holm({name: delta.p_value for name, (_, _, delta) in found.items()})
        return tuple(MeasureRow(name, off, on, delta, adjusted[name]) for name, (off, on, delta) in found.items())

    def changes(self) -> tuple[ChangeRow, ...]:
        return tuple(
            ChangeRow(
                arm=arm.value,
                stale_hits=_mean(self.values("supersession", arm, _after, STALE)),
                late_stale_hits=_mean(self.values("supersession", arm, _late, STALE)),
                fresh_exposure=_mean(self.values("cold start", arm, _after, FRESH)),
                fresh_ndcg=_mean(self.values("cold start", arm, _fresh_asked)),
            )
            for arm in Arm
            if self._runs.of("supersession", arm)
        )

    def poisoning(self) -> Poisoning:
        groups = self._runs.groups("stream")
        clean, off, worst = (self.values("stream", arm, _before) for arm in (Arm.ON, Arm.OFF, Arm.WORST))
        loss = difference(self.values("poisoning", Arm.ON, _before), clean, groups)
        bound = difference(worst, off, groups)
        if loss is None or bound is None:
            raise InvalidInputError("no search before the shift can be measured", field="stream")
        runs = self._runs.of("poisoning", Arm.ON)
        hostile, honest = sum(run.record.hostile_count for run in runs), sum(run.record.mark_count for run in runs)
        first = runs[0]
        settings = self._runs.experiment.settings
        return Poisoning(
            loss=loss,
            worst=bound,
            hostile_share=hostile / max(1, hostile + honest),
            revocation=revoke(first.world.pools, first.record.log, settings.lever, settings.rule, time_s=first.world.occasions[-1].time_s),
        )

    def curve(self) -> tuple[dict[str, tuple[float, ...]], float]:
        """Running means at 60 places of the stream, and where its shift is."""
        arms = (Arm.ON, Arm.PLACEBO, Arm.RECENCY, Arm.COUNT, Arm.FROZEN)
        off = np.array(self.values("stream", Arm.OFF, _all))
        searched = np.flatnonzero(~np.isnan(off).all(axis=0))
        points = np.unique(np.linspace(1, len(searched), 60).astype(int))
        found = {}
        for arm in arms:
            delta = (np.array(self.values("stream", arm, _all)) - off)[:, searched].mean(axis=0)
            found[arm.value] = tuple((np.cumsum(delta) / np.arange(1, len(delta) + 1))[points - 1].tolist())
        return found, float(np.searchsorted(searched, self._runs.experiment.stream.shift) / len(searched))


def _all(run: Run) -> Flags:
    return np.ones(len(run.world.occasions), dtype=np.bool_)


def _before(run: Run) -> Flags:
    return np.arange(len(run.world.occasions)) < run.world.shift


def _after(run: Run) -> Flags:
    return ~_before(run)


def _recovery(run: Run) -> Flags:
    count, shift = len(run.world.occasions), run.world.shift
    return _after(run) & (np.arange(count) < shift + RECOVERY_SHARE * (count - shift))


def _late(run: Run) -> Flags:
    count, shift = len(run.world.occasions), run.world.shift
    late: Flags = np.arange(count) >= count - RECOVERY_SHARE * (count - shift)
    return late


def _fresh_asked(run: Run) -> Flags:
    asked = [not run.world.fresh.isdisjoint(run.world.grades[occasion.query]) for occasion in run.world.occasions]
    found: Flags = _after(run) & np.array(asked, dtype=np.bool_)
    return found


def _mean(values: Sequence[Floats], weights: Floats | None = None) -> float:
    stacked = np.array(values)
    usable = ~np.isnan(stacked)
    if not usable.any():
        return float("nan")
    weight = np.where(usable, 1.0 if weights is None else weights, 0.0)
    return float((np.nan_to_num(stacked) * weight).sum() / weight.sum())
