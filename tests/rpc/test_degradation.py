"""What a search gives while a part behind the gateway is away, late or wrong: order, `degraded`, calls made, events written."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from atlas.channel import MAX_ATTEMPTS
from atlas.errors import (
    AtlasError,
    ConflictError,
    DependencyDownError,
    DiskFullError,
    InvalidInputError,
    ModelFaultError,
    NotFoundError,
    OverloadedError,
    SchemaMismatchError,
    UnsupportedError,
)
from atlas.gateway.v1 import gateway_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.gateway_stubs import CALIBRATION, FINGERPRINT, IDS, House, changed, failing, never, open_house

POOL_ORDER = [0, 1, 2, 3, 4]
RERANKED_ORDER = [4, 3, 2, 1, 0]
LEXICAL_POOL_ORDER = [3, 1, 2]
LEXICAL_RERANKED_ORDER = [2, 1, 3]
AWAY = DependencyDownError("away")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(result_count=20) as opened:
        yield opened


def places(response: gateway_pb2.SearchResponse) -> list[int]:
    return [IDS.index(hit.memory.memory_id) for hit in response.hits]


def degraded(response: gateway_pb2.SearchResponse) -> list[tuple[str, str]]:
    return [(item.stage, item.reason) for item in response.degraded]


def calls(house: House) -> dict[str, int]:
    work = {"Embed": house.embedder, "Rerank": house.reranker, "QueryMemories": house.memory, "RecordEvents": house.memory}
    return {method: stub.calls[method] for method, stub in work.items()}


def written(house: House) -> list[tuple[int, int]]:
    """Pool members and events of each recorded search."""
    return [(len(request.pool), len(request.events)) for request in house.memory.requests.get("RecordEvents", [])]


async def refusal(house: House, **fields: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.search(**fields)
    return caught.value


def detail(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    message = kind()
    assert any(item.Unpack(message) for item in status.details), f"{error} carries no {kind.__name__}"
    return message


async def test_a_complete_search_calls_each_part_once_and_writes_evidence_of_the_whole_pool(house: House) -> None:
    response = await house.search(request_id="search-1")

    assert places(response) == RERANKED_ORDER
    assert [hit.rank for hit in response.hits] == [1, 2, 3, 4, 5]
    assert [hit.rank_score for hit in response.hits] == sorted((hit.rank_score for hit in response.hits), reverse=True)
    assert degraded(response) == []
    assert calls(house) == {"Embed": 1, "Rerank": 1, "QueryMemories": 1, "RecordEvents": 1}
    [request] = house.memory.requests["RecordEvents"]
    assert request.search_id == response.search_id == "search-1"
    assert request.fingerprint == FINGERPRINT
    assert [IDS.index(entry.memory_id) for entry in request.pool] == POOL_ORDER
    assert {event.calibration_version for event in request.events} == {CALIBRATION}
    assert [event.rank_before_salience for event in request.events] == [5, 4, 3, 2, 1]
    assert response.salience_write.accepted_count == 5
    assert response.salience_write.skipped_reason == ""
    assert response.salience_write.durability == type_pb2.DURABILITY_PROCESS_CRASH


async def test_only_results_have_a_rank_in_the_evidence(house: House) -> None:
    await house.search(result_count=2)
    [request] = house.memory.requests["RecordEvents"]
    assert [event.rank_before_salience for event in request.events] == [0, 0, 0, 2, 1]


async def test_stage_times_and_the_rest_sum_to_the_wall_time(house: House) -> None:
    response = await house.search()
    spans = [span for stage in response.timings for span in (stage.queue, stage.compute, stage.network)]
    assert [stage.stage for stage in response.timings] == ["embed", "candidates", "rerank", "assemble", "record"]
    assert sum(span.ToNanoseconds() for span in spans) / 1e9 + response.unaccounted_seconds == pytest.approx(response.total_seconds)


@pytest.mark.parametrize(
    ("error", "reason", "attempts"),
    [
        (AWAY, "RERANK_UNAVAILABLE", MAX_ATTEMPTS),
        (OverloadedError("full"), "RERANK_OVERLOADED", 1),
        (ModelFaultError("NaN"), "RERANK_FAULT", 1),
        (AtlasError("bug"), "RERANK_FAULT", 1),
    ],
)
async def test_without_the_reranker_the_order_is_that_of_the_pool(house: House, error: AtlasError, reason: str, attempts: int) -> None:
    house.reranker.behaviour["Rerank"] = failing(error)
    response = await house.search()
    assert_pool_order(house, response, reason, attempts)


def assert_pool_order(house: House, response: gateway_pb2.SearchResponse, reason: str, attempts: int) -> None:
    assert places(response) == POOL_ORDER
    assert not any(hit.HasField("relevance") or hit.HasField("rank_score") for hit in response.hits)
    assert degraded(response) == [("rerank", reason)]
    assert calls(house) == {"Embed": 1, "Rerank": attempts, "QueryMemories": 1, "RecordEvents": 1}
    assert written(house) == [(5, 0)]
    assert response.salience_write.skipped_reason == "DEGRADED"
    assert not response.salience_write.HasField("error")


async def test_a_reranker_that_does_not_listen_gives_pool_order(house: House) -> None:
    await house.reranker.stop()
    response = await house.search()
    assert_pool_order(house, response, "RERANK_UNAVAILABLE", 0)


async def test_a_slow_reranker_gives_pool_order_within_the_deadline(house: House) -> None:
    house.reranker.behaviour["Rerank"] = never()
    response = await house.search(timeout_s=0.5)
    assert_pool_order(house, response, "RERANK_TIMEOUT", 1)


async def test_a_slow_reranker_and_no_deadline_say_so_in_a_notice() -> None:
    async with open_house(search_deadline_ms=400) as house:
        house.reranker.behaviour["Rerank"] = never()
        response = await house.search()
    assert [notice.code for notice in response.notices] == ["DEFAULT_DEADLINE"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda reply: setattr(reply.scores[2], "raw_score", math.nan), id="a NaN score"),
        pytest.param(lambda reply: setattr(reply.scores[2], "relevance", 1.5), id="an impossible relevance"),
        pytest.param(lambda reply: reply.scores[2].ClearField("raw_score"), id="a missing score"),
        pytest.param(lambda reply: reply.scores.pop(), id="a wrong count"),
        pytest.param(lambda reply: setattr(reply.scores[2], "id", IDS[0]), id="a wrong id"),
    ],
)
async def test_a_reranker_that_answers_nonsense_gives_pool_order(house: House, spoil: Any) -> None:
    house.reranker.behaviour["Rerank"] = changed(house.reranker.reranked, spoil)
    response = await house.search()
    assert_pool_order(house, response, "RERANK_FAULT", 1)


def unscored(*positions: int) -> Any:
    def spoil(reply: Any) -> None:
        for position in positions:
            memory_id = reply.scores[position].id
            reply.scores[position].Clear()
            reply.scores[position].id = memory_id

    return spoil


async def test_of_a_partly_scored_pool_the_scored_come_first_and_they_alone_give_evidence(house: House) -> None:
    house.reranker.behaviour["Rerank"] = changed(house.reranker.reranked, unscored(0, 3))
    response = await house.search()
    assert places(response) == [4, 2, 1, 0, 3]
    assert [hit.HasField("rank_score") for hit in response.hits] == [True, True, True, False, False]
    assert degraded(response) == [("rerank", "RERANK_PARTIAL")]
    assert written(house) == [(5, 3)]
    assert response.salience_write.skipped_reason == ""


async def test_a_budget_that_ends_before_the_first_score_counts_as_late(house: House) -> None:
    house.reranker.behaviour["Rerank"] = changed(house.reranker.reranked, unscored(*range(5)))
    response = await house.search()
    assert_pool_order(house, response, "RERANK_TIMEOUT", 1)


async def test_the_reranker_gets_less_time_than_the_search_has(house: House) -> None:
    await house.search(timeout_s=1.0)
    [request] = house.reranker.requests["Rerank"]
    assert 0 < request.budget.max_time.ToMilliseconds() < 900


@pytest.mark.parametrize(
    ("error", "reason", "attempts"),
    [
        (AWAY, "EMBEDDER_UNAVAILABLE", MAX_ATTEMPTS),
        (OverloadedError("full"), "EMBEDDER_UNAVAILABLE", 1),
        (ModelFaultError("zero vector"), "EMBEDDER_FAULT", 1),
        (AtlasError("bug"), "EMBEDDER_FAULT", 1),
    ],
)
async def test_without_the_embedder_the_pool_is_lexical_and_nothing_is_learnt(
    house: House, error: AtlasError, reason: str, attempts: int
) -> None:
    house.embedder.behaviour["Embed"] = failing(error)
    response = await house.search()
    assert_lexical(house, response, reason, attempts)


def assert_lexical(house: House, response: gateway_pb2.SearchResponse, reason: str, attempts: int) -> None:
    assert places(response) == LEXICAL_RERANKED_ORDER
    assert degraded(response) == [("embed", reason)]
    assert calls(house) == {"Embed": attempts, "Rerank": 1, "QueryMemories": 1, "RecordEvents": 1}
    [query] = house.memory.requests["QueryMemories"]
    assert not query.vectors
    assert not query.HasField("query_fragmentation")
    assert written(house) == [(3, 0)]
    assert response.salience_write.skipped_reason == "DEGRADED"


async def test_an_embedder_that_does_not_listen_gives_a_lexical_pool(house: House) -> None:
    await house.embedder.stop()
    assert_lexical(house, await house.search(), "EMBEDDER_UNAVAILABLE", 0)


async def test_a_slow_embedder_leaves_time_for_a_lexical_answer(house: House) -> None:
    house.embedder.behaviour["Embed"] = never()
    assert_lexical(house, await house.search(timeout_s=1.0), "EMBEDDER_TIMEOUT", 1)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda reply: setattr(reply.dense, "data", b"\0\0\xc0\x7f" * 4), id="NaN"),
        pytest.param(lambda reply: setattr(reply.dense, "data", b"\0" * 16), id="a zero vector"),
        pytest.param(lambda reply: setattr(reply.dense, "data", b"\0" * 3), id="too few bytes"),
        pytest.param(lambda reply: reply.reports.pop(), id="no report"),
    ],
)
async def test_an_embedder_that_answers_nonsense_gives_a_lexical_pool(house: House, spoil: Any) -> None:
    house.embedder.behaviour["Embed"] = changed(house.embedder.embedded, spoil)
    assert_lexical(house, await house.search(), "EMBEDDER_FAULT", 1)


async def test_without_both_models_the_answer_is_the_lexical_pool(house: House) -> None:
    await house.embedder.stop()
    await house.reranker.stop()
    response = await house.search()
    assert places(response) == LEXICAL_POOL_ORDER
    assert degraded(response) == [("embed", "EMBEDDER_UNAVAILABLE"), ("rerank", "RERANK_UNAVAILABLE")]
    assert written(house) == [(3, 0)]


async def test_a_picture_alone_needs_the_embedder(house: House) -> None:
    await house.embedder.stop()
    image = type_pb2.Input(image=type_pb2.Image(data=b"png", media_type="image/png"))
    error = await refusal(house, query=image)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert calls(house)["QueryMemories"] == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("inputs[0] holds 300 word pieces; 256 are allowed", field="inputs[0].text"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnsupportedError("no pictures"), grpc.StatusCode.UNIMPLEMENTED),
    ],
)
async def test_what_the_caller_did_wrong_is_never_answered_with_less(house: House, error: AtlasError, code: grpc.StatusCode) -> None:
    house.embedder.behaviour["Embed"] = failing(error)
    refused = await refusal(house)
    assert refused.code() is code
    assert calls(house) == {"Embed": 1, "Rerank": 0, "QueryMemories": 0, "RecordEvents": 0}


async def test_a_query_over_the_token_limit_names_the_query_and_both_numbers(house: House) -> None:
    long = InvalidInputError("inputs[0] holds 300 word pieces; 256 are allowed", field="inputs[0].text", count=300, limit=256)
    house.embedder.behaviour["Embed"] = failing(long)
    error = await refusal(house)
    assert error.details() == "query holds 300 word pieces; 256 are allowed"
    assert detail(error, BadRequest).field_violations[0].field == "query.text"
    assert dict(detail(error, ErrorInfo).metadata) == {"count": "300", "limit": "256"}


async def test_without_memory_there_is_no_answer_but_a_retry_delay(house: House) -> None:
    house.memory.behaviour["QueryMemories"] = failing(AWAY)
    error = await refusal(house)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert detail(error, RetryInfo).retry_delay.ToMilliseconds() > 0
    assert calls(house) == {"Embed": 1, "Rerank": 0, "QueryMemories": MAX_ATTEMPTS, "RecordEvents": 0}


async def test_a_memory_that_does_not_listen_is_unavailable_with_a_retry_delay(house: House) -> None:
    await house.memory.stop()
    error = await refusal(house)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert detail(error, RetryInfo).retry_delay.ToMilliseconds() > 0


async def test_an_engine_that_restarts_passes_its_own_retry_delay(house: House) -> None:
    restarting = DependencyDownError("the engine restarts", reason="ENGINE_RESTARTING", retry_after_ms=250)
    house.memory.behaviour["QueryMemories"] = failing(restarting)
    error = await refusal(house)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert detail(error, RetryInfo).retry_delay.ToMilliseconds() == 250
    assert detail(error, ErrorInfo).reason == "ENGINE_RESTARTING"
    assert calls(house)["QueryMemories"] == MAX_ATTEMPTS


async def test_an_engine_that_is_back_at_the_second_attempt_is_not_noticed(house: House) -> None:
    house.memory.behaviour["QueryMemories"] = failing(AWAY, times=1, then=house.memory.found)
    response = await house.search()
    assert places(response) == RERANKED_ORDER
    assert calls(house) == {"Embed": 1, "Rerank": 1, "QueryMemories": 2, "RecordEvents": 1}


async def test_a_slow_memory_takes_the_whole_deadline(house: House) -> None:
    house.memory.behaviour["QueryMemories"] = never()
    error = await refusal(house, timeout_s=0.3)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls(house) == {"Embed": 1, "Rerank": 0, "QueryMemories": 1, "RecordEvents": 0}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("no such collection"), grpc.StatusCode.NOT_FOUND),
        (SchemaMismatchError("foreign fingerprint"), grpc.StatusCode.FAILED_PRECONDITION),
        (InvalidInputError("bad filter"), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_memory_refuses_is_refused(house: House, error: AtlasError, code: grpc.StatusCode) -> None:
    house.memory.behaviour["QueryMemories"] = failing(error)
    assert (await refusal(house)).code() is code
    assert calls(house) == {"Embed": 1, "Rerank": 0, "QueryMemories": 1, "RecordEvents": 0}


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (AWAY, grpc.StatusCode.UNAVAILABLE, MAX_ATTEMPTS),
        (DiskFullError("full"), grpc.StatusCode.RESOURCE_EXHAUSTED, 1),
        (ConflictError("other pool"), grpc.StatusCode.ABORTED, 1),
        (AtlasError("bug"), grpc.StatusCode.INTERNAL, 1),
    ],
)
async def test_a_failed_record_leaves_the_answer_whole_and_says_so(
    house: House, error: AtlasError, code: grpc.StatusCode, attempts: int
) -> None:
    house.memory.behaviour["RecordEvents"] = failing(error)
    response = await house.search()
    assert places(response) == RERANKED_ORDER
    assert degraded(response) == []
    assert response.salience_write.error.code == code.value[0]
    assert response.salience_write.accepted_count == 0
    assert response.salience_write.durability == type_pb2.DURABILITY_UNSPECIFIED
    assert calls(house)["RecordEvents"] == attempts


async def test_a_slow_record_is_given_up() -> None:
    async with open_house(record_cap_ms=100) as house:
        house.memory.behaviour["RecordEvents"] = never()
        response = await house.search()
        assert response.salience_write.error.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        assert house.memory.calls["RecordEvents"] == 1


@pytest.mark.parametrize("mode", ["OFF", "READ"])
async def test_a_search_that_must_not_write_calls_no_ledger(house: House, mode: str) -> None:
    response = await house.search(salience_mode=f"SALIENCE_MODE_{mode}")
    assert places(response) == RERANKED_ORDER
    assert calls(house)["RecordEvents"] == 0
    assert response.salience_write.skipped_reason == mode
    assert all(hit.HasField("salience") == (mode == "READ") for hit in response.hits)


async def test_a_query_that_the_encoder_cannot_read_has_no_relevance_and_gives_no_evidence(house: House) -> None:
    house.embedder.fragmentation = 0.8
    response = await house.search(min_relevance=0.99)
    assert len(response.hits) == 5
    assert not any(hit.HasField("relevance") for hit in response.hits)
    assert all(hit.HasField("rank_score") for hit in response.hits)
    assert [notice.code for notice in response.notices] == ["QUERY_UNREADABLE", "MIN_RELEVANCE_NOT_APPLIED"]
    assert written(house) == [(5, 0)]
    assert response.salience_write.skipped_reason == "UNREADABLE"


async def test_min_relevance_drops_what_is_below_it(house: House) -> None:
    response = await house.search(min_relevance=0.45)
    assert places(response) == [4, 3]
    assert not response.notices


async def test_without_the_reranker_min_relevance_drops_nothing_and_says_so(house: House) -> None:
    await house.reranker.stop()
    response = await house.search(min_relevance=0.99)
    assert len(response.hits) == 5
    assert [notice.code for notice in response.notices] == ["MIN_RELEVANCE_NOT_APPLIED"]


@pytest.mark.parametrize(
    ("part", "method", "behaviour", "code"),
    [
        ("embedder", "Embed", failing(AWAY), grpc.StatusCode.UNAVAILABLE),
        ("embedder", "Embed", failing(ModelFaultError("NaN")), grpc.StatusCode.INTERNAL),
        ("reranker", "Rerank", failing(AWAY), grpc.StatusCode.UNAVAILABLE),
        ("reranker", "Rerank", failing(OverloadedError("full")), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("reranker", "Rerank", never(), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_a_search_that_must_be_complete_fails_with_the_error_of_the_stage(
    house: House, part: str, method: str, behaviour: Any, code: grpc.StatusCode
) -> None:
    getattr(house, part).behaviour[method] = behaviour
    error = await refusal(house, require_complete=True, timeout_s=1.0)
    assert error.code() is code
    assert calls(house)["RecordEvents"] == 0


async def test_a_search_that_must_be_complete_refuses_a_partly_scored_pool(house: House) -> None:
    house.reranker.behaviour["Rerank"] = changed(house.reranker.reranked, unscored(0))
    error = await refusal(house, require_complete=True)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert dict(detail(error, ErrorInfo).metadata) == {"scored_count": "4", "candidate_count": "5"}


@pytest.mark.parametrize("part", ["embedder", "reranker", "memory"])
async def test_a_part_that_came_back_heals_the_search_without_a_restart_of_the_gateway(house: House, part: str) -> None:
    stub = getattr(house, part)
    await house.search()
    await stub.stop()
    if part == "memory":
        assert (await refusal(house)).code() is grpc.StatusCode.UNAVAILABLE
    else:
        assert len((await house.search()).degraded) == 1
    await stub.start()
    while True:  # the channel looks for the part within a second
        try:
            response = await house.search()
        except grpc.aio.AioRpcError:
            continue
        if not response.degraded:
            break
    assert places(response) == RERANKED_ORDER


AWAY_PARTS = [
    pytest.param({}, id="nothing"),
    pytest.param({("reranker", "Rerank"): failing(AWAY)}, id="reranker away"),
    pytest.param({("reranker", "Rerank"): failing(OverloadedError("full"))}, id="reranker full"),
    pytest.param({("reranker", "Rerank"): never()}, id="reranker late"),
    pytest.param({("embedder", "Embed"): failing(AWAY)}, id="embedder away"),
    pytest.param({("embedder", "Embed"): never()}, id="embedder late"),
    pytest.param({("embedder", "Embed"): failing(AWAY), ("reranker", "Rerank"): failing(AWAY)}, id="both models away"),
    pytest.param({("memory", "RecordEvents"): failing(DiskFullError("full"))}, id="disk full"),
    pytest.param({("embedder", "Embed"): failing(InvalidInputError("too long", field="inputs[0].text"))}, id="wrong query"),
    pytest.param({("memory", "QueryMemories"): failing(AWAY)}, id="memory away"),
    pytest.param({("memory", "QueryMemories"): never()}, id="memory late"),
]


@pytest.mark.parametrize("behaviours", AWAY_PARTS)
@pytest.mark.parametrize("require_complete", [False, True])
async def test_a_search_in_steps_degrades_and_fails_as_a_search_does(
    house: House, behaviours: dict[tuple[str, str], Any], require_complete: bool
) -> None:
    for (part, method), behaviour in behaviours.items():
        getattr(house, part).behaviour[method] = behaviour
    asked: dict[str, Any] = {"request_id": "s", "require_complete": require_complete, "timeout_s": 1.5}
    whole, in_steps = await asyncio.gather(house.search(**asked), house.stream(**asked), return_exceptions=True)
    if isinstance(whole, grpc.aio.AioRpcError):
        assert isinstance(in_steps, grpc.aio.AioRpcError)
        assert in_steps.code() is whole.code()
        fields = [detail(one, BadRequest).field_violations[0].field for one in (whole, in_steps) if "too long" in str(one.details())]
        assert fields in ([], ["query.text", "search.query.text"])
        return
    assert isinstance(whole, gateway_pb2.SearchResponse)
    assert isinstance(in_steps, list)
    pool, results, summary = in_steps
    assert [step.WhichOneof("step") for step in (pool, results, summary)] == ["pool", "results", "summary"]
    assert list(results.results.hits) == list(whole.hits)
    assert list(results.results.degraded) == list(whole.degraded)
    assert list(results.results.notices) == list(whole.notices)
    assert list(results.results.models) == list(whole.models)
    assert summary.summary.salience_write == whole.salience_write
    assert summary.summary.usage == whole.usage
    embedded = ("embedder", "Embed") not in behaviours
    assert [IDS.index(hit.memory.memory_id) for hit in pool.pool.hits] == (POOL_ORDER if embedded else LEXICAL_POOL_ORDER)
    assert [item.stage for item in pool.pool.degraded] == ([] if embedded else ["embed"])
    assert pool.pool.candidate_count == len(pool.pool.hits)
    assert not any(hit.HasField("rank_score") or hit.HasField("relevance") for hit in pool.pool.hits)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("no such search", field="search_id"), grpc.StatusCode.NOT_FOUND),
        (InvalidInputError("not in that search's pool", field="feedback[0].memory_id"), grpc.StatusCode.INVALID_ARGUMENT),
        (ConflictError("given with another value", field="feedback[0]"), grpc.StatusCode.ABORTED),
        (OverloadedError("the budget of the day is used up", reason="OVER_BUDGET"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (DiskFullError("full"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (AWAY, grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_what_memory_says_to_feedback_is_what_its_caller_hears(house: House, error: AtlasError, code: grpc.StatusCode) -> None:
    house.memory.behaviour["RecordFeedback"] = failing(error)
    request = gateway_pb2.FeedbackRequest(search_id="s", feedback=[gateway_pb2.HitFeedback(memory_id=IDS[0], kind="FEEDBACK_KIND_HELPFUL")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.gateway.Feedback(request)
    assert caught.value.code() is code
    assert house.memory.calls["RecordFeedback"] == (MAX_ATTEMPTS if error is AWAY else 1)
    if error.field is not None:
        assert detail(caught.value, BadRequest).field_violations[0].field == error.field


async def test_models_are_asked_once_and_again_when_a_reply_shows_another(house: House) -> None:
    for _ in range(2):
        response = await house.search()
    assert [(use.part, use.model_id, use.fingerprint, use.calibration_version) for use in response.models] == [
        ("embedder", "stub-embedder", FINGERPRINT, ""),
        ("reranker", "stub-reranker", "", CALIBRATION),
    ]
    assert (house.embedder.calls["GetModelInfo"], house.reranker.calls["GetModelInfo"]) == (1, 1)
    house.embedder.behaviour["Embed"] = changed(house.embedder.embedded, lambda reply: setattr(reply, "fingerprint", "other/2"))
    await house.search()
    assert (house.embedder.calls["GetModelInfo"], house.reranker.calls["GetModelInfo"]) == (2, 1)


async def test_a_model_that_cannot_be_named_does_not_degrade_the_search(house: House) -> None:
    house.embedder.behaviour["GetModelInfo"] = failing(AtlasError("bug"))
    response = await house.search()
    assert degraded(response) == []
    assert (response.models[0].model_id, response.models[0].fingerprint) == ("", FINGERPRINT)


async def test_what_was_degraded_and_not_written_is_counted() -> None:
    async with open_house(metrics_port=0) as house:
        house.reranker.behaviour["Rerank"] = failing(OverloadedError("full"))
        house.memory.behaviour["RecordEvents"] = failing(DiskFullError("full"))
        await house.search()
        page = await house.metrics()
    assert 'atlas_gateway_degraded_total{reason="RERANK_OVERLOADED",stage="rerank"} 1.0' in page
    assert 'atlas_gateway_salience_unwritten_total{reason="DISK_FULL"} 1.0' in page
    assert 'atlas_gateway_stage_seconds_count{stage="candidates"} 1.0' in page


async def test_candidates_are_limited_to_what_the_reranker_takes(house: House) -> None:
    house.reranker.max_input_count = 30
    await house.search()
    response = await house.search(candidate_count=40)
    assert house.memory.requests["QueryMemories"][-1].candidate_count == 30
    assert [notice.code for notice in response.notices] == ["CANDIDATES_LIMITED"]
