"""The evaluation can say yes, and it says no to a build whose log-odds carry no information."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.evaluation.salience.arms import Arm, Learner, RuleLearner, learner_of, scope_permutation
from atlas.evaluation.salience.findings import Evaluation, evaluation_of
from atlas.evaluation.salience.placing import Lever
from atlas.evaluation.salience.pools import Pools
from atlas.evaluation.salience.replay import Settings
from atlas.evaluation.salience.runs import Experiment, MakeLearner, run_all, run_count
from atlas.evaluation.salience.users import User
from atlas.evaluation.salience.verdict import Outcome
from atlas.influence import Influence
from atlas.salience import SalienceRule

from .worlds_of_worth import made_world

SETTINGS = Settings(Lever(Influence(final=0.6)), user=User(mark_rate=0.8))


def permuted(arm: Arm, pools: Pools, rule: SalienceRule, *, start_s: float, end_s: float, seed: int) -> Learner:
    """A build whose log-odds belong to other memories."""
    if arm is Arm.ON:
        return RuleLearner(pools, rule, start_s=start_s, permutation=scope_permutation(pools, seed=seed + 100))
    return learner_of(arm, pools, rule, start_s=start_s, end_s=end_s, seed=seed)


def evaluated(*, worth: bool, make_learner: MakeLearner = learner_of, **size: Any) -> Evaluation:
    made = made_world(worth=worth, **size)
    experiment = Experiment(made.pools, made.stream, made.grades, SETTINGS, (0,), make_learner)
    ticks: list[None] = []
    found = evaluation_of(run_all(experiment, progress=lambda: ticks.append(None)))
    assert len(ticks) == run_count(experiment)
    return found


@pytest.fixture(scope="module")
def helpful() -> Evaluation:
    return evaluated(worth=True)


def test_a_world_in_which_worth_exists_is_reported_as_helps(helpful: Evaluation) -> None:
    assert helpful.verdict.outcome is Outcome.HELPS, helpful.verdict.line
    assert helpful.verdict.line.startswith("verdict: helps")


def test_a_build_with_permuted_log_odds_is_reported_as_no_effect_in_the_very_same_world() -> None:
    found = evaluated(worth=True, make_learner=permuted)
    assert found.verdict.outcome is Outcome.NO_EFFECT, found.verdict.line
    assert "no effect" in found.verdict.line
    assert "ship influence 0" in found.verdict.line


def test_a_world_without_worth_is_reported_as_no_effect() -> None:
    found = evaluated(worth=False, events=240)
    assert found.verdict.outcome is Outcome.NO_EFFECT, found.verdict.line


def test_no_arm_beats_the_oracle_and_none_is_worse_than_the_worst(helpful: Evaluation) -> None:
    by_arm = {row.arm: row.measures["nDCG@10"] for row in helpful.arms}
    assert max(by_arm.values()) == by_arm["ORACLE"]
    assert min(by_arm.values()) == by_arm["WORST"]
    assert by_arm["PASSIVE"] == by_arm["OFF"], "evidence of the reranker's own moves no final order"


def test_a_hostile_principal_does_less_than_the_bound_and_leaves_no_trace_once_revoked(helpful: Evaluation) -> None:
    poisoning = helpful.poisoning
    assert poisoning.worst.mean < poisoning.loss.mean
    assert poisoning.revocation.event_count > 0
    assert poisoning.revocation.moved_count > 0, "a poison that moves nothing proves nothing"
    assert poisoning.revocation.sums_equal
    assert poisoning.revocation.rankings_equal
