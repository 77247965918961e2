"""The arms of the experiment: what each believes a memory to be worth, and what it learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from atlas.salience import SECONDS_PER_DAY, Channel, EventKind, EventWeights, SalienceRule

from .pools import Flags, Floats, Numbers, Pools
from .worth import WorthTable


class Arm(Enum):
    """What orders the results beside content."""

    OFF = "OFF"
    """Nothing: content alone, with the same number of candidates to rerank."""
    ON = "ON"
    """The salience rule."""
    PLACEBO = "PLACEBO"
    """The salience rule, but each memory gets the log-odds of another one of its scope: the same distribution, no information."""
    PASSIVE = "PASSIVE"
    """The salience rule, fed by the reranker alone."""
    RECENCY = "RECENCY"
    """How long ago the memory last helped."""
    COUNT = "COUNT"
    """How often the memory helped, ever."""
    FROZEN = "FROZEN"
    """The salience rule, which learns nothing more after the first third of the stream: a static prior."""
    ORACLE = "ORACLE"
    """All that worth could do within the same bound, if it knew the answers."""
    WORST = "WORST"
    """All harm that worth could do within the same bound, whatever the evidence."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose worth is asked about."""

    members: Numbers
    """Numbers of the memories."""
    time_s: float
    relevant: Flags
    """Whether each is relevant; only for the arms that know the answers, else empty."""
    outside_only: bool = False
    """Whether only evidence from outside matters, and all log-odds may be left at it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the reranker measured of memories that content or chance brought in."""

    members: Numbers
    bucket: int
    relevance: Floats
    """Calibrated probability of each."""
    time_s: float
    propensity: float = 1.0
    """Probability with which chance brought them in, (0, 1]; 1 where content did."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What somebody said of a memory."""

    member: int
    bucket: int
    value: float
    """1 it helped, 0 it was wrong."""
    time_s: float


class Learner(Protocol):
    """Learns from a stream, and says what memories are worth."""

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Gives all log-odds and those from outside."""
        ...

    def observe(self, observed: Observed) -> None:
        """Learns what the reranker measured."""
        ...

    def mark(self, marked: Marked) -> None:
        """Learns what somebody said."""
        ...


class RuleLearner:
    """The salience rule."""

    def __init__(self, pools: Pools, rule: SalienceRule, *, start_s: float, permutation: Numbers | None = None) -> None:
        """Starts without evidence.

        Args:
            pools: The memories.
            rule: Constants.
            start_s: Time of the first event.
            permutation: Memory whose log-odds each memory gets; None = its own.
        """
        self.table = WorthTable(pools.domain, rule, start_s)
        self._weights: EventWeights = rule.weights
        self._permutation = permutation

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Reads the sums."""
        members = asked.members if self._permutation is None else self._permutation[asked.members]
        return self.table.read(members, asked.time_s, outside_only=asked.outside_only)

    def observe(self, observed: Observed) -> None:
        """Adds RERANK events."""
        weight = self._weights.of(EventKind.RERANK, propensity=observed.propensity)
        self.table.add(Channel.PASSIVE, observed.members, observed.bucket, observed.relevance, weight, observed.time_s)

    def mark(self, marked: Marked) -> None:
        """Adds an EXPLICIT event."""
        members, values = np.array([marked.member]), np.array([marked.value])
        self.table.add(Channel.OUTSIDE, members, marked.bucket, values, self._weights.of(EventKind.EXPLICIT), marked.time_s)


class PassiveLearner(RuleLearner):
    """The salience rule without what people say."""

    def mark(self, marked: Marked) -> None:
        """Does not listen."""


class FrozenLearner(RuleLearner):
    """The salience rule up to a time; what it knows then stays as it is."""

    def __init__(self, pools: Pools, rule: SalienceRule, *, start_s: float, freeze_s: float) -> None:
        super().__init__(pools, rule, start_s=start_s)
        self._freeze_s = freeze_s

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Reads the sums as they were."""
        return self.table.read(asked.members, min(asked.time_s, self._freeze_s), outside_only=asked.outside_only)

    def observe(self, observed: Observed) -> None:
        """Adds RERANK events while it still learns."""
        if observed.time_s <= self._freeze_s:
            super().observe(observed)

    def mark(self, marked: Marked) -> None:
        """Adds an EXPLICIT event while it still learns."""
        if marked.time_s <= self._freeze_s:
            super().mark(marked)


class RecencyLearner:
    """Favours what helped lately: the limit at once, half of it one half-life later."""

    def __init__(self, pools: Pools, rule: SalienceRule) -> None:
        self._last_s = np.full(pools.memory_count, -math.inf)
        self._half_life_s = rule.outside.half_life_days * SECONDS_PER_DAY
        self._limit = rule.log_odds_limit

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Reads the age of the last praise."""
        worth = self._limit * np.exp2(-(asked.time_s - self._last_s[asked.members]) / self._half_life_s)
        return worth, worth

    def observe(self, observed: Observed) -> None:
        """Being found is no praise."""

    def mark(self, marked: Marked) -> None:
        """Remembers the time of praise."""
        if marked.value > 0.5:
            self._last_s[marked.member] = marked.time_s


class CountLearner:
    """Favours what helped often: ln(1 + times), at most the limit; nothing fades, blame is not heard."""

    def __init__(self, pools: Pools, rule: SalienceRule) -> None:
        self._times = np.zeros(pools.memory_count)
        self._limit = rule.log_odds_limit

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Reads the count."""
        worth = np.minimum(self._limit, np.log1p(self._times[asked.members]))
        return worth, worth

    def observe(self, observed: Observed) -> None:
        """Being found is no praise."""

    def mark(self, marked: Marked) -> None:
        """Counts praise."""
        if marked.value > 0.5:
            self._times[marked.member] += 1.0


class KnowingLearner:
    """Knows the answers, and uses them for good or for bad."""

    def __init__(self, limit: float) -> None:
        """Sets the log-odds of what is relevant; all else gets the opposite. Negative: it does harm."""
        self._limit = limit

    def read(self, asked: Asked) -> tuple[Floats, Floats]:
        """Tells them apart."""
        worth = np.where(asked.relevant, self._limit, -self._limit)
        return worth, worth

    def observe(self, observed: Observed) -> None:
        """Nothing to learn."""

    def mark(self, marked: Marked) -> None:
        """Nothing to learn."""


class NoLearner(KnowingLearner):
    """Knows nothing and learns nothing."""

    def __init__(self) -> None:
        super().__init__(0.0)


def learner_of(arm: Arm, pools: Pools, rule: SalienceRule, *, start_s: float, end_s: float, seed: int) -> Learner:
    """Makes the learner of an arm; `seed` draws the placebo's permutation."""
    match arm:
        case Arm.OFF:
            return NoLearner()
        case Arm.ON:
            return RuleLearner(pools, rule, start_s=start_s)
        case Arm.PLACEBO:
            return RuleLearner(pools, rule, start_s=start_s, permutation=scope_permutation(pools, seed=seed))
        case Arm.PASSIVE:
            return PassiveLearner(pools, rule, start_s=start_s)
        case Arm.RECENCY:
            return RecencyLearner(pools, rule)
        case Arm.COUNT:
            return CountLearner(pools, rule)
        case Arm.FROZEN:
            return FrozenLearner(pools, rule, start_s=start_s, freeze_s=start_s + (end_s - start_s) / 3)
        case Arm.ORACLE:
            return KnowingLearner(rule.log_odds_limit)
        case Arm.WORST:
            return KnowingLearner(-rule.log_odds_limit)


def scope_permutation(pools: Pools, *, seed: int) -> Numbers:
    """Draws a permutation of the memories [M] inside their domains; none stays in its place where its domain has another one."""
    random = np.random.default_rng((seed, 7))
    permutation = np.arange(pools.memory_count)
    for domain in np.unique(pools.domain):
        members = random.permutation(np.flatnonzero(pools.domain == domain))
        permutation[members] = np.roll(members, 1)
    return permutation
