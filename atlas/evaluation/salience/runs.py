"""Runs every arm in every regime with every seed, and lines the searches up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atlas.salience import SalienceRule

from .arms import Arm, Learner, RuleLearner, learner_of
from .pools import Flags, Floats, Pools
from .replay import Extras, Record, Replay, Settings
from .streams import Stream
from .worlds import World, before_shift, stream_world, with_fresh, with_hostile, with_superseded, without_repeats

MakeLearner = Callable[..., Learner]
"""Makes the learner of an arm; `learner_of` unless a test puts another build to the proof."""

ARMS: Mapping[str, tuple[Arm, ...]] = {
    "stream": tuple(Arm),
    "no repeats": (Arm.OFF, Arm.ON, Arm.PLACEBO, Arm.RECENCY, Arm.COUNT),
    "supersession": (Arm.OFF, Arm.ON, Arm.PLACEBO, Arm.RECENCY, Arm.COUNT),
    "cold start": (Arm.OFF, Arm.ON, Arm.PLACEBO, Arm.RECENCY, Arm.COUNT),
    "poisoning": (Arm.ON,),
}
"""Arms that run in each regime."""


@dataclass(frozen=True, slots=True)
class Run:
    """One arm in one regime with one seed."""

    world: World
    record: Record

    def aligned(self, name: str, window: Flags, search_count: int) -> Floats:
        """Values of a measure by search [searches]; NaN outside of the window."""
        values = np.full(search_count, np.nan)
        searches = np.array([occasion.search for occasion in self.world.occasions])
        values[searches[window]] = self.record.series[name][window]
        return values


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is put to the test."""

    pools: Pools
    stream: Stream
    grades: Sequence[Mapping[int, int]]
    """By question: document number to grade."""
    settings: Settings
    seeds: tuple[int, ...]
    make_learner: MakeLearner = learner_of
    regimes: tuple[str, ...] = tuple(ARMS)


@dataclass(slots=True)
class Runs:
    """All runs."""

    experiment: Experiment
    found: dict[tuple[str, Arm], list[Run]] = field(default_factory=dict)
    """One a seed."""

    def of(self, regime: str, arm: Arm) -> list[Run]:
        """Runs of an arm in a regime, one a seed; empty if it did not run."""
        return self.found.get((regime, arm), [])

    def groups(self, regime: str) -> NDArray[np.int64]:
        """Document that each search is about: searches about the same one are not independent."""
        return np.array([min(grades) for grades in self._asked(regime)], dtype=np.int64)

    def search_count(self, regime: str) -> int:
        """Numbers of searches that occur."""
        return len(self._asked(regime))

    def _asked(self, regime: str) -> list[Mapping[int, int]]:
        experiment = self.experiment
        if regime == "no repeats":
            return list(experiment.grades)
        number = experiment.pools.numbers()
        nobody = {-1: 1}
        return [experiment.grades[number[event.query_id]] if event.query_id in number else nobody for event in experiment.stream.events]


def run_all(experiment: Experiment, *, progress: Callable[[], object]) -> Runs:
    """Runs everything; `progress` is called once a run, `run_count` times."""
    runs = Runs(experiment)
    stream = stream_world(experiment.pools, experiment.stream, experiment.grades)
    number = experiment.pools.numbers()
    probes = tuple(number[probe.query_id] for probe in experiment.stream.probes if probe.query_id in number)
    for seed in experiment.seeds:
        for regime in experiment.regimes:
            world = _world(stream, regime, seed)
            whole = regime == "stream"
            extras = Extras(probes if whole else (), fallback=whole, keep_log=regime == "poisoning" and seed == experiment.seeds[0])
            for arm in ARMS[regime]:
                run = _run(experiment, world, arm, seed, extras)
                runs.found.setdefault((regime, arm), []).append(run)
                progress()
    return runs


def run_count(experiment: Experiment) -> int:
    """How many runs there are."""
    return len(experiment.seeds) * sum(len(ARMS[regime]) for regime in experiment.regimes)


def _world(stream: World, regime: str, seed: int) -> World:
    match regime:
        case "no repeats":
            return without_repeats(stream, seed=seed)
        case "supersession":
            return with_superseded(stream, seed=seed)
        case "cold start":
            return with_fresh(stream, seed=seed)
        case "poisoning":
            return with_hostile(before_shift(stream), seed=seed)
        case _:
            return stream


def _run(experiment: Experiment, world: World, arm: Arm, seed: int, extras: Extras) -> Run:
    rule: SalienceRule = experiment.settings.rule
    start_s, end_s = world.occasions[0].time_s, world.occasions[-1].time_s
    learner = experiment.make_learner(arm, world.pools, rule, start_s=start_s, end_s=end_s, seed=seed)
    record = Replay(world, arm, learner, experiment.settings, seed=seed, extras=extras).run()
    if isinstance(learner, RuleLearner):
        record.saturated = _saturated(learner, end_s, experiment.settings.lever.influence.log_odds_limit)
    return Run(world, record)


def _saturated(learner: RuleLearner, time_s: float, limit: float) -> float:
    touched = learner.table.touched()
    if not len(touched):
        return 0.0
    everything, _ = learner.table.read(touched, time_s)
    return float((np.abs(everything) >= limit).mean())
