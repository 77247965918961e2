"""The salience rule for many memories at once.

The same numbers as `atlas.salience`, in arrays: a replay reads a hundred memories a million times. Floating point instead of whole
numbers; a test holds the two together, and the live check holds both to the running system.
"""

from __future__ import annotations

import numpy as np

from atlas.query_buckets import PLANE_COUNT
from atlas.salience import STEPS_PER_HALF_LIFE, Channel, ChannelRule, SalienceRule, time_steps

from .pools import Floats, Numbers

BUCKET_COUNT = 1 << PLANE_COUNT


class ChannelTable:
    """Sums of one channel for every memory and bucket, as they weigh at a landmark."""

    def __init__(self, domain: Numbers, rule: ChannelRule, landmark_s: float) -> None:
        """Starts empty.

        Args:
            domain: [M] domain of each memory, from 0.
            rule: Constants of the channel.
            landmark_s: Time that sums are kept at, near those that will be asked about.
        """
        self._domain = domain
        self._rule = rule
        self._landmark = time_steps(landmark_s, rule.half_life_days)
        self._positive = np.zeros((len(domain), BUCKET_COUNT))
        self._negative = np.zeros((len(domain), BUCKET_COUNT))
        scopes = int(domain.max()) + 1 if len(domain) else 0
        self._scope_positive = np.zeros(scopes)
        self._scope_negative = np.zeros(scopes)

    def add(self, members: Numbers, bucket: int, values: Floats, weight: float, time_s: float) -> None:
        """Adds one event to each of `members`, none twice: `weight` split by its value in [0, 1]."""
        scale = weight * self._growth(time_s)
        positive, negative = scale * values, scale * (1.0 - values)
        self._positive[members, bucket] += positive
        self._negative[members, bucket] += negative
        np.add.at(self._scope_positive, self._domain[members], positive)
        np.add.at(self._scope_negative, self._domain[members], negative)

    def log_odds(self, members: Numbers, time_s: float) -> Floats:
        """Reads `logit(mean) - logit(prior)` of memories at a time; 0 without evidence."""
        rule, left = self._rule, 1.0 / self._growth(time_s)
        positive = self._positive[members] * left
        mass = positive + self._negative[members] * left
        share = 1.0 / (1.0 + mass / rule.bucket_mass)
        total = (share * mass).sum(axis=1)
        scale = np.minimum(1.0, rule.total_mass / np.maximum(total, rule.total_mass))
        prior = self._base_rates(left)[self._domain[members]]
        mean = (rule.prior_strength * prior + scale * (share * positive).sum(axis=1)) / (rule.prior_strength + scale * total)
        return np.where(total > 0.0, np.log(mean * (1.0 - prior) / ((1.0 - mean) * prior)), 0.0)

    def touched(self) -> Numbers:
        """Numbers of the memories with any evidence."""
        return np.flatnonzero((self._positive + self._negative).any(axis=1))

    def _base_rates(self, left: float) -> Floats:
        rule = self._rule
        positive, negative = self._scope_positive * left, self._scope_negative * left
        return (rule.base_rate * rule.base_rate_strength + positive) / (rule.base_rate_strength + positive + negative)

    def _growth(self, time_s: float) -> float:
        steps = time_steps(time_s, self._rule.half_life_days) - self._landmark
        return float(np.exp2(steps / STEPS_PER_HALF_LIFE))


class WorthTable:
    """Both channels of every memory."""

    def __init__(self, domain: Numbers, rule: SalienceRule, landmark_s: float) -> None:
        self._rule = rule
        self._passive = ChannelTable(domain, rule.passive, landmark_s)
        self._outside = ChannelTable(domain, rule.outside, landmark_s)

    def add(self, channel: Channel, members: Numbers, bucket: int, values: Floats, weight: float, time_s: float) -> None:
        """Adds one event to each of `members`, none twice."""
        self._of(channel).add(members, bucket, values, weight, time_s)

    def read(self, members: Numbers, time_s: float, *, outside_only: bool = False) -> tuple[Floats, Floats]:
        """Reads all log-odds and those from outside, each within the limit of the rule; with `outside_only` the latter twice."""
        limit = self._rule.log_odds_limit
        outside = self._outside.log_odds(members, time_s)
        everything = outside if outside_only else self._passive.log_odds(members, time_s) + outside
        return np.clip(everything, -limit, limit), np.clip(outside, -limit, limit)

    def touched(self) -> Numbers:
        """Numbers of the memories with any evidence."""
        return np.union1d(self._passive.touched(), self._outside.touched())

    def _of(self, channel: Channel) -> ChannelTable:
        return self._passive if channel is Channel.PASSIVE else self._outside
