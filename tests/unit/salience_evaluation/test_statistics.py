from __future__ import annotations

import itertools

import numpy as np
import pytest

from atlas.evaluation.salience.statistics import difference, gini, holm, sign_flip


def test_the_randomisation_test_agrees_with_all_sign_flips_counted_one_by_one() -> None:
    sums = np.array([1.2, 0.4, -0.3, 0.8, 0.9, -0.1, 0.7])
    all_flips = [abs(np.dot(signs, sums)) for signs in itertools.product((-1.0, 1.0), repeat=len(sums))]
    exact = np.mean([value >= abs(sums.sum()) - 1e-12 for value in all_flips])
    found = sign_flip(sums, np.random.default_rng(0), flip_count=50_000)
    assert found == pytest.approx(exact, abs=0.005)


def test_equal_arms_have_a_p_value_of_one() -> None:
    assert sign_flip(np.zeros(9), np.random.default_rng(0)) == 1.0


def test_holm_adjusts_a_worked_example() -> None:
    # Holm 1979: the smallest of four times 4, the next times 3, never less than the one before.
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}


def test_gini_is_nothing_for_equal_shares_and_near_one_for_a_single_winner() -> None:
    assert gini(np.ones(50)) == pytest.approx(0.0)
    assert gini(np.eye(100)[0]) == pytest.approx(0.99)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25)
    assert np.isnan(gini(np.zeros(3)))


def test_searches_about_one_document_count_as_one_observation() -> None:
    random = np.random.default_rng(3)
    deltas = np.repeat(random.normal(0.01, 0.1, 20), 50)
    alone = difference([deltas], [np.zeros(1_000)], np.arange(1_000))
    grouped = difference([deltas], [np.zeros(1_000)], np.repeat(np.arange(20), 50))
    assert alone is not None
    assert grouped is not None
    assert grouped.mean == pytest.approx(alone.mean)
    assert grouped.high - grouped.low > 4 * (alone.high - alone.low)


def test_a_difference_averages_over_seeds_counts_flips_and_leaves_out_what_has_no_value() -> None:
    first = [np.array([1.0, 0.5, np.nan, 0.0]), np.array([0.8, 0.5, np.nan, 0.0])]
    second = [np.array([0.5, 0.5, np.nan, 0.4]), np.array([0.5, 0.5, np.nan, 0.2])]
    found = difference(first, second, np.arange(4))
    assert found is not None
    assert found.mean == pytest.approx((0.4 + 0.0 - 0.3) / 3)
    assert (found.better, found.worse) == (1, 1)
    assert found.by_seed == pytest.approx(((0.5 - 0.4) / 3, (0.3 - 0.2) / 3))
    assert found.low <= found.mean <= found.high
    assert difference([np.array([np.nan])], [np.array([np.nan])], np.arange(1)) is None


def test_weights_make_a_search_count_more() -> None:
    found = difference([np.array([1.0, 0.0])], [np.array([0.0, 0.0])], np.arange(2), weights=np.array([3.0, 1.0]))
    assert found is not None
    assert found.mean == pytest.approx(0.75)
