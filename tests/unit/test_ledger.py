"""The ledger's functions on a file: exact sums, revocation, checkpoints and what they promise together."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.errors import ConflictError, NotFoundError, SchemaMismatchError
from atlas.ranking import MINILM_MAXSIM, Calibration, relevance_of
from atlas.salience import Channel, ChannelRule, EventKind, SalienceRule
from services.memory.ledger import facts, forgetting, startup
from services.memory.ledger.policy import LedgerPolicy
from services.memory.ledger.records import US_PER_DAY, Pool, SourceClass
from tests.unit.ledger_file import IDS, START_US, LedgerFile

PRINCIPALS = ("anna", "bert", "mallory")
searches = st.lists(
    st.tuples(
        st.integers(0, 3),  # query bucket
        st.dictionaries(st.sampled_from(IDS), st.floats(0, 1), min_size=1),
        st.integers(0, 80),  # days before now
        st.sampled_from(PRINCIPALS),
    ),
    min_size=1,
    max_size=12,
)
words = st.lists(
    st.tuples(
        st.integers(0, 11), st.sampled_from(IDS), st.sampled_from([EventKind.USED, EventKind.EXPLICIT, EventKind.OUTCOME]), st.floats(0, 1)
    ),
    max_size=8,
)


def ledger(*, policy: LedgerPolicy | None = None) -> LedgerFile:
    made = LedgerFile(":memory:", policy=policy)
    made.store(*IDS[:3], domain="a")
    made.store(*IDS[3:], domain="b")
    return made


def tell(target: LedgerFile, history, said=(), *, order: random.Random | None = None, repeat: int = 1, prefix: str = "s") -> None:
    """Reports a history, in order or shuffled, each call `repeat` times."""
    calls = [(number, *one) for number, one in enumerate(history)] * repeat
    told = {}
    for number, memory_id, kind, value in said:
        told.setdefault((number % len(history), memory_id, kind), value)
    feedback = list(told.items()) * repeat
    if order:
        order.shuffle(calls)
        order.shuffle(feedback)
    for number, bucket, values, days, principal in calls:
        target.search(f"{prefix}{number}", values, bucket=bucket, principal=principal, time_us=target.now_us - days * US_PER_DAY)
    for (number, memory_id, kind), value in feedback:
        _, _, days, principal = history[number]
        when = target.now_us - days * US_PER_DAY + 1_000_000
        target.feedback(f"{prefix}{number}", {memory_id: value}, kind, principal=principal, time_us=when)


@settings(max_examples=40, deadline=None)
@given(searches, words, st.integers(0, 2**32))
def test_order_and_repetition_of_reports_do_not_change_a_bit(history, said, seed) -> None:
    straight, shuffled = ledger(), ledger()
    tell(straight, history, said)
    tell(shuffled, history, said, order=random.Random(seed), repeat=2)
    assert shuffled.digest() == straight.digest()
    assert straight.digest().consistent
    assert shuffled.salience() == straight.salience()


@settings(max_examples=40, deadline=None)
@given(searches, words, searches, words, st.booleans())
def test_revoking_a_principal_leaves_what_there_was_without_it(history, said, hostile, lies, compacted) -> None:
    clean, poisoned = ledger(), ledger()
    honest = [(bucket, values, days, "anna") for bucket, values, days, _ in history]
    attack = [(bucket, values, days, "mallory") for bucket, values, days, _ in hostile]
    tell(clean, honest, said)
    tell(poisoned, attack, lies, prefix="x")
    tell(poisoned, honest, said)
    for one in (clean, poisoned):
        one.days(50)
        if compacted:
            one.compact()
    taken = poisoned.revoke(principals=["mallory"])
    assert taken.event_count == sum(len(values) for _, values, _, _ in attack) + len({(n % len(attack), m, k) for n, m, k, _ in lies})
    assert poisoned.digest().state_sha256 == clean.digest().state_sha256
    assert poisoned.digest().consistent
    assert poisoned.salience() == clean.salience()
    assert poisoned.revoke(principals=["mallory"]).event_count == 0


@settings(max_examples=30, deadline=None)
@given(searches, words, st.lists(st.integers(1, 60), max_size=5))
def test_folding_old_events_at_any_time_changes_no_reading(history, said, waits) -> None:
    never, often = ledger(), ledger()
    tell(never, history, said)
    tell(often, history, said)
    for days in waits:
        often.days(days)
        often.compact()
    never.now_us = often.now_us
    assert often.salience() == never.salience()
    assert often.digest().state_sha256 == never.digest().state_sha256
    assert often.digest().event_count == never.digest().event_count
    assert often.digest().consistent
    assert often.rebuild().changed_count == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_sums_stay_a_fold_of_the_ledger_whatever_is_done(seed) -> None:
    random_, target = random.Random(seed), ledger()
    for number in range(25):
        match random_.randrange(8):
            case 0 | 1 | 2:
                chosen = {one: random_.random() for one in random_.sample(IDS, 3)}
                target.search(f"s{number}", chosen, bucket=random_.randrange(3), principal=random_.choice(PRINCIPALS))
            case 3:
                target.feedback(
                    f"p{number}", {random_.choice(IDS): float(random_.randrange(2))}, EventKind.PIN, principal=random_.choice(PRINCIPALS)
                )
            case 4:
                target.revoke(principals=[random_.choice(PRINCIPALS)], kinds=[random_.choice([1, 5])])
            case 5:
                target.days(random_.randrange(60))
                target.compact()
            case 6:
                gone = random_.choice(IDS)
                target.write(lambda c, gone=gone: forgetting.forget(c, "t", [gone]))
            case 7:
                _move(target, random_.choice(IDS), random_.choice(["a", "b", "c"]))
        assert target.digest().consistent
    assert target.rebuild().changed_count == 0


def _move(target: LedgerFile, memory_id: str, domain: str) -> None:
    (old,) = target.connection.execute("SELECT domain FROM memory WHERE memory_id = ?", (memory_id,)).fetchone()
    target.connection.execute("UPDATE memory SET domain = ? WHERE memory_id = ?", (domain, memory_id))
    target.write(lambda c: forgetting.rewritten(c, "t", {memory_id: (old, domain)}))


def test_memories_that_change_their_domain_take_their_evidence_along() -> None:
    moved, there = LedgerFile(":memory:"), LedgerFile(":memory:")
    moved.store(*IDS, domain="old")
    there.store(*IDS, domain="new")
    for one in (moved, there):
        one.search("s1", dict.fromkeys(IDS, 0.8))
    for memory_id in IDS:
        _move(moved, memory_id, "new")
    assert moved.digest().state_sha256 == there.digest().state_sha256


def test_a_damaged_sum_is_found_and_rebuilt() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9, IDS[1]: 0.2})
    before = target.digest()
    target.connection.execute("UPDATE salience_state SET positive = x'01' WHERE memory_id = ?", (IDS[0],))
    target.connection.execute("DELETE FROM salience_base")
    assert target.digest().consistent is False
    assert target.rebuild().changed_count == 2
    assert target.digest() == before


def test_revoking_from_damaged_sums_is_refused_and_changes_nothing() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9})
    target.connection.execute("UPDATE salience_state SET positive = x'01'")
    before = target.digest()
    with pytest.raises(SchemaMismatchError, match="RebuildSalience"):
        target.revoke(principals=["anna"])
    assert target.digest() == before


def test_revoked_events_come_not_back_when_they_are_reported_again() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9})
    target.feedback("s1", {IDS[0]: 1.0})
    assert target.revoke(search_ids=["s1"]).event_count == 2
    before = target.digest()
    assert (target.search("s1", {IDS[0]: 0.9}).duplicate, target.feedback("s1", {IDS[0]: 1.0}).duplicate) == (1, 1)
    assert target.digest() == before
    assert before.event_count == 0


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"kinds": [EventKind.EXPLICIT]}, 4),
        ({"source_classes": [SourceClass.ASSISTANT]}, 3),
        ({"memory_ids": [IDS[0]]}, 2),
        ({"search_ids": ["s2"]}, 3),
        ({"begin_us": START_US + US_PER_DAY}, 3),
        ({"end_us": START_US + US_PER_DAY}, 2),
        ({"principals": ["anna"], "memory_ids": [IDS[1]]}, 4),
    ],
)
def test_a_selector_takes_exactly_what_it_says(conditions, left) -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9, IDS[1]: 0.9})
    target.feedback("s1", {IDS[0]: 1.0})
    target.days(1)
    target.search("s2", {IDS[0]: 0.9, IDS[2]: 0.9}, principal="bert", source_class=SourceClass.ASSISTANT)
    target.revoke(**conditions)
    digest = target.digest()
    assert (digest.event_count, digest.consistent) == (left, True)


def test_a_revocation_in_checkpoints_takes_a_principal_a_class_or_a_kind_exactly() -> None:
    for conditions in (
        {"principals": ["bert"]},
        {"source_classes": [SourceClass.ASSISTANT]},
        {"principals": ["bert"], "kinds": [EventKind.RERANK]},
    ):
        clean, target = ledger(), ledger()
        for one in (clean, target):
            one.search("s1", {IDS[0]: 0.9})
        target.search("s2", {IDS[0]: 0.1, IDS[4]: 0.7}, principal="bert", source_class=SourceClass.ASSISTANT)
        for one in (clean, target):
            one.days(100)
            one.compact()
        assert target.revoke(search_ids=["s2"]).event_count == 0
        taken = target.revoke(**conditions)
        assert (taken.event_count, taken.checkpointed_count, taken.memory_count) == (2, 2, 2)
        assert target.digest() == clean.digest() or target.digest().state_sha256 == clean.digest().state_sha256
        assert target.digest().consistent


def test_what_is_older_than_the_retention_is_refused_since_it_may_be_folded_already() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9})
    target.days(91)
    target.compact()
    before = target.digest()
    again = target.search("s1", {IDS[0]: 0.9}, time_us=START_US)
    assert again.rejected == ((IDS[0], "TOO_OLD"),)
    with pytest.raises(NotFoundError, match="older than what is kept"):
        target.feedback("s1", {IDS[0]: 1.0})
    # A clock that is set back does not open what is folded.
    target.days(-5)
    assert target.search("s1", {IDS[0]: 0.9}, time_us=START_US).rejected == ((IDS[0], "TOO_OLD"),)
    assert target.digest() == before
    assert before.event_count == 1


def test_pins_outlive_the_retention_and_the_next_one_comes_back_when_the_newest_is_revoked() -> None:
    target = ledger()
    target.feedback("p1", {IDS[0]: 1.0}, EventKind.PIN)
    target.days(1)
    target.feedback("p2", {IDS[0]: 0.0}, EventKind.PIN, principal="bert")
    target.days(300)
    target.compact()
    assert not target.salience()[IDS[0]].reading.pinned
    target.revoke(principals=["bert"])
    assert target.salience()[IDS[0]].reading.pinned
    assert target.digest().consistent


def test_recalibration_reads_every_raw_score_anew_and_keeps_repetitions_harmless() -> None:
    newer = Calibration(slope=8.0, intercept=-4.0, version="newer-1")
    target = ledger()
    target.search("s1", {IDS[0]: 0.9, IDS[1]: 0.2})
    known = {MINILM_MAXSIM.calibration.version: MINILM_MAXSIM.calibration, newer.version: newer}
    target.policy = replace(target.policy, calibrations=known, current_calibration=newer.version)
    assert target.rebuild().changed_count == 0
    assert target.rebuild(recalibrate=True).changed_count == 3
    evidence = target.salience()[IDS[0]].reading.passive.evidence
    assert evidence.positive == pytest.approx(relevance_of(0.9, newer))
    assert target.search("s1", {IDS[0]: 0.9, IDS[1]: 0.2}).duplicate == 2
    with pytest.raises(ConflictError):
        target.search("s1", {IDS[0]: 0.8})


def test_an_event_of_an_unknown_calibration_stops_the_recalibration_and_changes_nothing() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9})
    target.connection.execute("UPDATE event SET calibration_version = 'older-0'")
    before = target.digest()
    with pytest.raises(SchemaMismatchError, match=r"older-0.*minilm-maxsim-1"):
        target.rebuild(recalibrate=True)
    assert target.digest() == before


def test_another_half_life_folds_the_sums_anew_and_keeps_what_is_left_of_checkpoints() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.9})
    target.days(95)
    target.compact()
    target.search("s2", {IDS[0]: 0.9}, bucket=1)
    now_s = target.now_us / 1e6
    target.write(lambda c: startup.fit_rule(c, target.policy, now_s=now_s))
    before = target.salience()[IDS[0]].reading.passive.evidence
    slower = SalienceRule(passive=ChannelRule(half_life_days=40.0))
    target.policy = replace(target.policy, rule=slower)
    target.write(lambda c: startup.fit_rule(c, target.policy, now_s=now_s))
    after = target.salience()[IDS[0]].reading.passive.evidence
    assert after.positive == pytest.approx(before.positive, rel=1e-5)
    assert target.digest().consistent
    assert facts.read(target.connection, "half_life_days_passive", default=0.0) == 40.0
    later = target.salience(IDS[0], time_us=target.now_us + 40 * US_PER_DAY)[IDS[0]].reading.passive.evidence
    assert later.positive == pytest.approx(after.positive / 2)


def test_an_extended_member_adds_nothing_to_any_sum_of_a_search() -> None:
    with_, without = ledger(), ledger()
    pool = dict.fromkeys(IDS[:5], Pool.CLEAN) | {IDS[5]: Pool.EXTENDED}
    with_.search("s1", dict.fromkeys(IDS, 0.9), pool=pool)
    without.search("s1", dict.fromkeys(IDS[:5], 0.9), pool=pool)
    assert with_.digest() == without.digest()


def test_channels_are_never_averaged_with_each_other() -> None:
    target = ledger()
    target.search("s1", {IDS[0]: 0.0})
    passive = target.salience()[IDS[0]].reading
    target.feedback("s1", {IDS[0]: 1.0})
    both = target.salience()[IDS[0]].reading
    assert both.passive == passive.passive
    assert both.outside.log_odds > 0
    assert both.log_odds == pytest.approx(both.passive.log_odds + both.outside.log_odds)
    assert target.salience()[IDS[0]].counts == {Channel.PASSIVE: 1, Channel.OUTSIDE: 1}
