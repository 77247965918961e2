"""Says what a memory is worth: exact sums of decaying evidence, saturated only when they are read.

Evidence is summed in two numbers for each memory, channel and query bucket, for and against, all decaying with the half-life of
their channel. A sum is kept as it would weigh at one fixed time, the landmark (forward decay, Cormode et al., ICDE 2009), in whole
numbers: addition is exact. So any order of events, any repetition of a maintenance step and any split into parts gives the very same
state, bit for bit, and an event is taken back without a trace. Every bound lives in the functions that read: a cap inside the sums
would destroy all of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, lru_cache

import msgspec

SECONDS_PER_DAY = 86_400.0
LANDMARK_S = 1_735_689_600.0
"""2025-01-01T00:00:00Z, in seconds since the epoch: the time that all sums are kept at."""
FRACTION_BITS = 44
"""Binary places of a sum: an event at the landmark is exact to 2**-44 of its weight, a later one to less."""
_TIME_BITS = 20
"""Binary places of a time in half-lives: 1.6 s of 20 days. Times within such a step weigh the same."""
STEPS_PER_HALF_LIFE = 1 << _TIME_BITS
"""Steps of a time within a half-life."""
_SCALE_BITS = 60
"""Binary places of a growth factor."""


class Channel(IntEnum):
    """Where evidence is summed; channels are never averaged with each other. The numbers are those of the contract."""

    PASSIVE = 1
    """What the reranker measured."""
    OUTSIDE = 2
    """What the reranker cannot know: use, feedback, outcomes."""


class EventKind(IntEnum):
    """Kind of evidence; the numbers are those of the contract."""

    RERANK = 1
    USED = 2
    EXPLICIT = 3
    OUTCOME = 4
    PIN = 5

    @property
    def channel(self) -> Channel | None:
        """The channel that sums it; None for a pin, of which the newest counts."""
        if self is EventKind.PIN:
            return None
        return Channel.PASSIVE if self is EventKind.RERANK else Channel.OUTSIDE


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """Constants of one channel. The defaults are start values, chosen in a simulation, not fitted to a data set."""

    half_life_days: float = 20.0
    """Days after which evidence weighs half: a few weeks of silence bring a memory back to the base rate."""
    prior_strength: float = 8.0
    """Evidence that the base rate weighs, in events: eight searches must agree before they outweigh it."""
    bucket_mass: float = 6.0
    """Most evidence that one kind of query gives, in events: one question repeated for ever cannot run away."""
    total_mass: float = 40.0
    """Most evidence that a memory has, in events: keeps old favourites within reach of new facts."""
    base_rate: float = 0.25
    """Share of positive evidence assumed for a scope without any, (0, 1)."""
    base_rate_strength: float = 20.0
    """Evidence that the assumed base rate weighs against the scope's own, in events: one search of twenty candidates."""


@dataclass(frozen=True, slots=True)
class EventWeights:
    """What one event of each kind weighs, in reranked candidates."""

    rerank: float = 1.0
    """The unit."""
    used: float = 2.0
    """Measured, and sometimes wrong: weighs more than a score, less than a word."""
    explicit: float = 4.0
    """Somebody looked and said so: four such words outweigh half of the base rate."""
    outcome: float = 3.0
    """The task ended so, but several memories share the merit."""
    propensity_cap: float = 10.0
    """Most that a small propensity multiplies a weight by: an unlikely draw must not decide alone."""

    def of(self, kind: EventKind, *, propensity: float = 1.0) -> float:
        """Weighs an event whose memory came into the pool with `propensity`, (0, 1]; a pin weighs 0 and counts whole."""
        weight = {
            EventKind.RERANK: self.rerank,
            EventKind.USED: self.used,
            EventKind.EXPLICIT: self.explicit,
            EventKind.OUTCOME: self.outcome,
            EventKind.PIN: 0.0,
        }[kind]
        return weight * min(1.0 / propensity, self.propensity_cap)


@dataclass(frozen=True, slots=True)
class SalienceRule:
    """Constants of the whole rule."""

    passive: ChannelRule = field(default_factory=ChannelRule)
    """What the reranker measured."""
    outside: ChannelRule = field(
        default_factory=lambda: ChannelRule(half_life_days=60.0, prior_strength=4.0, bucket_mass=12.0, base_rate=0.5)
    )
    """What people and tasks said: lasts longer, outweighs its base rate sooner, and expects neither praise nor blame."""
    weights: EventWeights = field(default_factory=EventWeights)
    """What each kind of event weighs."""
    log_odds_limit: float = 3.0
    """Most log-odds that all evidence together moves a memory by, either way; also what a pin adds."""

    def of(self, channel: Channel) -> ChannelRule:
        """Constants of a channel."""
        return self.passive if channel is Channel.PASSIVE else self.outside


class Sums(msgspec.Struct, frozen=True):
    """Evidence for and against as it would weigh at the landmark, in units of 2**-FRACTION_BITS; exact."""

    positive: int = 0
    """Evidence for, 0 or more."""
    negative: int = 0
    """Evidence against, 0 or more."""
    event_count: int = 0
    """Events in it."""

    def __add__(self, other: Sums) -> Sums:
        """Adds two sums, exactly."""
        return Sums(self.positive + other.positive, self.negative + other.negative, self.event_count + other.event_count)

    def __sub__(self, other: Sums) -> Sums:
        """Takes out a part that was added before, exactly.

        Raises:
            ValueError: It was not a part.
        """
        rest = Sums(self.positive - other.positive, self.negative - other.negative, self.event_count - other.event_count)
        if min(rest.positive, rest.negative, rest.event_count) < 0:
            raise ValueError("what is taken out is more than there is")
        return rest


NOTHING = Sums()


class Evidence(msgspec.Struct, frozen=True):
    """Evidence as it weighs at one time, in events."""

    positive: float
    """Evidence for, 0 or more."""
    negative: float
    """Evidence against, 0 or more."""

    @property
    def mass(self) -> float:
        """All of it."""
        return self.positive + self.negative


NO_EVIDENCE = Evidence(0.0, 0.0)


class ChannelReading(msgspec.Struct, frozen=True):
    """What one channel says about a memory at one time."""

    mean: float
    """Mean of the Beta posterior, (0, 1); equals `prior` without evidence."""
    prior: float
    """Base rate of the scope, (0, 1)."""
    log_odds: float
    """logit(mean) - logit(prior); 0 without evidence."""
    evidence: Evidence
    """All of it, before saturation."""
    shares: tuple[float, ...]
    """Share that saturation leaves of each bucket, (0, 1], in the order of the buckets."""


class Worth(msgspec.Struct, frozen=True):
    """What a memory is worth at one time, without what that rests on: all that a search needs of it."""

    salience: float
    """Learnt worth, (0, 1); equals the base rate of passive evidence where nothing is known."""
    log_odds: float
    """logit(salience) - logit(base rate), within the limit of the rule."""
    outside_log_odds: float
    """The part that the reranker cannot know, within the limit of the rule."""


class SalienceReading(Worth, frozen=True):
    """What all channels say about a memory at one time."""

    prior: float
    """Base rate of passive evidence in the scope, (0, 1)."""
    passive: ChannelReading
    outside: ChannelReading
    pinned: bool


def sums_of(value: float, weight: float, time_s: float, rule: ChannelRule) -> Sums:
    """Gives the sums of one event: `weight` (0 or more) split by a probability `value` in [0, 1], at `time_s` seconds since the epoch."""
    whole, scale = _growth(time_s, rule.half_life_days)
    return Sums(_grown(weight * value, whole, scale), _grown(weight * (1.0 - value), whole, scale), 1)


def evidence_at(sums: Sums, time_s: float, rule: ChannelRule) -> Evidence:
    """Weighs sums at a time; exactly half is left one half-life later."""
    whole, scale = _growth(time_s, rule.half_life_days)
    bits = FRACTION_BITS + whole - _SCALE_BITS
    unit, zoom = (scale << bits, 0) if bits >= 0 else (scale, -bits)
    # A quotient of whole numbers is rounded once, however large they are.
    return Evidence((sums.positive << zoom) / unit, (sums.negative << zoom) / unit)


def time_steps(time_s: float, half_life_days: float) -> int:
    """Gives a time in steps since the landmark, `STEPS_PER_HALF_LIFE` to a half-life; times within a step weigh the same."""
    return math.floor(math.ldexp((time_s - LANDMARK_S) / (half_life_days * SECONDS_PER_DAY), _TIME_BITS))


def base_rate(scope: Evidence, rule: ChannelRule) -> float:
    """Gives the base rate of a scope, (0, 1): its own share of positive evidence, pulled towards `rule.base_rate`."""
    return (rule.base_rate * rule.base_rate_strength + scope.positive) / (rule.base_rate_strength + scope.mass)


def read_channel(buckets: Iterable[Evidence], prior: float, rule: ChannelRule) -> ChannelReading:
    """Reads one channel of a memory from its query buckets, all weighed at the same time.

    A bucket with mass n counts n / (1 + n/m), so at most m; all buckets together count at most `total_mass`. The result is the mean of a
    Beta distribution with prior mean `prior`.
    """
    now = tuple(buckets)
    mean, shares = _posterior(now, prior, rule)
    return ChannelReading(
        mean=mean,
        prior=prior,
        log_odds=logit(mean) - logit(prior) if now else 0.0,
        evidence=Evidence(math.fsum(bucket.positive for bucket in now), math.fsum(bucket.negative for bucket in now)),
        shares=tuple(shares),
    )


def channel_log_odds(buckets: Sequence[Evidence], prior: float, rule: ChannelRule) -> float:
    """Gives the log-odds of `read_channel` alone, to the last bit; `buckets` holds one or more."""
    mean, _ = _posterior(buckets, prior, rule)
    return logit(mean) - logit(prior)


def worth(passive: float, outside: float, *, prior: float, pinned: bool, rule: SalienceRule) -> Worth:
    """Puts the log-odds of the channels together: they add up, within the limit of the rule; a pin adds the whole limit.

    Args:
        passive: Log-odds of passive evidence.
        outside: Log-odds of evidence from outside.
        prior: Base rate of passive evidence in the scope, (0, 1).
        pinned: Whether the memory is pinned.
        rule: The constants.
    """
    limit = rule.log_odds_limit
    pin = limit if pinned else 0.0
    log_odds = _clip(passive + outside + pin, limit)
    return Worth(
        salience=sigmoid(logit(prior) + log_odds) if log_odds else prior,
        log_odds=log_odds,
        outside_log_odds=_clip(outside + pin, limit),
    )


def read_salience(passive: ChannelReading, outside: ChannelReading, *, pinned: bool, rule: SalienceRule) -> SalienceReading:
    """Puts the channels together, as `worth` does, and keeps what that rests on."""
    found = worth(passive.log_odds, outside.log_odds, prior=passive.prior, pinned=pinned, rule=rule)
    return SalienceReading(
        salience=found.salience,
        log_odds=found.log_odds,
        outside_log_odds=found.outside_log_odds,
        prior=passive.prior,
        passive=passive,
        outside=outside,
        pinned=pinned,
    )


def _posterior(buckets: Sequence[Evidence], prior: float, rule: ChannelRule) -> tuple[float, list[float]]:
    """Gives the mean that buckets leave, and the share of each that saturation leaves."""
    capped = [1.0 / (1.0 + bucket.mass / rule.bucket_mass) for bucket in buckets]
    mass = math.fsum([share * bucket.mass for share, bucket in zip(capped, buckets, strict=True)])
    scale = min(1.0, rule.total_mass / mass) if mass > 0.0 else 1.0
    positive = scale * math.fsum([share * bucket.positive for share, bucket in zip(capped, buckets, strict=True)])
    mean = (rule.prior_strength * prior + positive) / (rule.prior_strength + scale * mass)
    return mean, [scale * share for share in capped]


def total(parts: Sequence[Sums]) -> Sums:
    """Adds up sums, exactly."""
    return sum(parts, NOTHING)


def logit(probability: float) -> float:
    """Log-odds of a probability in (0, 1)."""
    return math.log(probability) - math.log1p(-probability)


def sigmoid(log_odds: float) -> float:
    """Probability of log-odds, (0, 1)."""
    # The form that cannot overflow on either side.
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds >= 0.0 else math.exp(log_odds) / (1.0 + math.exp(log_odds))


@lru_cache(maxsize=65_536)
def _growth(time_s: float, half_life_days: float) -> tuple[int, int]:
    """What an event at `time_s` weighs at the landmark: 2**whole * scale / 2**_SCALE_BITS, with the scale in [1, 2) of its unit.

    In whole numbers from the first step on: no library of mathematics may decide, machine by machine, what an event adds.
    """
    steps = time_steps(time_s, half_life_days)
    whole, part = divmod(steps, 1 << _TIME_BITS)
    scale = 1 << _SCALE_BITS
    for place, root in enumerate(_roots(), start=1):
        if part >> (_TIME_BITS - place) & 1:
            scale = scale * root >> _SCALE_BITS
    return whole, scale


@cache
def _roots() -> tuple[int, ...]:
    """The square root of two, its square root and so on, in units of 2**-_SCALE_BITS, rounded down."""
    roots = [2 << _SCALE_BITS]
    while len(roots) <= _TIME_BITS:
        roots.append(math.isqrt(roots[-1] << _SCALE_BITS))
    return tuple(roots[1:])


def _grown(amount: float, whole: int, scale: int) -> int:
    units, shift = round(math.ldexp(amount, FRACTION_BITS)) * scale, whole - _SCALE_BITS
    return units << shift if shift >= 0 else units >> -shift


def _clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
