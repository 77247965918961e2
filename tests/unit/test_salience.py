"""The salience rule: its promises as properties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.influence import Influence
from atlas.query_buckets import bucket_of
from atlas.ranking import MINILM_MAXSIM, rank_score
from atlas.salience import (
    FRACTION_BITS,
    NOTHING,
    SECONDS_PER_DAY,
    Channel,
    ChannelRule,
    EventKind,
    EventWeights,
    Evidence,
    SalienceRule,
    Sums,
    base_rate,
    evidence_at,
    read_channel,
    read_salience,
    sums_of,
    total,
)

RULE = ChannelRule()
NOW_S = 1_790_000_000.0
times = st.floats(NOW_S - 400 * SECONDS_PER_DAY, NOW_S)
event = st.tuples(st.floats(0, 1), st.floats(0.01, 40), times)
events = st.lists(event, min_size=1, max_size=40)
masses = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=16)


def folded(items: list[tuple[float, float, float]]) -> Sums:
    return total([sums_of(*item, RULE) for item in items])


def read(*buckets: tuple[float, float], prior: float = 0.25):
    return read_channel([Evidence(*bucket) for bucket in buckets], prior, RULE)


@given(event)
def test_decay_reaches_exactly_half_way_after_one_half_life(item) -> None:
    sums = sums_of(*item, RULE)
    now, later = (evidence_at(sums, NOW_S + days * SECONDS_PER_DAY, RULE) for days in (0, RULE.half_life_days))
    assert later == Evidence(now.positive / 2, now.negative / 2)


@given(event)
def test_an_event_weighs_what_it_says_at_its_own_time(item) -> None:
    value, weight, time_s = item
    now = evidence_at(sums_of(value, weight, time_s, RULE), time_s, RULE)
    assert now.positive == pytest.approx(weight * value, abs=2**-40)
    assert now.negative == pytest.approx(weight * (1 - value), abs=2**-40)


@given(event)
def test_decay_follows_the_power_of_two_to_the_resolution_of_time(item) -> None:
    value, weight, time_s = item
    left = evidence_at(sums_of(value, weight, time_s, RULE), NOW_S, RULE).mass
    expected = weight * 2.0 ** (-(NOW_S - time_s) / (RULE.half_life_days * SECONDS_PER_DAY))
    assert left == pytest.approx(expected, rel=3e-6, abs=2**-38)


def test_the_growth_of_a_weight_is_the_same_number_on_every_machine() -> None:
    # No library of mathematics takes part, so these digits may be written down.
    sums = sums_of(1.0, 1.0, NOW_S + 12_345.678, RULE)
    assert sums == Sums(51_136_563_549_154_950_676_480, 0, 1)


@given(events, st.randoms())
def test_sums_do_not_depend_on_the_order_of_events_by_a_single_bit(items, random) -> None:
    shuffled = items[:]
    random.shuffle(shuffled)
    assert folded(items) == folded(shuffled)


@given(events, events)
def test_sums_of_two_parts_add_up_to_the_sums_of_the_whole(left, right) -> None:
    assert folded(left) + folded(right) == folded(left + right)


@given(events, events)
def test_taking_events_back_leaves_what_was_there_before_them(items, extra) -> None:
    assert folded(items + extra) - folded(extra) == folded(items)


def test_more_than_there_is_cannot_be_taken_back() -> None:
    with pytest.raises(ValueError, match="more than there is"):
        _ = NOTHING - sums_of(1.0, 1.0, NOW_S, RULE)


@given(events, times, times)
def test_what_is_left_does_not_depend_on_when_it_was_read_before(items, early, late) -> None:
    sums = folded(items)
    evidence_at(sums, early, RULE)
    assert evidence_at(sums, late, RULE) == evidence_at(folded(items), late, RULE)


@given(st.floats(NOW_S - 3_000 * SECONDS_PER_DAY, NOW_S + 3_000 * SECONDS_PER_DAY), st.floats(0.25, 3_650))
def test_every_time_and_half_life_gives_finite_evidence(time_s, half_life_days) -> None:
    rule = ChannelRule(half_life_days=half_life_days)
    now = evidence_at(sums_of(0.5, 1.0, time_s, rule), time_s, rule)
    # Before the landmark a sum has fewer places: of events that are many half-lives older than it, nothing may be left.
    error = Fraction(1, 1 << FRACTION_BITS) * Fraction(2) ** max(0, math.ceil((1_735_689_600 - time_s) / (half_life_days * 86_400)))
    assert math.isfinite(now.mass)
    assert abs(Fraction(now.positive) - Fraction(1, 2)) <= min(Fraction(1, 2), error + Fraction(1, 1 << 40))


@given(masses, st.floats(0.001, 0.999))
def test_worth_stays_between_0_and_1_whatever_the_evidence(buckets, prior) -> None:
    reading = read(*buckets, prior=prior)
    assert 0.0 < reading.mean < 1.0
    assert math.isfinite(reading.log_odds)


@given(masses, masses, st.booleans())
def test_all_channels_and_a_pin_together_stay_within_the_limit(passive, outside, pinned) -> None:
    rule = SalienceRule()
    reading = read_salience(read(*passive), read(*outside, prior=0.5), pinned=pinned, rule=rule)
    assert 0.0 < reading.salience < 1.0
    assert abs(reading.log_odds) <= rule.log_odds_limit
    assert abs(reading.outside_log_odds) <= rule.log_odds_limit


def test_without_evidence_worth_is_the_base_rate_of_the_scope() -> None:
    reading = read_salience(read(prior=0.3), read(prior=0.5), pinned=False, rule=SalienceRule())
    assert (reading.salience, reading.prior, reading.log_odds, reading.outside_log_odds) == (0.3, 0.3, 0.0, 0.0)


def test_worth_returns_to_the_base_rate_when_evidence_is_old() -> None:
    sums = sums_of(1.0, 30.0, NOW_S, RULE)
    late = evidence_at(sums, NOW_S + 1_000 * SECONDS_PER_DAY, RULE)
    assert read_channel([late], 0.25, RULE).mean == pytest.approx(0.25, abs=1e-6)


@given(st.floats(0, 1e9))
def test_one_query_repeated_for_ever_moves_the_log_odds_by_a_bounded_amount(mass) -> None:
    bound = read((1e12, 0.0)).log_odds
    assert 0.0 <= read((mass, 0.0)).log_odds <= bound + 1e-9
    assert bound == pytest.approx(1.39, abs=0.01)


def test_the_same_mass_over_diverse_queries_is_worth_more_than_over_one() -> None:
    assert read(*[(3.0, 0.0)] * 4).mean > read((12.0, 0.0)).mean


@given(masses, st.floats(0.1, 5), st.integers(0, 15))
def test_more_evidence_for_a_memory_never_lowers_its_worth(buckets, extra, place) -> None:
    buckets = [*buckets, (0.0, 0.0)]
    place %= len(buckets)
    more = [(positive + extra * (index == place), negative) for index, (positive, negative) in enumerate(buckets)]
    assert read(*more).mean >= read(*buckets).mean - 1e-12


def test_base_rate_is_that_of_the_scope_once_there_is_enough_evidence() -> None:
    assert base_rate(Evidence(0.0, 0.0), RULE) == RULE.base_rate
    assert base_rate(Evidence(9_000.0, 1_000.0), RULE) == pytest.approx(0.9, abs=0.01)


def test_a_small_chance_of_being_shown_weighs_more_up_to_the_cap() -> None:
    weights = EventWeights()
    assert weights.of(EventKind.RERANK, propensity=0.25) == 4.0
    assert weights.of(EventKind.RERANK, propensity=1e-9) == weights.propensity_cap
    assert weights.of(EventKind.PIN) == 0.0
    assert EventKind.PIN.channel is None
    assert {kind.channel for kind in EventKind if kind is not EventKind.PIN} == set(Channel)


@given(
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(-50, 50),
    st.floats(-50, 50),
    st.floats(0, 5),
    st.floats(0.1, 5),
)
def test_results_farther_apart_than_twice_the_bound_keep_their_order(upper, lower, upper_odds, lower_odds, alpha, limit) -> None:
    influence = Influence(final=alpha, log_odds_limit=limit)

    def ranked(final: float, log_odds: float) -> float:
        return rank_score(final, salience_logit=log_odds, influence=influence.final, limit=influence.log_odds_limit)

    apart = MINILM_MAXSIM.logits_per_unit * (upper - lower)
    if apart > 2 * influence.final_bound:
        assert ranked(upper, upper_odds) > ranked(lower, lower_odds) - 1e-9


def test_query_buckets_are_stable_and_tell_directions_apart() -> None:
    random = np.random.RandomState(5)
    queries = random.standard_normal((200, 384)).astype(np.float32)
    buckets = [bucket_of(query) for query in queries]
    assert [bucket_of(query * 3.0) for query in queries] == buckets
    assert len(set(buckets)) == 16
    assert buckets[:6] == [bucket_of(query) for query in queries[:6]]
