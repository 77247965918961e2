"""What a search reads of memories is what a full reading gives, to the last bit: of its hits, and of hundreds more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.salience import Channel, EventKind, Evidence, Worth, channel_log_odds, read_channel
from services.memory.ledger import forgetting, reading
from services.memory.ledger.policy import LedgerPolicy
from tests.unit.ledger_file import IDS, LedgerFile

MASS = st.floats(0.0, 1e6, allow_nan=False)


@pytest.fixture
def ledger() -> LedgerFile:
    ledger = LedgerFile(":memory:")
    ledger.store(*IDS[:3], domain="home")
    ledger.store(*IDS[3:], domain="work")
    return ledger


def quick(ledger: LedgerFile, *memory_ids: str) -> dict[str, float]:
    return reading.log_odds(ledger.connection, "t", memory_ids or IDS, ledger.now_us / 1e6, ledger.policy.rule)


def full(ledger: LedgerFile) -> dict[str, float]:
    return {memory_id: known.reading.log_odds for memory_id, known in ledger.salience().items()}


def worths(ledger: LedgerFile, *memory_ids: str) -> dict[str, Worth]:
    return reading.worths(ledger.connection, "t", memory_ids or IDS, ledger.now_us / 1e6, ledger.policy.rule)


def full_worths(ledger: LedgerFile) -> dict[str, Worth]:
    readings = {memory_id: known.reading for memory_id, known in ledger.salience().items()}
    return {memory_id: Worth(one.salience, one.log_odds, one.outside_log_odds) for memory_id, one in readings.items()}


def learn(ledger: LedgerFile) -> None:
    ledger.search("s1", {one: 0.1 + 0.15 * place for place, one in enumerate(IDS[:5])})
    ledger.search("s2", {IDS[0]: 0.97, IDS[3]: 0.2}, bucket=7, principal="berta")
    ledger.days(3.5)
    ledger.feedback("s1", {IDS[0]: 1.0, IDS[4]: 0.0})
    ledger.feedback("s2", {IDS[3]: 1.0, IDS[5]: 1.0}, EventKind.PIN)
    ledger.days(11)


def test_what_hits_are_worth_is_what_a_full_reading_says_over_buckets_channels_domains_pins_and_time(ledger: LedgerFile) -> None:
    assert worths(ledger) == full_worths(ledger)
    learn(ledger)
    found = worths(ledger)
    assert found == full_worths(ledger)
    assert set(found) == set(IDS)
    assert len({one.salience for one in found.values()}) == len(IDS) - 1, "all differ but the two that are at the limit"
    assert found[IDS[5]].outside_log_odds > 0.0 > found[IDS[4]].outside_log_odds


def test_last_retrievals_are_those_of_a_full_reading(ledger: LedgerFile) -> None:
    assert reading.last_retrievals(ledger.connection, "t", IDS) == {}
    learn(ledger)
    found = reading.last_retrievals(ledger.connection, "t", IDS)
    assert {one: found.get(one) for one in IDS} == {one: known.last_retrieved_us for one, known in ledger.salience().items()}
    assert IDS[5] not in found, "a pin is no retrieval"
    assert len(set(found.values())) > 1
    assert reading.last_retrievals(ledger.connection, "t", IDS[:1]) == {IDS[0]: found[IDS[0]]}
    assert reading.last_retrievals(ledger.connection, "other", IDS) == {}


def test_a_hit_that_is_named_twice_is_worth_no_more(ledger: LedgerFile) -> None:
    learn(ledger)
    assert worths(ledger, IDS[0], IDS[0]) == {IDS[0]: full_worths(ledger)[IDS[0]]}


def test_a_hit_that_is_not_stored_or_another_tenants_is_left_out(ledger: LedgerFile) -> None:
    learn(ledger)
    assert set(worths(ledger, IDS[0], "00000000-0000-0000-0000-000000000009")) == {IDS[0]}
    assert reading.worths(ledger.connection, "other", IDS, ledger.now_us / 1e6, ledger.policy.rule) == {}


def test_nothing_is_said_of_memories_about_which_nothing_was_learnt(ledger: LedgerFile) -> None:
    ledger.search("s1", {IDS[0]: 0.9})
    assert set(quick(ledger)) == {IDS[0]}
    assert quick(ledger, IDS[1]) == {}
    assert all(full(ledger)[one] == 0.0 for one in IDS[1:])


def test_they_equal_those_of_a_full_reading_over_buckets_channels_domains_pins_and_time(ledger: LedgerFile) -> None:
    learn(ledger)
    assert quick(ledger) == {one: value for one, value in full(ledger).items() if one in quick(ledger)}
    assert set(quick(ledger)) == set(IDS)
    assert quick(ledger)[IDS[5]] > 0.0 > quick(ledger)[IDS[4]]


def test_a_forgotten_memory_has_none(ledger: LedgerFile) -> None:
    ledger.search("s1", {IDS[0]: 0.9, IDS[1]: 0.9})
    ledger.feedback("s1", {IDS[1]: 1.0}, EventKind.PIN)
    ledger.write(lambda connection: forgetting.forget(connection, "t", IDS[:2]))
    assert quick(ledger) == {}


def test_another_tenant_sees_nothing(ledger: LedgerFile) -> None:
    ledger.search("s1", {IDS[0]: 0.9})
    assert reading.log_odds(ledger.connection, "other", IDS, ledger.now_us / 1e6, ledger.policy.rule) == {}


@given(st.lists(st.builds(Evidence, MASS, MASS), min_size=1, max_size=6), st.floats(0.01, 0.99), st.sampled_from(Channel))
def test_the_log_odds_of_a_channel_are_those_of_its_reading(buckets: list[Evidence], prior: float, channel: Channel) -> None:
    rule = LedgerPolicy().rule.of(channel)
    found = channel_log_odds(buckets, prior, rule)
    assert found == read_channel(buckets, prior, rule).log_odds
    assert math.isfinite(found)
