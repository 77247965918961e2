"""The replay computes what the services compute."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from atlas.evaluation.measures import measures
from atlas.evaluation.salience.placing import Lever, chosen, ranked
from atlas.evaluation.salience.replay import _gain
from atlas.evaluation.salience.worth import WorthTable
from atlas.influence import Influence, Outsider, explored, extended
from atlas.ranking import MINILM_MAXSIM, rank_score
from atlas.salience import NOTHING, Channel, SalienceRule, Sums, base_rate, evidence_at, read_channel, read_salience, sums_of

START_S = 1_735_689_600.0
DAY_S = 86_400.0


@pytest.mark.parametrize("seed", range(8))
def test_the_table_reads_what_the_rule_reads_in_whole_numbers(seed: int) -> None:
    random = np.random.default_rng(seed)
    rule, domain = SalienceRule(), np.array([0, 0, 0, 1, 1, 2])
    table = WorthTable(domain, rule, START_S)
    sums: dict[tuple[Channel, int, int], Sums] = defaultdict(lambda: NOTHING)
    scopes: dict[tuple[Channel, int], Sums] = defaultdict(lambda: NOTHING)
    for _ in range(int(random.integers(1, 300))):
        channel = Channel(int(random.integers(1, 3)))
        members = random.choice(len(domain) - 1, size=int(random.integers(1, 4)), replace=False)
        values, weight = random.random(len(members)), float(random.choice([1.0, 4.0, 10.0]))
        bucket, time_s = int(random.integers(16)), START_S + float(random.random()) * 90 * DAY_S
        table.add(channel, members, bucket, values, weight, time_s)
        for member, value in zip(members.tolist(), values.tolist(), strict=True):
            one = sums_of(value, weight, time_s, rule.of(channel))
            sums[channel, member, bucket] += one
            scopes[channel, int(domain[member])] += one
    now_s = START_S + 95 * DAY_S
    everything, outside = table.read(np.arange(len(domain)), now_s)
    for member in range(len(domain)):
        readings = []
        for channel in Channel:
            constants = rule.of(channel)
            prior = base_rate(evidence_at(scopes[channel, int(domain[member])], now_s, constants), constants)
            buckets = [evidence_at(value, now_s, constants) for (one, of, _), value in sums.items() if (one, of) == (channel, member)]
            readings.append(read_channel(buckets, prior, constants))
        reading = read_salience(readings[0], readings[1], pinned=False, rule=rule)
        assert everything[member] == pytest.approx(reading.log_odds, abs=1e-9)
        assert outside[member] == pytest.approx(reading.outside_log_odds, abs=1e-9)
    assert everything[-1] == 0.0, "the last memory has no evidence"


@pytest.mark.parametrize("seed", range(20))
def test_places_are_filled_as_memory_fills_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    scores = -np.sort(-np.round(random.random(count), 2))
    worth = np.round(random.normal(0.0, 1.5, count), 1)
    member = random.permutation(count)
    lever = Lever(Influence(pool=1.5), candidate_count=10, extended_count=4, explore_count=3)
    found = chosen(scores, worth, member, lever, logits_per_unit=15.487, seed="search-1")
    rest = [Outsider(f"{member[row]:04}", float(scores[row]), float(worth[row])) for row in range(min(10, count), count)]
    brought = extended(rest, count=4, logits_per_unit=15.487, influence=lever.influence)
    drawn, propensity = explored([one for one in rest if one not in brought], count=3, seed="search-1")
    ids = [f"{member[row]:04}" for row in found.rows]
    assert ids[found.clean_count :] == [one.memory_id for one in (*brought, *drawn)]
    assert found.clean_count == min(10, count)
    assert (ids[found.explored_from :], found.propensity) == ([one.memory_id for one in drawn], propensity)


def test_results_are_ordered_as_the_gateway_orders_them() -> None:
    random = np.random.default_rng(1)
    scores, worth = np.round(random.random(50), 2), random.normal(0.0, 2.0, 50)
    order = ranked(scores, worth, influence=0.7, limit=2.0, logits_per_unit=MINILM_MAXSIM.logits_per_unit)
    expected = sorted(range(50), key=lambda row: -rank_score(scores[row], salience_logit=worth[row], influence=0.7, limit=2.0))
    assert order.tolist() == expected


def test_gain_is_the_measure_of_the_labelled_sets() -> None:
    grades = {3: 1, 7: 2, 40: 1}
    ranking = [5, 7, 1, 3, 9]
    by_name = {str(document): grade for document, grade in grades.items()}
    assert _gain(ranking, grades) == pytest.approx(measures([str(document) for document in ranking], by_name)["nDCG@10"])
