"""SalienceService over gRPC: what is recorded, what follows from it, and what is refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import grpc
import numpy as np
import pytest

from atlas import tensors
from atlas.type.v1 import salience_pb2, type_pb2
from services.memory.ledger.impressions import prune
from services.memory.persistence.database import open_database
from services.memory.persistence.durability import Durability
from tests.rpc.ledger_part import (
    CLEAN,
    DAY_S,
    EXPLICIT,
    EXPLORE,
    EXTENDED,
    OUTCOME,
    PIN,
    RERANK,
    START,
    SYSTEM,
    USED,
    ledger_service,
    query_of,
    scope,
    search,
)
from tests.rpc.memory_part import failure_of

UNKNOWN = str(uuid4())


async def test_evidence_moves_salience_up_for_relevant_and_down_for_irrelevant_memories(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        good, bad, unseen = await ledger.store("good", "bad", "unseen")
        reply = await ledger.record(search("s1", {good: 0.95, bad: 0.02}))
        assert (reply.accepted_count, reply.duplicate_count, list(reply.rejected)) == (2, 0, [])
        assert reply.durability == type_pb2.DURABILITY_PROCESS_CRASH
        found = {item.memory_id: item for item in await ledger.salience(good, bad, unseen)}
    assert found[bad].salience < found[unseen].salience < found[good].salience
    assert found[unseen].salience == found[unseen].prior
    assert (found[good].event_count, found[unseen].event_count) == (1, 0)
    assert found[good].outside_log_odds == 0.0
    assert found[good].last_retrieved.seconds == int(START.timestamp())


async def test_a_repeated_search_counts_once_even_after_its_impression_was_pruned_and_a_restart(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        await ledger.record(search("s1", {memory: 0.9}))
        before = await ledger.digest()
        ledger.clock.advance(3_600)
        reply = await ledger.record(search("s1", {memory: 0.9}))
        assert (reply.accepted_count, reply.duplicate_count) == (0, 1)
        assert await ledger.digest() == before
    async with open_database(tmp_path / "memory.sqlite3") as database:
        assert await database.write(lambda c: prune(c, before_us=2**62), durability=Durability.PROCESS_CRASH) == 1
    async with ledger_service(tmp_path) as ledger:
        reply = await ledger.record(search("s1", {memory: 0.9}))
        assert (reply.accepted_count, reply.duplicate_count) == (0, 1)
        after = await ledger.digest()
    assert (after.ledger_sha256, after.state_sha256, after.consistent) == (before.ledger_sha256, before.state_sha256, True)


async def test_what_may_not_count_is_rejected_with_its_reason(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        clean, extended, outside, broken, absurd, gone = await ledger.store("clean", "extended", "outside", "broken", "absurd", "gone")
        await ledger.forget(gone)
        before = await ledger.digest()
        scores = {clean: 0.9, extended: 0.9, outside: 0.9, gone: 0.9, broken: math.nan, absurd: 1.5}
        pool = {clean: CLEAN, extended: EXTENDED, gone: CLEAN, broken: CLEAN, absurd: CLEAN}
        reply = await ledger.record(search("s1", scores, pool=pool))
        after = await ledger.digest()
    assert reply.accepted_count == 1
    assert {item.memory_id: item.reason for item in reply.rejected} == {
        extended: "NOT_CLEAN",
        outside: "NOT_IN_POOL",
        gone: "UNKNOWN_MEMORY",
        broken: "NOT_FINITE",
        absurd: "OUT_OF_RANGE",
    }
    assert (after.event_count, after.state_count, after.memory_sha256) == (1, 1, before.memory_sha256)


async def test_an_infinite_raw_score_is_rejected_and_counts_nothing(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        request = search("s1", {memory: 0.9})
        request.events[0].raw_score = math.inf
        reply = await ledger.record(request)
        assert [item.reason for item in reply.rejected] == ["NOT_FINITE"]
        assert (await ledger.digest()).event_count == 0


WRONG_SEARCHES = [
    (lambda r: r.ClearField("search_id"), "search_id", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r, "search_id", "x" * 129), "search_id", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.scope.ClearField("tenant"), "scope.tenant", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.ClearField("query"), "query", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.query.CopyFrom(tensors.to_message(np.zeros(384, np.float32))), "query", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.query.CopyFrom(tensors.to_message(np.full(384, np.nan, np.float32))), "query", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.ClearField("fingerprint"), "fingerprint", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.search_time.FromDatetime(datetime(2026, 5, 1, 1)), "search_time", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.events[0].ClearField("kind"), "events[0].kind", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.events[0], "kind", EXPLICIT), "events[0].kind", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.events[0], "memory_id", "nobody"), "events[0].memory_id", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.events[0].ClearField("calibration_version"), "events[0].calibration_version", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.events[0], "calibration_version", "v9"), "events[0].calibration_version", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.pool[0], "propensity", 1.5), "pool[0].propensity", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.pool[0], "pool", 9), "pool[0].pool", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.pool[0], "result_rank", -1), "pool[0].result_rank", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: r.pool.append(r.pool[0]), "pool[1].memory_id", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r, "source_class", 9), "source_class", grpc.StatusCode.INVALID_ARGUMENT),
    (lambda r: setattr(r.pool[0], "generation", "nobody's"), "pool[0].generation", grpc.StatusCode.FAILED_PRECONDITION),
]


async def test_a_wrong_search_names_its_field_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        before = await ledger.digest()
        for change, field, code in WRONG_SEARCHES:
            request = search("s1", {memory: 0.9})
            change(request)
            failure = await failure_of(ledger.record(request))
            assert (failure.code, failure.fields) == (code, (field,)), failure
            assert await ledger.digest() == before


async def test_an_unknown_calibration_is_refused_naming_it_and_those_that_are_known(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        request = search("s1", {memory: 0.9})
        request.events[0].calibration_version = "v9"
        failure = await failure_of(ledger.record(request))
    assert failure.reason == "UNKNOWN_CALIBRATION"
    assert "'v9'" in failure.message
    assert "minilm-maxsim-1" in failure.message


async def test_the_generation_that_answered_is_accepted(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        request = search("s1", {memory: 0.9})
        request.pool[0].generation = ledger.generations["acme"]
        assert (await ledger.record(request)).accepted_count == 1
        assert (await ledger.impression("s1")).pool[0].generation == ledger.generations["acme"]


async def test_other_content_under_a_known_id_is_aborted_and_changes_nothing(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        one, two = await ledger.store("one", "two")
        await ledger.record(search("s1", {one: 0.9}))
        await ledger.feedback("s1", {one: 1.0})
        before = await ledger.digest()
        other_score = search("s1", {one: 0.8})
        for wrong in (ledger.record(search("s1", {two: 0.9})), ledger.record(other_score), ledger.feedback("s1", {one: 0.0})):
            assert (await failure_of(wrong)).code == grpc.StatusCode.ABORTED
        assert await ledger.digest() == before


async def test_feedback_moves_outside_worth_and_an_equal_repetition_counts_once(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        good, bad = await ledger.store("good", "bad")
        await ledger.record(search("s1", {good: 0.5, bad: 0.5}))
        reply = await ledger.feedback("s1", {good: 1.0, bad: 0.0})
        assert (reply.accepted_count, reply.duplicate_count, reply.ignored_count) == (2, 0, 0)
        assert reply.durability == type_pb2.DURABILITY_POWER_LOSS
        before = await ledger.digest()
        ledger.clock.advance(60)
        reply = await ledger.feedback("s1", {good: 1.0, bad: 0.0}, durability=type_pb2.DURABILITY_PROCESS_CRASH)
        assert (reply.accepted_count, reply.duplicate_count, reply.durability) == (0, 2, type_pb2.DURABILITY_PROCESS_CRASH)
        assert await ledger.digest() == before
        found = {item.memory_id: item for item in await ledger.salience(good, bad)}
    assert found[bad].outside_log_odds < -0.5 < 0.5 < found[good].outside_log_odds
    assert [channel.channel for channel in found[good].channels] == [
        salience_pb2.SALIENCE_CHANNEL_PASSIVE,
        salience_pb2.SALIENCE_CHANNEL_OUTSIDE,
    ]


async def test_feedback_counts_also_where_the_clock_was_set_back_since_the_search(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        await ledger.record(search("s1", {memory: 0.5}))
        searched = ledger.clock.now()
        ledger.clock.jump(-7_200.0)
        assert (await ledger.feedback("s1", {memory: 1.0})).accepted_count == 1
        [event] = [one for one in (await ledger.explain(memory)).events if one.kind == EXPLICIT]
        assert event.event_time.ToDatetime(UTC) == searched, "it is no older than its search"
        early = await failure_of(ledger.feedback("s1", {memory: 1.0}, USED, event_time=ledger.clock.now()))
        assert early.fields == ("event_time",)


async def test_feedback_works_on_a_search_that_had_no_vector_and_gave_no_evidence(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        request = search("s1", {}, pool={memory: CLEAN})
        request.ClearField("query")
        request.ClearField("fingerprint")
        await ledger.record(request)
        assert not (await ledger.impression("s1")).HasField("bucket")
        assert (await ledger.feedback("s1", {memory: 1.0}, USED)).accepted_count == 1
        assert (await ledger.salience(memory))[0].outside_log_odds > 0


async def test_wrong_feedback_names_its_field_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        inside, outside = await ledger.store("inside", "outside")
        await ledger.record(search("s1", {inside: 0.5}))
        before = await ledger.digest()
        invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
        late = {"event_time": ledger.clock.now().replace(hour=1)}
        early = {"event_time": datetime(2026, 4, 30, 23, tzinfo=UTC)}
        for call, code, field in (
            (ledger.feedback("nobody's", {inside: 1.0}), missing, "search_id"),
            (ledger.feedback("s1", {UNKNOWN: 1.0}), missing, "feedback[0].memory_id"),
            (ledger.feedback("s1", {outside: 1.0}), invalid, "feedback[0].memory_id"),
            (ledger.feedback("s1", {inside: 1.0, outside: 1.0}), invalid, "feedback[1].memory_id"),
            (ledger.feedback("s1", {inside: 1.5}), invalid, "feedback[0].value"),
            (ledger.feedback("s1", {inside: math.nan}), invalid, "feedback[0].value"),
            (ledger.feedback("s1", {inside: 0.5}, PIN), invalid, "feedback[0].value"),
            (ledger.feedback("s1", {inside: 1.0}, RERANK), invalid, "feedback[0].kind"),
            (ledger.feedback("s1", {inside: 1.0}, 0), invalid, "feedback[0].kind"),
            (ledger.feedback("", {inside: 1.0}), invalid, "search_id"),
            (ledger.feedback("s1", {}), invalid, "feedback"),
            (ledger.feedback("s1", {inside: 1.0}, **late), invalid, "event_time"),
            (ledger.feedback("s1", {inside: 1.0}, **early), invalid, "event_time"),
            (ledger.feedback("s1", {inside: 1.0}, caller=scope("other")), missing, "search_id"),
        ):
            failure = await failure_of(call)
            assert (failure.code, failure.fields) == (code, (field,)), failure
            assert await ledger.digest() == before


async def test_only_a_word_counts_for_what_salience_itself_brought_in(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        clean, extended = await ledger.store("clean", "extended")
        await ledger.record(search("s1", {clean: 0.9, extended: 0.9}, pool={clean: CLEAN, extended: EXTENDED}))
        for kind in (USED, OUTCOME):
            reply = await ledger.feedback("s1", {extended: 1.0}, kind)
            assert (reply.accepted_count, reply.ignored_count) == (0, 1)
        assert (await ledger.salience(extended))[0].log_odds == 0.0
        assert (await ledger.digest()).event_count == 1
        assert (await ledger.feedback("s1", {extended: 1.0}, EXPLICIT)).accepted_count == 1
        assert (await ledger.salience(extended))[0].outside_log_odds > 0.0


async def test_what_chance_brought_in_weighs_its_inverse_propensity_up_to_the_cap(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        one, rare = await ledger.store("one", "rare")
        await ledger.record(search("s1", {one: 1.0}, pool={one: EXPLORE}, propensity=0.25))
        await ledger.record(search("s2", {rare: 1.0}, pool={rare: EXPLORE}, propensity=0.001))
        found = {item.memory_id: item.channels[0].evidence_for for item in await ledger.salience(one, rare)}
    assert found == {one: pytest.approx(4.0), rare: pytest.approx(10.0)}


async def test_the_newest_pin_decides_and_does_not_decay(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        assert (await ledger.feedback("", {memory: 1.0}, PIN)).accepted_count == 1
        ledger.clock.advance(400 * DAY_S)
        (pinned,) = await ledger.salience(memory)
        assert (pinned.pinned, pinned.log_odds, pinned.outside_log_odds) == (True, 3.0, 3.0)
        old = {"event_time": START.replace(hour=0, month=4)}
        await ledger.feedback("older", {memory: 0.0}, PIN, **old)
        assert (await ledger.salience(memory))[0].pinned
        await ledger.feedback("newer", {memory: 0.0}, PIN)
        assert not (await ledger.salience(memory))[0].pinned
        assert (await ledger.digest()).consistent
        await ledger.revoke(search_ids=["newer"])
        assert (await ledger.salience(memory))[0].pinned
        assert (await ledger.digest()).consistent


async def test_system_traffic_counts_only_where_a_setting_says_so(tmp_path: Path) -> None:
    async with ledger_service(tmp_path / "a") as ledger:
        (memory,) = await ledger.store("one")
        reply = await ledger.record(search("s1", {memory: 0.9}, source_class=SYSTEM))
        assert [item.reason for item in reply.rejected] == ["SYSTEM_TRAFFIC"]
        assert (await ledger.feedback("s1", {memory: 1.0}, source_class=SYSTEM)).ignored_count == 1
        assert (await ledger.digest()).event_count == 0
    async with ledger_service(tmp_path / "b", salience_count_system_traffic=True) as ledger:
        (memory,) = await ledger.store("one")
        assert (await ledger.record(search("s1", {memory: 0.9}, source_class=SYSTEM))).accepted_count == 1
        assert (await ledger.feedback("s1", {memory: 1.0}, source_class=SYSTEM)).accepted_count == 1


async def test_a_principal_counts_only_within_its_budget_of_the_day(tmp_path: Path) -> None:
    async with ledger_service(tmp_path, salience_passive_budget=3, salience_outside_budget=2) as ledger:
        one, two = await ledger.store("one", "two")
        await ledger.record(search("s1", {one: 0.9, two: 0.9}))
        reply = await ledger.record(search("s2", {one: 0.9, two: 0.9}))
        assert (reply.accepted_count, [item.reason for item in reply.rejected]) == (1, ["OVER_BUDGET"])
        assert (await ledger.record(search("s3", {one: 0.9}, caller=scope(principal="bert")))).accepted_count == 1
        await ledger.feedback("s1", {one: 1.0})
        before = await ledger.digest()
        failure = await failure_of(ledger.feedback("s2", {one: 1.0, two: 1.0}))
        assert (failure.code, failure.reason, failure.retry) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVER_BUDGET", True)
        assert (failure.values["left_count"], failure.values["budget"], failure.values["principal"]) == ("1", "2", "anna")
        assert await ledger.digest() == before
        ledger.clock.advance(DAY_S)
        assert (await ledger.feedback("s2", {one: 1.0, two: 1.0})).accepted_count == 2
        assert (await ledger.record(search("s4", {one: 0.9, two: 0.9}))).accepted_count == 2


async def test_budgets_hold_when_many_report_at_once(tmp_path: Path) -> None:
    import asyncio

    async with ledger_service(tmp_path, salience_passive_budget=50) as ledger:
        ids = await ledger.store(*(f"m{number}" for number in range(8)))
        replies = await asyncio.gather(*(ledger.record(search(f"s{n}", dict.fromkeys(ids, 0.5))) for n in range(20)))
        assert sum(reply.accepted_count for reply in replies) == 50
        digest = await ledger.digest()
    assert (digest.event_count, digest.consistent) == (50, True)


async def test_salience_outside_the_scope_is_not_seen(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (inside,) = await ledger.store("inside", domain="a")
        (outside,) = await ledger.store("outside", domain="b")
        assert [item.memory_id for item in await ledger.salience(inside, outside, caller=scope(domains=["a"]))] == [inside]
        assert await ledger.salience(inside, caller=scope("other")) == []
        failure = await failure_of(ledger.explain(outside, scope(domains=["a"])))
        assert failure.code == grpc.StatusCode.NOT_FOUND


async def test_a_full_disk_refuses_evidence_and_goes_on_reading(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        await ledger.record(search("s1", {memory: 0.9}))
    async with ledger_service(tmp_path, free_space_watermark_bytes=1 << 50) as ledger:
        before = await ledger.digest()
        for call in (ledger.record(search("s2", {memory: 0.9})), ledger.feedback("s1", {memory: 1.0}), ledger.revoke(principals=["anna"])):
            failure = await failure_of(call)
            assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL")
        assert await ledger.digest() == before
        assert (await ledger.salience(memory))[0].event_count == 1


async def test_one_question_repeated_for_ever_stays_within_its_bound(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        one, *others = await ledger.store("one", "two", "three", "four")
        for number in range(60):
            await ledger.record(search(f"s{number}", {one: 1.0, **dict.fromkeys(others, 0.0)}))
        found = (await ledger.salience(one))[0]
    assert found.event_count == 60
    assert found.log_odds < 1.4


async def test_time_brings_salience_back_to_the_prior(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        await ledger.record(search("s1", {memory: 1.0}))
        before = (await ledger.salience(memory))[0]
        ledger.clock.advance(20 * DAY_S)
        half = (await ledger.salience(memory))[0]
        ledger.clock.advance(2_000 * DAY_S)
        late = (await ledger.salience(memory))[0]
    assert half.channels[0].evidence_for == before.channels[0].evidence_for / 2
    assert late.salience == pytest.approx(late.prior, abs=1e-6)


async def test_an_explanation_adds_up_to_the_salience_that_it_explains(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        for number in range(6):
            await ledger.record(search(f"s{number}", {memory: 0.8}, query=query_of(number)))
            ledger.clock.advance(DAY_S)
        await ledger.feedback("s0", {memory: 1.0})
        explanation = await ledger.explain(memory)
        (found,) = await ledger.salience(memory)
    assert explanation.salience == found
    passive = [one for one in explanation.buckets if one.channel == salience_pb2.SALIENCE_CHANNEL_PASSIVE]
    assert sum(one.evidence_for for one in passive) == pytest.approx(found.channels[0].evidence_for)
    assert sum(one.event_count for one in passive) == 6
    strength, prior = explanation.rule["passive_prior_strength"], found.channels[0].prior
    positive = sum(one.share * one.evidence_for for one in passive)
    mass = positive + sum(one.share * one.evidence_against for one in passive)
    assert (strength * prior + positive) / (strength + mass) == pytest.approx(found.channels[0].mean)
    assert [event.kind for event in explanation.events[:2]] == [EXPLICIT, RERANK]
    rerank = [event for event in explanation.events if event.kind == RERANK]
    assert sum(event.weight * event.decay for event in rerank) == pytest.approx(
        sum(o.evidence_for + o.evidence_against for o in passive), rel=1e-5
    )
    assert explanation.events[0].caller.principal == "anna"


async def test_an_impression_shows_its_pool_without_what_is_deleted_or_out_of_scope(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (one,) = await ledger.store("one", domain="a")
        two, three = await ledger.store("two", "three", domain="b")
        await ledger.record(search("s1", {}, pool={one: CLEAN, two: EXTENDED, three: CLEAN}))
        await ledger.forget(three)
        assert [entry.memory_id for entry in (await ledger.impression("s1")).pool] == [one, two]
        seen = await ledger.impression("s1", scope(domains=["b"]))
        assert [(entry.memory_id, entry.pool) for entry in seen.pool] == [(two, EXTENDED)]
        for caller in (scope("other"), scope(domains=["c"])):
            assert (await failure_of(ledger.impression("s1", caller))).code == grpc.StatusCode.NOT_FOUND
        assert (await failure_of(ledger.impression("s2"))).code == grpc.StatusCode.NOT_FOUND
