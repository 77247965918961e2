"""What the gateway makes of feedback, answers and the ledger; the parts behind it are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from atlas.errors import DependencyDownError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.gateway.v1 import ledger_pb2
from atlas.memory.v1 import salience_pb2
from atlas.type.v1 import salience_pb2 as types
from atlas.type.v1 import type_pb2
from tests.rpc.gateway_stubs import IDS, QUERY, House, failing, open_house

STRANGER = "00000000-0000-4000-8000-0000000000ff"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(result_count=20) as opened:
        yield opened


def said(place: int, kind: str, value: float | None = None) -> pb.HitFeedback:
    return pb.HitFeedback(memory_id=IDS[place], kind=f"FEEDBACK_KIND_{kind}", value=value)


def given(*feedback: pb.HitFeedback, search_id: str = "s", **fields: Any) -> pb.FeedbackRequest:
    return pb.FeedbackRequest(search_id=search_id, feedback=feedback, **fields)


async def refused(call: Any, request: Any) -> tuple[grpc.StatusCode, str, dict[str, str], str]:
    """Status, field, values and message of a refusal."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request)
    status = rpc_status.from_call(caught.value)
    assert status is not None
    bad, info = BadRequest(), ErrorInfo()
    for item in status.details:
        _ = item.Unpack(bad) or item.Unpack(info)
    field = bad.field_violations[0].field if bad.field_violations else ""
    return caught.value.code(), field, dict(info.metadata), status.message


async def test_feedback_becomes_evidence_of_its_kind_and_says_who_gave_it(house: House) -> None:
    reply = await house.gateway.Feedback(
        pb.FeedbackRequest(
            search_id="s",
            feedback=[said(0, "USED"), said(1, "HELPFUL"), said(2, "WRONG"), said(3, "OUTCOME", 0.75), said(0, "OUTCOME", 0.0)],
            caller=types.Caller(principal="ada", source_class="SOURCE_CLASS_ASSISTANT"),
        )
    )
    [request] = house.memory.requests["RecordFeedback"]
    assert [(IDS.index(item.memory_id), types.EventKind.Name(item.kind), item.value) for item in request.feedback] == [
        (0, "EVENT_KIND_USED", 1.0),
        (1, "EVENT_KIND_EXPLICIT", 1.0),
        (2, "EVENT_KIND_EXPLICIT", 0.0),
        (3, "EVENT_KIND_OUTCOME", 0.75),
        (0, "EVENT_KIND_OUTCOME", 0.0),
    ]
    assert (request.search_id, request.scope.principal, request.source_class) == ("s", "ada", types.SOURCE_CLASS_ASSISTANT)
    assert (reply.accepted_count, reply.durability) == (5, type_pb2.DURABILITY_POWER_LOSS)


async def test_pins_need_no_search(house: House) -> None:
    await house.gateway.Feedback(pb.FeedbackRequest(feedback=[said(0, "PIN"), said(1, "UNPIN")]))
    [request] = house.memory.requests["RecordFeedback"]
    assert [(item.kind, item.value) for item in request.feedback] == [(types.EVENT_KIND_PIN, 1.0), (types.EVENT_KIND_PIN, 0.0)]
    assert request.search_id == ""


@pytest.mark.parametrize(
    ("request_", "field", "values"),
    [
        (given(), "feedback", {"count": "0", "max_count": "400"}),
        (given(*[said(0, "USED")] * 401), "feedback", {"count": "401", "max_count": "400"}),
        (given(said(0, "USED"), search_id=""), "search_id", {}),
        (given(said(0, "USED"), search_id="x" * 129), "search_id", {"size_bytes": "129", "max_bytes": "128"}),
        (given(pb.HitFeedback(memory_id=IDS[0])), "feedback[0].kind", {"value": "0"}),
        (given(pb.HitFeedback(memory_id=IDS[0], kind=42)), "feedback[0].kind", {"value": "42"}),  # type: ignore[arg-type]
        (given(pb.HitFeedback(memory_id="42", kind="FEEDBACK_KIND_USED")), "feedback[0].memory_id", {"value": "42"}),
        (given(said(0, "OUTCOME")), "feedback[0].value", {}),
        (given(said(0, "OUTCOME", 1.5)), "feedback[0].value", {"value": "1.5"}),
        (given(said(0, "OUTCOME", float("nan"))), "feedback[0].value", {"value": "nan"}),
        (given(said(0, "OUTCOME", float("inf"))), "feedback[0].value", {"value": "inf"}),
        (given(said(0, "USED", 1.0)), "feedback[0].value", {"value": "1.0"}),
        (given(said(0, "USED"), said(0, "USED")), "feedback[1]", {"memory_id": IDS[0], "first_index": "0"}),
        (given(said(0, "HELPFUL"), said(0, "WRONG")), "feedback[1]", {"memory_id": IDS[0], "first_index": "0"}),
        (given(said(0, "PIN"), said(1, "USED")), "feedback", {"pin_count": "1", "count": "2"}),
        (given(said(0, "USED"), caller=types.Caller(principal="x" * 129)), "caller.principal", {"size_bytes": "129", "max_bytes": "128"}),
        (given(said(0, "USED"), caller=types.Caller(source_class=9)), "caller.source_class", {"value": "9"}),  # type: ignore[arg-type]
        (given(said(0, "USED"), durability=9), "durability", {"value": "9"}),
    ],
)
async def test_wrong_feedback_names_its_field_and_changes_nothing(
    house: House, request_: pb.FeedbackRequest, field: str, values: dict[str, str]
) -> None:
    code, named, told, message = await refused(house.gateway.Feedback, request_)
    assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert told == values
    assert field.rpartition(".")[2].partition("[")[0] in message
    assert house.memory.calls["RecordFeedback"] == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ReportUsageRequest(answer="x"), "search_id"),
        (pb.ReportUsageRequest(search_id="s", answer=" \n"), "answer"),
        (pb.ReportUsageRequest(search_id="s", answer="x" * 65_537), "answer"),
        (pb.ReportUsageRequest(search_id="s", answer="x", query="x" * 32_769), "query"),
        (pb.ReportUsageRequest(search_id="s", answer="x", memory_ids=["42"]), "memory_ids[0]"),
        (pb.ReportUsageRequest(search_id="s", answer="x", memory_ids=[IDS[0], IDS[0].upper()]), "memory_ids[1]"),
        (pb.ReportUsageRequest(search_id="s", answer="x", memory_ids=IDS * 100), "memory_ids"),
        (pb.ReportUsageRequest(search_id="s", answer="x", caller=types.Caller(principal="ü" * 65)), "caller.principal"),
    ],
)
async def test_a_wrong_report_of_usage_names_its_field_and_asks_nobody(house: House, request_: pb.ReportUsageRequest, field: str) -> None:
    code, named, _, _ = await refused(house.gateway.ReportUsage, request_)
    assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert house.memory.calls.total() == house.memory.calls["ListCollections"]


BUTTON = "Hold the small button on the back of the router for ten seconds."
BREAD = "Sourdough bread rises slowly because wild yeast ferments flour."
COMET = "A comet grows its tail when the sun heats its ice."


async def test_what_an_answer_used_is_recorded_once_a_hit_and_the_rest_as_unused(house: House) -> None:
    house.memory.texts = {0: BUTTON, 1: BREAD, 2: COMET, 3: "Not shown."}
    answer = "Hold the small button on its back for ten seconds. That takes a small button and ten seconds."
    report = await house.gateway.ReportUsage(pb.ReportUsageRequest(search_id="s", answer=answer, query="how do I reset the router?"))
    # In the order of the results: the third candidate was on top.
    assert [(IDS.index(item.memory_id), pb.UsageVerdict.Name(item.verdict)) for item in report.usage] == [
        (2, "USAGE_VERDICT_UNUSED"),
        (1, "USAGE_VERDICT_UNUSED"),
        (0, "USAGE_VERDICT_USED"),
    ]
    [request] = house.memory.requests["RecordFeedback"]
    assert {(IDS.index(item.memory_id), item.kind, item.value) for item in request.feedback} == {
        (0, types.EVENT_KIND_USED, 1.0),
        (1, types.EVENT_KIND_USED, 0.0),
        (2, types.EVENT_KIND_USED, 0.0),
    }
    assert request.source_class == types.SOURCE_CLASS_ASSISTANT
    assert (report.accepted_count, report.durability) == (3, type_pb2.DURABILITY_POWER_LOSS)


async def test_a_dry_run_measures_and_records_nothing(house: House) -> None:
    house.memory.texts = {0: BUTTON, 1: BREAD, 2: COMET}
    report = await house.gateway.ReportUsage(pb.ReportUsageRequest(search_id="s", answer=BREAD, dry_run=True))
    assert {item.verdict for item in report.usage} == {pb.USAGE_VERDICT_USED, pb.USAGE_VERDICT_UNUSED}
    assert house.memory.calls["RecordFeedback"] == 0
    assert (report.accepted_count, report.durability) == (0, type_pb2.DURABILITY_UNSPECIFIED)


async def test_an_answer_that_repeats_the_question_or_knows_nothing_proves_nothing(house: House) -> None:
    house.memory.texts = {0: BUTTON, 1: BREAD, 2: COMET}
    for answer in ("You asked about the small button on the back of the router.", "I could not find that."):
        query = "what is the small button on the back of the router for?"
        report = await house.gateway.ReportUsage(pb.ReportUsageRequest(search_id="s", answer=answer, query=query))
        assert {item.verdict for item in report.usage} == {pb.USAGE_VERDICT_AMBIGUOUS}
    assert house.memory.calls["RecordFeedback"] == 0


async def test_hits_that_are_gone_are_missing_and_strangers_are_refused(house: House) -> None:
    house.memory.texts = {0: BUTTON, 1: BREAD}
    report = await house.gateway.ReportUsage(pb.ReportUsageRequest(search_id="s", answer=BUTTON, memory_ids=[IDS[0], IDS[1], STRANGER]))
    assert list(report.missing_ids) == [STRANGER]
    assert [item.memory_id for item in report.usage] == [IDS[0], IDS[1]]

    house.memory.behaviour["GetImpression"] = only_pool(IDS[1:])
    code, field, values, _ = await refused(
        house.gateway.ReportUsage, pb.ReportUsageRequest(search_id="s", answer=BUTTON, memory_ids=[IDS[0]])
    )
    assert (code, field, values) == (grpc.StatusCode.INVALID_ARGUMENT, "memory_ids[0]", {"memory_id": IDS[0]})
    assert house.memory.calls["RecordFeedback"] == 1


def only_pool(ids: tuple[str, ...]) -> Any:
    async def behave(request: Any, context: Any) -> Any:
        return salience_pb2.GetImpressionResponse(pool=[salience_pb2.PoolEntry(memory_id=one, rank=1, result_rank=1) for one in ids])

    return behave


async def test_a_search_says_who_asked_what_was_shown_and_how_it_came_into_the_pool(house: House) -> None:
    await house.search(result_count=2, request_id="s", caller=types.Caller(principal="ada", source_class="SOURCE_CLASS_SYSTEM"))
    [query] = house.memory.requests["QueryMemories"]
    [record] = house.memory.requests["RecordEvents"]
    assert query.exploration_seed == "s"
    assert (record.scope.principal, record.source_class) == ("ada", types.SOURCE_CLASS_SYSTEM)
    assert [entry.result_rank for entry in record.pool] == [0, 0, 0, 2, 1]
    assert {entry.propensity for entry in record.pool} == {1.0}


async def test_what_salience_brought_in_gives_no_evidence_and_what_chance_brought_in_keeps_its_propensity(house: House) -> None:
    async def with_guests(request: Any, context: Any) -> Any:
        reply = house.memory.found(request)
        reply.candidates[3].pool, reply.candidates[4].pool, reply.candidates[4].propensity = (
            type_pb2.POOL_EXTENDED,
            type_pb2.POOL_EXPLORE,
            0.05,
        )
        return reply

    house.memory.behaviour["QueryMemories"] = with_guests
    response = await house.search(explain=True)
    [record] = house.memory.requests["RecordEvents"]
    assert [IDS.index(event.memory_id) for event in record.events] == [0, 1, 2, 4]
    assert [event.rank_before_salience for event in record.events] == [4, 3, 2, 1]
    assert [(entry.pool, entry.propensity) for entry in record.pool][3:] == [(type_pb2.POOL_EXTENDED, 1.0), (type_pb2.POOL_EXPLORE, 0.05)]
    assert [(IDS.index(hit.memory.memory_id), hit.rank_before_salience) for hit in response.hits] == [
        (4, 1),
        (3, 0),
        (2, 2),
        (1, 3),
        (0, 4),
    ]
    assert response.hits[0].explanation.propensity == 0.05


async def test_influence_moves_the_order_within_the_printed_bound_and_off_restores_it() -> None:
    async with open_house(salience_influence=1.5, salience_limit=1.0, result_count=20) as house:
        house.memory.learnt = {0: (3.0, 3.0), 4: (-3.0, -3.0)}
        moved = await house.search(explain=True)
        off = await house.search(salience_mode="SALIENCE_MODE_OFF")
        again = await house.search(salience_mode="SALIENCE_MODE_READ", explain=True)
        assert house.memory.calls["RecordEvents"] == 1
    places = [IDS.index(hit.memory.memory_id) for hit in moved.hits]
    assert places == [3, 4, 2, 0, 1]
    assert [hit.rank_before_salience for hit in moved.hits] == [2, 1, 3, 5, 4]
    assert moved.max_displacement_logits == 1.5
    assert moved.hits[1].explanation.salience_logits == -1.5
    assert (moved.hits[1].explanation.outside_log_odds, moved.hits[1].explanation.log_odds_limit) == (-3.0, 1.0)
    assert [IDS.index(hit.memory.memory_id) for hit in off.hits] == [4, 3, 2, 1, 0]
    assert off.max_displacement_logits == 0.0
    assert list(again.hits) == list(moved.hits)


async def test_influence_is_off_as_shipped(house: House) -> None:
    house.memory.learnt = {0: (3.0, 3.0), 4: (-3.0, -3.0)}
    response = await house.search()
    assert [IDS.index(hit.memory.memory_id) for hit in response.hits] == [4, 3, 2, 1, 0]
    assert response.max_displacement_logits == 0.0


async def test_a_caller_that_leaves_after_the_results_has_its_search_recorded(house: House) -> None:
    recorded = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(request: Any, context: Any) -> Any:
        await go_on.wait()
        recorded.set()
        return house.memory.recorded(request)

    house.memory.behaviour["RecordEvents"] = slow
    stream = house.gateway.SearchStream(pb.SearchStreamRequest(search=pb.SearchRequest(query=type_pb2.Input(text=QUERY))))
    async for step in stream:
        if step.WhichOneof("step") == "results":
            break
    stream.cancel()
    go_on.set()
    await asyncio.wait_for(recorded.wait(), 10.0)


async def test_a_wrong_search_in_steps_names_the_field_below_search(house: House) -> None:
    request = pb.SearchStreamRequest(search=pb.SearchRequest(query=type_pb2.Input(text="x"), result_count=30, candidate_count=20))

    async def run(one: Any) -> Any:
        return [step async for step in house.gateway.SearchStream(one)]

    code, field, values, message = await refused(run, request)
    assert (code, field, values) == (grpc.StatusCode.INVALID_ARGUMENT, "search.result_count", {"value": "30", "limit": "20"})
    assert message == "search.result_count is 30; 1 to 20 are allowed"
    code, field, _, _ = await refused(run, pb.SearchStreamRequest())
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "search.query.text")


async def test_an_erasure_tells_the_reranker_and_counts_what_it_dropped(house: House) -> None:
    selection = types.ErasureSelection(ids=types.ErasureSelection.Ids(memory_ids=[IDS[0]]))
    reply = await house.ledger.Erase(ledger_pb2.EraseRequest(selection=selection))
    assert (reply.receipt.receipt_id, reply.receipt.memory_count, reply.receipt.cached_passage_count) == ("receipt-1", 1, 2)
    [erase] = house.memory.requests["Erase"]
    assert erase.selection == selection
    assert erase.request_id
    [forget] = house.reranker.requests["ForgetPassages"]
    assert list(forget.content_sha256s) == ["a" * 64, "b" * 64]


async def test_an_erasure_does_not_begin_while_the_reranker_is_away(house: House) -> None:
    await house.reranker.stop()
    selection = types.ErasureSelection(principal="ada")
    code, _, _, _ = await refused(house.ledger.Erase, ledger_pb2.EraseRequest(selection=selection))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert house.memory.calls["Erase"] == 0


async def test_an_erasure_that_is_half_done_says_how_to_go_on(house: House) -> None:
    house.reranker.behaviour["ForgetPassages"] = failing(DependencyDownError("away"))
    request = ledger_pb2.EraseRequest(selection=types.ErasureSelection(domain="d"), request_id="r")
    code, _, values, message = await refused(house.ledger.Erase, request)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert values == {"receipt_id": "receipt-1", "request_id": "r"}
    assert "ask again with request_id r" in message


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetSalience", ledger_pb2.GetSalienceRequest(), "memory_ids"),
        ("GetSalience", ledger_pb2.GetSalienceRequest(memory_ids=[IDS[0]] * 1_001), "memory_ids"),
        ("GetSalience", ledger_pb2.GetSalienceRequest(memory_ids=[IDS[0], "42"]), "memory_ids[1]"),
        ("ExplainSalience", ledger_pb2.ExplainSalienceRequest(), "memory_id"),
        ("RevokeEvents", ledger_pb2.RevokeEventsRequest(request_id="x" * 129), "request_id"),
        ("Erase", ledger_pb2.EraseRequest(), "selection"),
        ("Erase", ledger_pb2.EraseRequest(selection=types.ErasureSelection(principal="ada"), request_id="x" * 129), "request_id"),
    ],
)
async def test_a_wrong_request_about_the_ledger_names_its_field_and_asks_nobody(
    house: House, method: str, request_: Any, field: str
) -> None:
    code, named, _, _ = await refused(getattr(house.ledger, method), request_)
    assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert house.memory.calls.total() == house.memory.calls["ListCollections"]
