"""The salience rule: its promises as properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.query_buckets import bucket_of
from services.memory.salience import (
    NO_EVIDENCE,
    SECONDS_PER_DAY,
    Evidence,
    SalienceRule,
    decayed,
    evidence_of,
    merged,
    prior_of,
    read_salience,
    without,
)

RULE = SalienceRule()
NOW_S = 1_750_000_000.0
events = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 3), st.floats(NOW_S - 400 * SECONDS_PER_DAY, NOW_S)), min_size=1, max_size=40)


def folded(items: list[tuple[float, float, float]]) -> Evidence:
    total = NO_EVIDENCE
    for item in items:
        total = merged(total, evidence_of(*item), RULE)
    return decayed(total, NOW_S, RULE)


def close(left: Evidence, right: Evidence) -> bool:
    pairs = ((left.positive, right.positive), (left.negative, right.negative))
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)


def test_decay_reaches_half_way_after_one_half_life() -> None:
    later = decayed(Evidence(4.0, 2.0, NOW_S), NOW_S + RULE.half_life_days * SECONDS_PER_DAY, RULE)
    assert (later.positive, later.negative) == pytest.approx((2.0, 1.0))


@given(events, st.randoms())
def test_state_does_not_depend_on_the_order_of_events(items, random) -> None:
    shuffled = items[:]
    random.shuffle(shuffled)
    assert close(folded(items), folded(shuffled))


@given(events, events)
def test_states_of_two_parts_merge_into_the_state_of_the_whole(left, right) -> None:
    assert close(decayed(merged(folded(left), folded(right), RULE), NOW_S, RULE), folded(left + right))


@given(events, st.floats(NOW_S, NOW_S + 300 * SECONDS_PER_DAY), st.integers(1, 20))
def test_decay_does_not_depend_on_how_often_it_is_applied(items, until_s, steps) -> None:
    state = folded(items)
    walked = state
    for step in range(1, steps + 1):
        walked = decayed(walked, NOW_S + (until_s - NOW_S) * step / steps, RULE)
    assert close(walked, decayed(state, until_s, RULE))


@given(events, st.tuples(st.floats(0, 1), st.floats(0.01, 3), st.floats(NOW_S - 100 * SECONDS_PER_DAY, NOW_S)))
def test_taking_an_event_back_restores_the_state_before_it(items, extra) -> None:
    before = folded(items)
    after = merged(before, evidence_of(*extra), RULE)
    restored = without(after, evidence_of(*extra), RULE)
    assert restored.positive == pytest.approx(before.positive, rel=1e-6, abs=1e-9)
    assert restored.negative == pytest.approx(before.negative, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=16), st.floats(0.001, 0.999))
def test_salience_stays_between_0_and_1_whatever_the_evidence(masses, prior) -> None:
    reading = read_salience([Evidence(a, b, NOW_S) for a, b in masses], prior, NOW_S, RULE)
    assert 0.0 < reading.salience < 1.0
    assert math.isfinite(reading.log_odds)


def test_salience_without_evidence_is_the_prior_of_the_scope() -> None:
    reading = read_salience([], 0.3, NOW_S, RULE)
    assert reading.salience == pytest.approx(0.3)
    assert reading.log_odds == pytest.approx(0.0)


def test_salience_returns_to_the_prior_when_evidence_is_old() -> None:
    reading = read_salience([Evidence(30.0, 0.0, NOW_S)], 0.25, NOW_S + 1_000 * SECONDS_PER_DAY, RULE)
    assert reading.salience == pytest.approx(0.25, abs=1e-6)


@given(st.floats(0, 1e9))
def test_one_query_repeated_for_ever_moves_the_log_odds_by_a_bounded_amount(mass) -> None:
    reading = read_salience([Evidence(mass, 0.0, NOW_S)], 0.25, NOW_S, RULE)
    bound = read_salience([Evidence(1e12, 0.0, NOW_S)], 0.25, NOW_S, RULE).log_odds
    assert 0.0 <= reading.log_odds <= bound + 1e-9
    assert bound == pytest.approx(1.39, abs=0.01)


def test_the_same_mass_over_diverse_queries_is_worth_more_than_over_one() -> None:
    one = read_salience([Evidence(12.0, 0.0, NOW_S)], 0.25, NOW_S, RULE)
    diverse = read_salience([Evidence(3.0, 0.0, NOW_S)] * 4, 0.25, NOW_S, RULE)
    assert diverse.salience > one.salience


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0.1, 5))
def test_more_evidence_for_a_memory_never_lowers_its_salience(positive, negative, extra) -> None:
    before = read_salience([Evidence(positive, negative, NOW_S)], 0.25, NOW_S, RULE)
    after = read_salience([Evidence(positive + extra, negative, NOW_S)], 0.25, NOW_S, RULE)
    assert after.salience >= before.salience - 1e-12


def test_prior_is_the_base_rate_of_the_scope_once_there_is_enough_evidence() -> None:
    assert prior_of(NO_EVIDENCE, NOW_S, RULE) == pytest.approx(RULE.base_rate)
    assert prior_of(Evidence(9_000.0, 1_000.0, NOW_S), NOW_S, RULE) == pytest.approx(0.9, abs=0.01)


def test_query_buckets_are_stable_and_tell_directions_apart() -> None:
    random = np.random.RandomState(5)
    queries = random.standard_normal((200, 384)).astype(np.float32)
    buckets = [bucket_of(query) for query in queries]
    assert [bucket_of(query * 3.0) for query in queries] == buckets
    assert len(set(buckets)) == 16
    assert buckets[:6] == [bucket_of(query) for query in queries[:6]]
