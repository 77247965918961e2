"""What is learnt from a search, over the real embedder, reranker and memory: evidence in, order out, and back again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from atlas.client import AsyncAtlas, Caller, FeedbackKind, Hit, HitFeedback, MemoryInput, SalienceMode, SourceClass, UsageVerdict
from atlas.client.results import SearchPool, SearchResults, SearchSummary
from atlas.embedder.v1 import embedder_pb2 as embedder_pb
from atlas.embedder.v1 import embedder_pb2_grpc as embedder_rpc
from atlas.errors import AtlasError, ConflictError, InvalidInputError, NotFoundError
from atlas.server import Registration, RunningServer, serving
from services.embedder.backends import open_backend
from services.embedder.service import EmbedderService
from services.embedder.settings import EmbedderSettings
from services.memory.__main__ import running as running_memory
from services.memory.settings import MemorySettings
from services.reranker.__main__ import running as running_reranker
from services.reranker.settings import RerankerSettings
from tests.rpc.gateway_stubs import open_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "how do I reset the router?"
TEXTS = (
    "To reset the router, hold the small button on its back for ten seconds.",
    "To reset the router, unplug it, wait a minute and plug it in again.",
    "Routers of the second floor are reset by the night watch every Sunday.",
    "Sourdough bread rises slowly because wild yeast ferments the flour.",
)


@dataclass(frozen=True)
class Loop:
    """A client of a gateway as shipped, and of one that lets evidence from outside move results; both over the same parts."""

    shipped: AsyncAtlas
    moved: AsyncAtlas
    address: str


@asynccontextmanager
async def running_embedder(settings: EmbedderSettings) -> AsyncIterator[RunningServer]:
    registry = CollectorRegistry()
    async with open_backend(settings, registry) as backend:
        service = EmbedderService(backend, settings)
        services = [Registration.of(embedder_pb.DESCRIPTOR, "EmbedderService", embedder_rpc.add_EmbedderServiceServicer_to_server, service)]
        async with serving(settings, services, readiness=backend.warm_up, registry=registry) as server:
            yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Loop]:
    quiet: dict[str, Any] = {"port": 0, "metrics_port": -1, "lame_duck_ms": 0}
    folder: Path = tmp_path_factory.mktemp("memory")
    async with (
        running_embedder(EmbedderSettings(**quiet)) as embedder,
        running_reranker(RerankerSettings(**quiet)) as reranker,
        running_memory(MemorySettings(data_dir=folder, **quiet)) as memory,
    ):
        for server in (embedder, reranker, memory):
            await server.until_ready()
        addresses = {"embedder_address": embedder.address, "reranker_address": reranker.address, "memory_address": memory.address}
        async with (
            open_gateway(**addresses) as (_, shipped),
            open_gateway(**addresses, salience_influence=2.0) as (_, moved),
            AsyncAtlas(shipped.address) as shipped_client,
            AsyncAtlas(moved.address) as moved_client,
        ):
            yield Loop(shipped_client, moved_client, shipped.address)


@pytest.fixture
def name() -> str:
    """A collection of the test's own."""
    return f"c-{uuid4().hex[:12]}"


async def remembered(loop: Loop, name: str) -> list[str]:

    done = await loop.shipped.remember(*(MemoryInput(text, collection=name) for text in TEXTS))
    return [item.memory_ids[0] for item in done]


def still(hits: Sequence[Hit]) -> list[Hit]:
    """The hits as they would be at one moment: what was learnt decays from one search to the next, in the tenth place."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 6) + 0.0

    return [
        replace(
            hit,
            salience=rounded(hit.salience),
            rank_score=rounded(hit.rank_score),
            memory=replace(hit.memory, salience=rounded(hit.memory.salience)),
            explanation=hit.explanation
            and replace(
                hit.explanation,
                salience_logits=round(hit.explanation.salience_logits, 6) + 0.0,
                salience_log_odds=rounded(hit.explanation.salience_log_odds),
                outside_log_odds=rounded(hit.explanation.outside_log_odds),
            ),
        )
        for hit in hits
    ]


def ids(result: Any) -> list[str]:
    return [hit.memory.memory_id for hit in result.hits]


async def test_feedback_moves_the_order_within_the_bound_and_revoking_it_restores_the_answer_exactly(loop: Loop, name: str) -> None:
    await remembered(loop, name)
    # Before both models are known to be one, the reranker reads the question itself, and its scores differ in the last places.
    await loop.moved.search(QUESTION, collections=[name], salience_mode=SalienceMode.OFF)
    clean = await loop.moved.search(QUESTION, collections=[name], salience_mode=SalienceMode.READ, explain=True)
    before = await loop.moved.search(QUESTION, collections=[name], caller=Caller("ada"))
    loser, winner = ids(before)[:2]
    said = await loop.moved.feedback(
        before.search_id,
        HitFeedback(loser, FeedbackKind.WRONG),
        HitFeedback(winner, FeedbackKind.HELPFUL),
        HitFeedback(winner, FeedbackKind.OUTCOME, 1.0),
        caller=Caller(name),
    )
    assert (said.accepted_count, said.duplicate_count, said.durability) == (3, 0, "power_loss")
    again = await loop.moved.feedback(before.search_id, HitFeedback(winner, FeedbackKind.HELPFUL), caller=Caller(name))
    assert (again.accepted_count, again.duplicate_count) == (0, 1)

    after = await loop.moved.search(QUESTION, collections=[name], salience_mode=SalienceMode.READ, explain=True)
    assert ids(after)[:2] == [winner, loser]
    assert [hit.rank_before_salience for hit in after.hits[:2]] == [2, 1]
    assert after.max_displacement_logits == 4.0
    for hit in after.hits:
        assert hit.explanation is not None
        assert abs(hit.explanation.salience_logits) <= 4.0
    off = await loop.moved.search(QUESTION, collections=[name], salience_mode=SalienceMode.OFF)
    shipped = await loop.shipped.search(QUESTION, collections=[name], salience_mode=SalienceMode.READ)
    assert ids(off) == ids(shipped) == ids(before)
    assert shipped.max_displacement_logits == 0.0

    [known] = (await loop.shipped.salience(winner)).salience
    assert known.outside_log_odds > 0
    explained = await loop.shipped.explain_salience(winner)
    assert {event.kind.value for event in explained.events} >= {"explicit", "outcome"}
    would = await loop.shipped.revoke(principals=[name], dry_run=True)
    assert would.event_count == 3
    await loop.shipped.revoke(principals=[name])
    await loop.shipped.revoke(principals=["ada"])
    restored = await loop.moved.search(QUESTION, collections=[name], salience_mode=SalienceMode.READ, explain=True)
    assert still(restored.hits) == still(clean.hits)


async def test_searches_that_only_read_change_nothing_and_answer_alike(loop: Loop, name: str) -> None:
    await remembered(loop, name)
    found = await loop.shipped.search(QUESTION, collections=[name])
    await loop.shipped.feedback(found.search_id, HitFeedback(ids(found)[0], FeedbackKind.USED))
    before = await loop.shipped.digest(verify=True)
    assert before.consistent is True
    answers = [
        await loop.moved.search(QUESTION, collections=[name], salience_mode=mode, explain=True)
        for mode in (SalienceMode.READ, SalienceMode.READ, SalienceMode.OFF)
    ]
    assert still(answers[0].hits) == still(answers[1].hits)
    assert await loop.shipped.digest(verify=True) == before


async def test_system_traffic_is_seen_and_does_not_count(loop: Loop, name: str) -> None:
    await remembered(loop, name)
    machine = Caller("nightly", SourceClass.SYSTEM)
    found = await loop.shipped.search(QUESTION, collections=[name], caller=machine)
    assert found.salience_write.accepted_count == 0
    said = await loop.shipped.feedback(found.search_id, HitFeedback(ids(found)[0], FeedbackKind.HELPFUL), caller=machine)
    assert (said.accepted_count, said.ignored_count) == (0, 1)
    report = await loop.shipped.report_usage(found.search_id, TEXTS[0], caller=machine)
    assert report.usage
    assert report.accepted_count == 0


async def test_an_answer_says_what_it_used_and_counts_once(loop: Loop, name: str) -> None:
    stored = await remembered(loop, name)
    found = await loop.shipped.search(QUESTION, collections=[name])
    answer = "Hold the small button on its back for ten seconds."
    report = await loop.shipped.report_usage(found.search_id, answer, query=QUESTION, dry_run=True)
    assert [item.memory_id for item in report.usage] == ids(found)
    verdicts = {item.memory_id: item.verdict for item in report.usage}
    assert verdicts[stored[0]] is UsageVerdict.USED
    assert verdicts[stored[3]] is UsageVerdict.UNUSED
    assert report.accepted_count == 0
    first = await loop.shipped.report_usage(found.search_id, answer, query=QUESTION)
    second = await loop.shipped.report_usage(found.search_id, answer, query=QUESTION)
    assert first.accepted_count == second.duplicate_count == sum(verdict is not UsageVerdict.AMBIGUOUS for verdict in verdicts.values())
    assert second.accepted_count == 0


async def test_pins_hold_until_they_are_taken_away(loop: Loop, name: str) -> None:
    stored = await remembered(loop, name)
    await loop.shipped.feedback("", HitFeedback(stored[1], FeedbackKind.PIN))
    [known] = (await loop.shipped.salience(stored[1])).salience
    assert known.pinned
    assert known.outside_log_odds > 1.0
    await loop.shipped.feedback("", HitFeedback(stored[1], FeedbackKind.UNPIN))
    [known] = (await loop.shipped.salience(stored[1])).salience
    assert not known.pinned
    assert known.log_odds == 0.0


STRANGER = "00000000-0000-4000-8000-0000000000ff"


async def test_feedback_on_strangers_is_refused_and_changes_nothing(loop: Loop, name: str) -> None:
    stored = await remembered(loop, name)
    narrow = await loop.shipped.search(QUESTION, collections=[name], candidate_count=1)
    await loop.shipped.feedback(narrow.search_id, HitFeedback(ids(narrow)[0], FeedbackKind.OUTCOME, 0.5))
    before = await loop.shipped.digest()

    async def refused(search_id: str, memory_id: str, kind: FeedbackKind, value: float | None = None) -> AtlasError:
        with pytest.raises(AtlasError) as caught:
            await loop.shipped.feedback(search_id, HitFeedback(memory_id, kind, value))
        return caught.value

    unknown = await refused("no-such-search", stored[0], FeedbackKind.USED)
    assert (type(unknown), unknown.field) == (NotFoundError, "search_id")
    absent = await refused(narrow.search_id, STRANGER, FeedbackKind.USED)
    assert type(absent) is NotFoundError
    outside = await refused(narrow.search_id, stored[3], FeedbackKind.USED)
    assert (type(outside), outside.field) == (InvalidInputError, "feedback[0].memory_id")
    other = await refused(narrow.search_id, ids(narrow)[0], FeedbackKind.OUTCOME, 0.75)
    assert type(other) is ConflictError
    with pytest.raises(NotFoundError):
        await loop.shipped.report_usage("no-such-search", "an answer")
    with pytest.raises(InvalidInputError) as named:
        await loop.shipped.report_usage(narrow.search_id, "an answer", memory_ids=[stored[3]])
    assert named.value.field == "memory_ids[0]"
    assert await loop.shipped.digest() == before


async def test_a_search_in_steps_gives_the_pool_the_results_and_the_account(loop: Loop, name: str) -> None:
    await remembered(loop, name)
    whole = await loop.shipped.search(QUESTION, collections=[name], salience_mode=SalienceMode.READ)
    steps = [step async for step in loop.shipped.search_stream(QUESTION, collections=[name])]
    pool, found, summary = steps
    assert isinstance(pool, SearchPool)
    assert isinstance(found, SearchResults)
    assert isinstance(summary, SearchSummary)
    assert pool.candidate_count == len(TEXTS)
    assert ids(found) == ids(whole)
    assert summary.salience_write.accepted_count == len(TEXTS)
    assert {stage.stage for stage in summary.stages} >= {"embed", "candidates", "rerank", "record", "assemble"}
    said = await loop.shipped.feedback(pool.search_id, HitFeedback(ids(found)[0], FeedbackKind.USED))
    assert said.accepted_count == 1


async def test_a_caller_that_leaves_after_the_results_can_still_give_feedback(loop: Loop, name: str) -> None:
    await remembered(loop, name)
    search_id = memory_id = ""
    stream = loop.shipped.search_stream(QUESTION, collections=[name])
    async for step in stream:
        if isinstance(step, SearchPool):
            search_id = step.search_id
        elif isinstance(step, SearchResults):
            memory_id = ids(step)[0]
            break
    await stream.aclose()
    while True:  # the search is recorded behind the caller's back
        try:
            said = await loop.shipped.feedback(search_id, HitFeedback(memory_id, FeedbackKind.USED))
        except NotFoundError:
            await asyncio.sleep(0)
            continue
        break
    assert said.accepted_count == 1


async def test_erasing_a_memory_takes_it_out_of_every_part(loop: Loop, name: str) -> None:
    stored = await remembered(loop, name)
    found = await loop.shipped.search(QUESTION, collections=[name])
    await loop.shipped.feedback(found.search_id, HitFeedback(stored[0], FeedbackKind.HELPFUL))
    receipt = await loop.shipped.erase(memory_ids=[stored[0]])
    assert receipt.verified
    assert receipt.memory_count == 1
    assert receipt.event_count >= 2
    assert receipt.cached_passage_count == 1
    with pytest.raises(NotFoundError):
        await loop.shipped.get(stored[0])
    assert (await loop.shipped.salience(stored[0])).missing_ids == (stored[0],)
    again = await loop.shipped.search(QUESTION, collections=[name])
    assert stored[0] not in ids(again)
    nothing = await loop.shipped.erase(memory_ids=[stored[0]])
    assert (nothing.memory_count, nothing.event_count) == (0, 0)


async def test_the_ledger_is_served_with_health_and_reflection(loop: Loop) -> None:
    async with grpc.aio.insecure_channel(loop.address) as channel:
        for service in ("atlas.gateway.v1.GatewayService", "atlas.gateway.v1.LedgerService"):
            assert await served(channel, service)
    info = await loop.shipped.server_info()
    assert {"search_stream", "feedback", "usage_report", "ledger"} <= set(info.features)


async def served(channel: grpc.aio.Channel, service: str) -> bool:

    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
