"""Says what a memory is worth: linear decayed evidence, saturated only when it is read.

Evidence is summed in two numbers for each memory and query bucket, for and against, both decaying with one half-life. Sums are
linear, so any order of events, any repetition of a maintenance step and any split into parts gives the same state, and an event
can be taken back exactly. Every bound lives in `read_salience`: a cap inside the sums would destroy all of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SalienceRule:
    """Constants of the rule. The defaults are start values, chosen in a simulation, not fitted to a data set."""

    half_life_days: float = 20.0
    """Days after which evidence weighs half: a few weeks of silence bring a memory back to the base rate."""
    prior_strength: float = 8.0
    """Evidence that the base rate weighs, in events: eight searches must agree before they outweigh it."""
    bucket_mass: float = 6.0
    """Most evidence that one kind of query gives, in events: one question repeated for ever cannot run away."""
    total_mass: float = 40.0
    """Most evidence that a memory has, in events: keeps old favourites within reach of new facts."""
    base_rate: float = 0.25
    """Share of relevant candidates assumed for a scope without evidence, (0, 1)."""
    base_rate_strength: float = 20.0
    """Evidence that the assumed base rate weighs against the scope's own, in events: one search of twenty candidates."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Decayed sums of evidence, as they stood at one time."""

    positive: float
    """Evidence for, 0 or more."""
    negative: float
    """Evidence against, 0 or more."""
    time_s: float
    """Time the sums are decayed to, in seconds since the epoch."""


NO_EVIDENCE = Evidence(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SalienceReading:
    """Salience of one memory at one time."""

    salience: float
    """Posterior mean, (0, 1); equals `prior` without evidence."""
    prior: float
    """Base rate of the scope, (0, 1)."""
    log_odds: float
    """logit(salience) - logit(prior); 0 without evidence."""
    evidence_for: float
    """Decayed evidence for, before saturation."""
    evidence_against: float
    """Decayed evidence against, before saturation."""


def decayed(evidence: Evidence, time_s: float, rule: SalienceRule) -> Evidence:
    """Moves sums to another time; exactly half is left one half-life later."""
    factor = math.exp2((evidence.time_s - time_s) / (rule.half_life_days * SECONDS_PER_DAY))
    return Evidence(evidence.positive * factor, evidence.negative * factor, time_s)


def merged(left: Evidence, right: Evidence, rule: SalienceRule) -> Evidence:
    """Adds two sums at the later of their times; commutative and associative up to rounding."""
    if left.time_s < right.time_s:
        left, right = right, left
    moved = decayed(right, left.time_s, rule)
    return Evidence(left.positive + moved.positive, left.negative + moved.negative, left.time_s)


def without(total: Evidence, part: Evidence, rule: SalienceRule) -> Evidence:
    """Takes a part back out of a sum it was merged into; rounding cannot make the rest negative."""
    moved = decayed(part, total.time_s, rule)
    return Evidence(max(0.0, total.positive - moved.positive), max(0.0, total.negative - moved.negative), total.time_s)


def evidence_of(relevance: float, weight: float, time_s: float) -> Evidence:
    """Gives the evidence of one event: `weight` split by a probability in [0, 1]."""
    return Evidence(weight * relevance, weight * (1.0 - relevance), time_s)


def prior_of(scope: Evidence, time_s: float, rule: SalienceRule) -> float:
    """Gives the base rate of a scope, (0, 1): its own share of relevant candidates, pulled towards `rule.base_rate`."""
    now = decayed(scope, time_s, rule)
    known = now.positive + now.negative
    return (rule.base_rate * rule.base_rate_strength + now.positive) / (rule.base_rate_strength + known)


def read_salience(buckets: Iterable[Evidence], prior: float, time_s: float, rule: SalienceRule) -> SalienceReading:
    """Reads the salience of a memory from its query buckets.

    A bucket with mass n counts n / (1 + n/m), so at most m; all buckets together count at most `total_mass`. The result is the mean of a
    Beta distribution with prior mean `prior`.
    """
    now = [decayed(bucket, time_s, rule) for bucket in buckets]
    shares = [1.0 / (1.0 + (bucket.positive + bucket.negative) / rule.bucket_mass) for bucket in now]
    positive = sum(share * bucket.positive for share, bucket in zip(shares, now, strict=True))
    negative = sum(share * bucket.negative for share, bucket in zip(shares, now, strict=True))
    scale = min(1.0, rule.total_mass / (positive + negative)) if positive + negative > 0.0 else 0.0
    mass = rule.prior_strength + scale * (positive + negative)
    salience = (rule.prior_strength * prior + scale * positive) / mass
    return SalienceReading(
        salience=salience,
        prior=prior,
        log_odds=_logit(salience) - _logit(prior),
        evidence_for=math.fsum(bucket.positive for bucket in now),
        evidence_against=math.fsum(bucket.negative for bucket in now),
    )


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)
