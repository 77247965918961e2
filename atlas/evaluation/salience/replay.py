"""Replays a world in one arm, prequentially: each search is scored first, and learnt from afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from atlas.salience import EventKind, SalienceRule

from .arms import Arm, Asked, KnowingLearner, Learner, Marked, Observed
from .placing import Lever, Members, chosen, ranked
from .pools import Floats, Numbers
from .users import Moods, User
from .worlds import Occasion, World

DEPTH = 10
"""Results that are measured."""
_DISCOUNT = [1.0 / math.log2(rank + 1) for rank in range(1, DEPTH + 1)]
SERIES = ("nDCG@10", "MRR@10", "R@5", "R@10")
"""Measures of the final order."""
FALLBACK = "nDCG@10 without reranker"
STALE = "stale hit"
FRESH = "fresh exposure"


@dataclass(frozen=True, slots=True)
class Said:
    """One piece of evidence, as the ledger would hold it."""

    outside: bool
    members: Numbers
    bucket: int
    values: Floats
    weight: float
    time_s: float
    hostile: bool = False


@dataclass(slots=True)
class Record:
    """What was measured in one run, by occasion."""

    series: dict[str, Floats]
    """Measure to its values [occasions]; NaN where it means nothing."""
    exposure: Floats
    """[documents] how often each was among the first ten."""
    probes: list[Floats] = field(default_factory=list)
    """nDCG@10 of each probe: after the first phase, after the second."""
    passive_count: int = 0
    """RERANK events."""
    mark_count: int = 0
    """Marks of the honest user."""
    hostile_count: int = 0
    """Marks of the hostile principal."""
    saturated: float = math.nan
    """Share of the memories with evidence whose log-odds are at the limit in the end."""
    log: list[Said] = field(default_factory=list)
    """All evidence, if it was asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same in every run."""

    lever: Lever = field(default_factory=Lever)
    rule: SalienceRule = field(default_factory=SalienceRule)
    user: User = field(default_factory=User)


@dataclass(frozen=True, slots=True)
class Extras:
    """What a run measures beside the final order."""

    probes: tuple[int, ...] = ()
    """Questions that are measured at the shift and at the end, and never learnt from."""
    fallback: bool = False
    """Whether to measure the order without the reranker too."""
    keep_log: bool = False
    """Whether to keep all evidence."""


class Replay:
    """One run."""

    def __init__(self, world: World, arm: Arm, learner: Learner, settings: Settings, *, seed: int, extras: Extras) -> None:
        """Prepares a run.

        Args:
            world: What happens.
            arm: Which arm it is.
            learner: What the arm believes.
            settings: What is the same in every run.
            seed: Draws the user's moods and the explored places.
            extras: What to measure beside the final order.
        """
        self._world = world
        self._learner = learner
        self._settings = settings
        # Equal work in all arms: what the others rerank beyond the pool, OFF takes from the pool.
        lever = settings.lever
        self._lever = replace(lever, candidate_count=lever.budget, extended_count=0, explore_count=0) if arm is Arm.OFF else lever
        self._moods = Moods(settings.user, len(world.occasions), seed=seed)
        self._seed = seed
        self._extras = extras
        # Where only evidence from outside can change what is measured, the rest is not even summed: that is half of the work.
        self._whole = extras.fallback or extras.keep_log or self._lever.extended_count > 0
        self._late = np.isin(world.pools.document, list(world.fresh))
        count = len(world.occasions)
        names = (*SERIES, FALLBACK, STALE, FRESH)
        self.record = Record({name: np.full(count, np.nan) for name in names}, np.zeros(len(world.pools.document_ids)))

    def run(self) -> Record:
        """Runs it."""
        for index, occasion in enumerate(self._world.occasions):
            if index == self._world.shift:
                self._measure_probes(occasion.time_s)
            self._search(index, occasion)
        self._measure_probes(self._world.occasions[-1].time_s)
        return self.record

    def _search(self, index: int, occasion: Occasion) -> None:
        rows = self._rows(occasion.query, arrived=index >= self._world.shift)
        grades = self._world.grades_of(occasion.query, index)
        members, everything, outside = self._members(rows, grades, occasion.time_s, f"{self._seed}/{index}")
        order = self._order(rows, members, outside)
        shown = self._world.pools.member[rows[members.rows[order]]]
        self._score(index, shown, grades)
        if self._extras.fallback:
            self.record.series[FALLBACK][index] = _gain(self._documents(self._fallback(rows, members, everything)), grades)
        self._learn(index, occasion, rows, members, shown, grades)

    def _rows(self, query: int, *, arrived: bool) -> Numbers:
        pools = self._world.pools
        rows = np.arange(pools.split[query], pools.split[query + 1])
        return rows if arrived or not self._world.fresh else rows[~self._late[pools.member[rows]]]

    def _members(self, rows: Numbers, grades: Mapping[int, int], time_s: float, seed: str) -> tuple[Members, Floats, Floats]:
        pools, lever = self._world.pools, self._lever
        member = pools.member[rows]
        # Only what salience may bring in has to be known before the pool is filled; reading is what a replay spends its time on.
        early = lever.extended_count > 0
        everything, outside = self._read(member, grades, time_s) if early else (np.zeros(len(rows)), np.zeros(0))
        members = chosen(pools.pool_score[rows], everything, member, lever, logits_per_unit=pools.logits_per_unit, seed=seed)
        if early:
            return members, everything[members.rows], outside[members.rows]
        everything, outside = self._read(member[members.rows], grades, time_s)
        return members, everything, outside

    def _read(self, member: Numbers, grades: Mapping[int, int], time_s: float) -> tuple[Floats, Floats]:
        knows = isinstance(self._learner, KnowingLearner)
        relevant = [document in grades for document in self._world.pools.document[member].tolist()] if knows else []
        return self._learner.read(Asked(member, time_s, np.array(relevant, dtype=np.bool_), outside_only=not self._whole))

    def _order(self, rows: Numbers, members: Members, outside: Floats) -> Numbers:
        pools, influence = self._world.pools, self._lever.influence
        return ranked(
            pools.final_score[rows[members.rows]],
            outside,
            influence=influence.final,
            limit=influence.log_odds_limit,
            logits_per_unit=pools.logits_per_unit,
        )

    def _fallback(self, rows: Numbers, members: Members, everything: Floats) -> Numbers:
        pools, influence = self._world.pools, self._lever.influence
        order = ranked(
            pools.pool_score[rows[members.rows]],
            everything,
            influence=influence.fallback,
            limit=influence.log_odds_limit,
            logits_per_unit=pools.logits_per_unit,
        )
        return pools.member[rows[members.rows[order]]]

    def _documents(self, shown: Numbers) -> list[int]:
        return list(dict.fromkeys(self._world.pools.document[shown].tolist()))[:DEPTH]

    def _score(self, index: int, shown: Numbers, grades: Mapping[int, int]) -> None:
        documents, series = self._documents(shown), self.record.series
        hits = [document in grades for document in documents]
        series["nDCG@10"][index] = _gain(documents, grades)
        series["MRR@10"][index] = next((1.0 / rank for rank, hit in enumerate(hits, start=1) if hit), 0.0)
        series["R@5"][index] = sum(hits[:5]) / len(grades)
        series["R@10"][index] = sum(hits) / len(grades)
        self.record.exposure[documents] += 1.0
        if index >= self._world.shift and self._world.fresh:
            series[FRESH][index] = sum(document in self._world.fresh for document in documents) / len(documents)
        if index >= self._world.shift and not self._world.fresh.isdisjoint(grades) and self._world.stale:
            first = next((document for document in documents if document in grades or document in self._world.stale), None)
            series[STALE][index] = float(first is not None and first not in grades)

    def _learn(self, index: int, occasion: Occasion, rows: Numbers, members: Members, shown: Numbers, grades: Mapping[int, int]) -> None:
        pools = self._world.pools
        clean, drawn = members.rows[: members.clean_count], members.rows[members.explored_from :]
        for found, propensity in ((clean, 1.0), (drawn, members.propensity)):
            relevance = pools.relevance[rows[found]]
            readable = ~np.isnan(relevance)
            if len(found) and readable.any():
                self._observe(pools.member[rows[found]][readable], occasion, relevance[readable], propensity)
        for member, value in self._marks(index, occasion, shown, grades):
            self.record.mark_count += 1
            self._mark(member, occasion, value, hostile=False)
        if occasion.hostile:
            for member in shown[: self._settings.user.result_count].tolist():
                self.record.hostile_count += 1
                self._mark(member, occasion, float(int(pools.document[member]) not in grades), hostile=True)

    def _marks(self, index: int, occasion: Occasion, shown: Numbers, grades: Mapping[int, int]) -> list[tuple[int, float]]:
        pools = self._world.pools
        if occasion.marks is None:
            relevant = [document in grades for document in pools.document[shown[: self._settings.user.result_count]].tolist()]
            return self._moods.marks(index, shown, np.array(relevant, dtype=np.float64))
        value_of = {mark.doc_id: mark.value for mark in occasion.marks}
        names = pools.document_ids[pools.document[shown]].tolist()
        first = {name: int(member) for name, member in zip(reversed(names), shown[::-1].tolist(), strict=True)}
        return [(first[name], value) for name, value in value_of.items() if name in first]

    def _observe(self, members: Numbers, occasion: Occasion, relevance: Floats, propensity: float) -> None:
        bucket = int(self._world.pools.bucket[occasion.query])
        self.record.passive_count += len(members)
        if not self._whole:
            return
        self._learner.observe(Observed(members, bucket, relevance, occasion.time_s, propensity))
        if self._extras.keep_log:
            weight = self._settings.rule.weights.of(EventKind.RERANK, propensity=propensity)
            self.record.log.append(Said(False, members, bucket, relevance, weight, occasion.time_s))

    def _mark(self, member: int, occasion: Occasion, value: float, *, hostile: bool) -> None:
        bucket = int(self._world.pools.bucket[occasion.query])
        self._learner.mark(Marked(member, bucket, value, occasion.time_s))
        if self._extras.keep_log:
            weight = self._settings.rule.weights.of(EventKind.EXPLICIT)
            self.record.log.append(Said(True, np.array([member]), bucket, np.array([value]), weight, occasion.time_s, hostile))

    def _measure_probes(self, time_s: float) -> None:
        if not self._extras.probes:
            return
        gains = []
        for query in self._extras.probes:
            rows, grades = self._rows(query, arrived=True), self._world.grades[query]
            members, _, outside = self._members(rows, grades, time_s, f"{self._seed}/probe/{query}")
            shown = self._world.pools.member[rows[members.rows[self._order(rows, members, outside)]]]
            gains.append(_gain(self._documents(shown), grades))
        self.record.probes.append(np.array(gains))


def _gain(documents: Sequence[int], grades: Mapping[int, int]) -> float:
    """nDCG@10 with linear gain, as `atlas.evaluation.measures` computes it."""
    found = sum(_DISCOUNT[rank] * grades[document] for rank, document in enumerate(documents) if document in grades)
    best = sum(discount * grade for discount, grade in zip(_DISCOUNT, sorted(grades.values(), reverse=True), strict=False))
    return found / best
