"""The gateway over the real embedder, reranker and memory: what callers see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry

from atlas.embedder.v1 import embedder_pb2, embedder_pb2_grpc
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.identity import memory_id, remembered_id
from atlas.memory.v1 import collection_pb2, collection_pb2_grpc, salience_pb2, salience_pb2_grpc
from atlas.server import Registration, serving
from atlas.type.v1 import type_pb2
from services.embedder.backends import open_backend
from services.embedder.service import EmbedderService
from services.embedder.settings import EmbedderSettings
from services.memory.__main__ import running as running_memory
from services.memory.settings import MemorySettings
from services.reranker.__main__ import running as running_reranker
from services.reranker.settings import RerankerSettings
from tests.rpc.gateway_stubs import open_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESET = "To reset the router, hold the small button on its back for ten seconds."
BREAD = "Sourdough bread rises slowly because wild yeast works slowly."
COMET = "A comet grows its tail when the sun heats its ice."


@dataclass
class Atlas:
    """The four parts, each in this process."""

    gateway: Any
    addresses: dict[str, str]
    embedder_calls: list[Any]

    async def remember(self, *texts: str, **fields: Any) -> pb.RememberResponse:
        return await self.gateway.Remember(pb.RememberRequest(memories=[pb.NewMemory(text=text, **fields) for text in texts]))

    async def ingest(self, collection: str, documents: Iterable[pb.IngestDocument], **fields: Any) -> list[pb.IngestResponse]:
        async def requests() -> AsyncIterator[pb.IngestRequest]:
            for sequence, document in enumerate(documents):
                yield pb.IngestRequest(sequence=sequence, collection=collection, document=document, **fields)

        return [reply async for reply in self.gateway.Ingest(requests())]

    async def search(self, text: str, **fields: Any) -> pb.SearchResponse:
        return await self.gateway.Search(pb.SearchRequest(query=type_pb2.Input(text=text), **fields), timeout=30.0)

    async def stored(self, collection: str, **fields: Any) -> list[type_pb2.Memory]:
        reply = await self.gateway.ListMemories(pb.ListMemoriesRequest(collection=collection, page_size=1000, **fields))
        return sorted(reply.memories, key=lambda memory: (memory.source, memory.chunk.ordinal))


class CountingEmbedder(EmbedderService):
    """The real embedder; keeps what it was asked to embed as passages."""

    calls: list[embedder_pb2.EmbedRequest]

    async def Embed(self, request: embedder_pb2.EmbedRequest, context: Any) -> embedder_pb2.EmbedResponse:
        if request.input_type == type_pb2.INPUT_TYPE_PASSAGE:
            self.calls.append(request)
        return await super().Embed(request, context)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def atlas(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Atlas]:
    quiet: dict[str, Any] = {"port": 0, "metrics_port": -1, "lame_duck_ms": 0}
    folder: Path = tmp_path_factory.mktemp("memory")
    embedder_settings = EmbedderSettings(**quiet)
    registry = CollectorRegistry()
    async with (
        open_backend(embedder_settings, registry) as backend,
        running_reranker(RerankerSettings(**quiet)) as reranker,
        running_memory(MemorySettings(data_dir=folder, **quiet)) as memory,
    ):
        service = CountingEmbedder(backend, embedder_settings)
        service.calls = []
        registration = Registration.of(
            embedder_pb2.DESCRIPTOR, "EmbedderService", embedder_pb2_grpc.add_EmbedderServiceServicer_to_server, service
        )
        async with serving(embedder_settings, [registration], readiness=backend.warm_up, registry=registry) as embedder:
            for server in (embedder, reranker, memory):
                await server.until_ready()
            addresses = {"embedder_address": embedder.address, "reranker_address": reranker.address, "memory_address": memory.address}
            async with open_gateway(**addresses) as (gateway, _):
                yield Atlas(gateway, addresses, service.calls)


@pytest.fixture
def name() -> str:
    """A collection of the test's own."""
    return f"c-{uuid4().hex[:12]}"


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def violation(error: grpc.aio.AioRpcError) -> str:
    return str(detail(error, BadRequest).field_violations[0].field)


def detail(error: grpc.aio.AioRpcError, kind: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    message = kind()
    assert any(item.Unpack(message) for item in status.details), error
    return message


def ids(response: pb.SearchResponse) -> list[str]:
    return [hit.memory.memory_id for hit in response.hits]


# ---------------------------------------------------------------- Search


async def test_a_search_typed_by_hand_finds_what_was_just_remembered(atlas: Atlas) -> None:
    remembered = await atlas.remember(RESET, BREAD, COMET)
    found = await atlas.search("how do I reset it?")
    assert found.hits[0].memory.memory_id == remembered.memories[0].memory_ids[0]
    assert found.hits[0].memory.collection == "default"
    assert found.hits[0].snippet == RESET
    assert not found.degraded


async def test_a_search_of_a_fresh_system_is_empty_and_says_why(atlas: Atlas) -> None:
    async with open_gateway(tenant=uuid4().hex, **atlas.addresses) as (gateway, _):
        response = await gateway.Search(pb.SearchRequest(query=type_pb2.Input(text="how do I reset it?")))
    assert [notice.code for notice in response.notices] == ["NO_COLLECTION"]
    assert not response.hits


async def test_a_hit_carries_its_evidence_and_explains_its_rank(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, BREAD, COMET, collection=name)
    response = await atlas.search("How is the router reset?", collections=[name], explain=True)
    best = response.hits[0]
    kinds = {item.kind for item in best.evidence}
    assert kinds == {type_pb2.EVIDENCE_KIND_SIMILARITY, type_pb2.EVIDENCE_KIND_LEXICAL, type_pb2.EVIDENCE_KIND_LATE_INTERACTION}
    assert best.relevance > 0.5 > response.hits[-1].relevance
    assert best.rank_score == pytest.approx(best.explanation.logits_per_unit * best.explanation.final_score)
    assert best.rank == best.rank_before_salience == 1
    assert {use.part for use in response.models} == {"embedder", "reranker"}
    assert response.usage.candidates == 3


async def test_a_query_that_is_read_once_for_both_models_finds_the_same(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, BREAD, COMET, collection=name)
    async with open_gateway(**atlas.addresses) as (gateway, _):
        request = pb.SearchRequest(
            query=type_pb2.Input(text="How is the router reset?"), collections=[name], salience_mode="SALIENCE_MODE_OFF"
        )
        await gateway.Search(request)
        read = [await gateway.Search(request) for _ in range(2)]
    async with open_gateway(**atlas.addresses) as (gateway, _):
        twice = await gateway.Search(request)
    for once in read:
        assert not once.degraded
        assert ids(once) == ids(twice)
        assert [hit.relevance for hit in once.hits] == pytest.approx([hit.relevance for hit in twice.hits], abs=1e-2)
        assert once.usage.tokens == twice.usage.tokens / 2


async def test_the_stages_cover_nearly_all_of_the_time(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, collection=name)
    await atlas.search("router", collections=[name])
    shares = []
    for _ in range(5):
        response = await atlas.search("router", collections=[name])
        shares.append(response.unaccounted_seconds / response.total_seconds)
    assert min(shares) < 0.05


async def test_evidence_is_written_once_for_a_request_id(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, BREAD, collection=name)
    request_id = uuid4().hex
    first = await atlas.search("reset the router", collections=[name], request_id=request_id)
    again = await atlas.search("reset the router", collections=[name], request_id=request_id)
    assert first.search_id == again.search_id == request_id
    assert (first.salience_write.accepted_count, first.salience_write.duplicate_count) == (2, 0)
    assert (again.salience_write.accepted_count, again.salience_write.duplicate_count) == (0, 2)


@pytest.mark.parametrize(("mode", "event_count"), [("SALIENCE_MODE_OFF", 0), ("SALIENCE_MODE_READ", 0), ("SALIENCE_MODE_READ_WRITE", 1)])
async def test_only_a_writing_search_leaves_events(atlas: Atlas, name: str, mode: str, event_count: int) -> None:
    remembered = await atlas.remember(RESET, collection=name)
    await atlas.search("router", collections=[name], salience_mode=mode)
    async with grpc.aio.insecure_channel(atlas.addresses["memory_address"]) as channel:
        request = salience_pb2.GetSalienceRequest(scope=type_pb2.Scope(tenant="default"), memory_ids=remembered.memories[0].memory_ids)
        reply = await salience_pb2_grpc.SalienceServiceStub(channel).GetSalience(request)
    assert reply.salience[0].event_count == event_count


async def test_what_was_worth_finding_gains_salience(atlas: Atlas, name: str) -> None:
    remembered = await atlas.remember(RESET, BREAD, COMET, collection=name)
    for _ in range(3):
        await atlas.search("How do I reset the router?", collections=[name])
    worth = []
    for item in remembered.memories:
        reply = await atlas.gateway.GetMemory(pb.GetMemoryRequest(memory_id=item.memory_ids[0]))
        worth.append(reply.memory.salience)
    assert worth[0] > max(worth[1:])


async def test_an_off_topic_question_gets_an_empty_answer_with_min_relevance(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, BREAD, collection=name)
    asked = "Which treaty ended the Thirty Years' War?"
    assert (await atlas.search(asked, collections=[name])).hits
    assert not (await atlas.search(asked, collections=[name], min_relevance=0.5)).hits


async def test_domain_time_kind_and_filter_restrict_what_is_found(atlas: Atlas, name: str) -> None:
    memories = [
        pb.NewMemory(text=RESET, collection=name, domain="home", event_time={"seconds": 1_700_000_000}),
        pb.NewMemory(text="The router was reset at noon.", collection=name, domain="work", speaker="Ada"),
    ]
    reply = await atlas.gateway.Remember(pb.RememberRequest(memories=memories))
    home, work = (item.memory_ids[0] for item in reply.memories)
    where: dict[str, Any] = {"collections": [name]}
    speaker = type_pb2.Condition(field="speaker", equals={"string_value": "Ada"})
    assert ids(await atlas.search("router reset", domain="home", **where)) == [home]
    assert ids(await atlas.search("router reset", event_time=pb.TimeRange(end={"seconds": 1_800_000_000}), **where)) == [home]
    assert ids(await atlas.search("router reset", event_time=pb.TimeRange(begin={"seconds": 1_800_000_000}), **where)) == []
    assert ids(await atlas.search("router reset", content_kinds=["CONTENT_KIND_MESSAGE"], **where)) == [work]
    assert ids(await atlas.search("router reset", filter=type_pb2.Filter(condition=speaker), **where)) == [work]
    assert ids(await atlas.search("router reset", filter=type_pb2.Filter(condition=speaker), domain="home", **where)) == []


async def test_unknown_domains_and_empty_collections_are_noticed(atlas: Atlas, name: str) -> None:
    remembered = await atlas.remember(RESET, collection=name, domain="home")
    unknown = await atlas.search("router", collections=[name], domain="nowhere")
    await atlas.gateway.DeleteMemories(pb.DeleteMemoriesRequest(ids={"memory_ids": remembered.memories[0].memory_ids}))
    empty = await atlas.search("router", collections=[name])
    assert ([notice.code for notice in unknown.notices], list(unknown.hits)) == (["UNKNOWN_DOMAIN"], [])
    assert ([notice.code for notice in empty.notices], list(empty.hits)) == (["EMPTY_COLLECTION"], [])
    assert empty.salience_write.skipped_reason == "NO_HITS"


async def test_one_hit_a_source(atlas: Atlas, name: str) -> None:
    text = "The router can be reset.\n\nThe router can be restarted."
    await atlas.ingest(name, [pb.IngestDocument(source="file://host/a", text=text), pb.IngestDocument(source="file://host/b", text=RESET)])
    assert len((await atlas.search("router", collections=[name])).hits) == 3
    grouped = await atlas.search("router", collections=[name], group_by_source=True)
    assert sorted(hit.memory.source for hit in grouped.hits) == ["file://host/a", "file://host/b"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"query": {"text": ""}}, "query.text"),
        ({"query": {"text": " \n\t"}}, "query.text"),
        ({}, "query.text"),
        ({"query": {"text": "x" * 1_000_000}}, "query.text"),
        ({"query": {"text": "word " * 400}}, "query.text"),
        ({"query": {"text": "q"}, "candidate_count": 0}, "candidate_count"),
        ({"query": {"text": "q"}, "candidate_count": -1}, "candidate_count"),
        ({"query": {"text": "q"}, "candidate_count": 201}, "candidate_count"),
        ({"query": {"text": "q"}, "candidate_count": 3, "result_count": 4}, "result_count"),
        ({"query": {"text": "q"}, "result_count": -5}, "result_count"),
        ({"query": {"text": "q"}, "min_relevance": 1.5}, "min_relevance"),
        ({"query": {"text": "q"}, "min_relevance": float("nan")}, "min_relevance"),
        ({"query": {"text": "q"}, "request_id": "é" * 65}, "request_id"),
        ({"query": {"text": "q"}, "salience_mode": 9}, "salience_mode"),
        ({"query": {"text": "q"}, "content_kinds": [9]}, "content_kinds[0]"),
        ({"query": {"text": "q"}, "event_time": {"begin": {"seconds": 2}, "end": {"seconds": 1}}}, "event_time.end"),
        ({"query": {"text": "q"}, "event_time": {"begin": {"seconds": 1 << 60}}}, "event_time.begin"),
    ],
)
async def test_a_wrong_search_names_the_field(atlas: Atlas, fields: dict[str, Any], field: str) -> None:
    error = await refusal(atlas.gateway.Search(pb.SearchRequest(**fields)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation(error) == field


async def test_a_query_over_the_token_limit_names_both_numbers(atlas: Atlas) -> None:
    error = await refusal(atlas.search("word " * 400))
    assert "402" in (error.details() or "")
    assert "256" in (error.details() or "")


async def test_a_picture_is_not_implemented_by_a_text_model(atlas: Atlas) -> None:
    image = type_pb2.Input(image=type_pb2.Image(data=b"\x89PNG", media_type="image/png"))
    error = await refusal(atlas.gateway.Search(pb.SearchRequest(query=image)))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_unknown_collection_is_not_found(atlas: Atlas, name: str) -> None:
    assert (await refusal(atlas.search("q", collections=[name]))).code() is grpc.StatusCode.NOT_FOUND
    listed = atlas.gateway.ListMemories(pb.ListMemoriesRequest(collection=name))
    assert (await refusal(listed)).code() is grpc.StatusCode.NOT_FOUND


# ---------------------------------------------------------------- Remember


async def test_the_same_text_is_the_same_memory_and_costs_nothing_again(atlas: Atlas, name: str) -> None:
    first = await atlas.remember(RESET, collection=name)
    atlas.embedder_calls.clear()
    again = await atlas.remember(RESET, collection=name)
    assert first.memories[0].outcome == pb.REMEMBER_OUTCOME_NEW
    assert again.memories[0].outcome == pb.REMEMBER_OUTCOME_KNOWN
    assert again.memories[0].memory_ids == first.memories[0].memory_ids == [remembered_id("default", name, RESET, "", None)]
    assert not atlas.embedder_calls
    assert first.durability == type_pb2.DURABILITY_POWER_LOSS


async def test_other_fields_change_a_memory_without_embedding_it(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, collection=name)
    atlas.embedder_calls.clear()
    moved = await atlas.remember(RESET, collection=name, domain="home")
    assert moved.memories[0].outcome == pb.REMEMBER_OUTCOME_CHANGED
    assert not atlas.embedder_calls
    [stored] = await atlas.stored(name)
    assert stored.domain == "home"


async def test_an_edit_keeps_what_it_does_not_name(atlas: Atlas, name: str) -> None:
    first = await atlas.remember(RESET, collection=name, domain="home", speaker="Ada")
    [memory_id] = first.memories[0].memory_ids
    edited = await atlas.remember("Hold the button for twenty seconds.", memory_id=memory_id)
    [stored] = await atlas.stored(name)
    assert edited.memories[0].outcome == pb.REMEMBER_OUTCOME_CHANGED
    assert edited.memories[0].collection == name
    assert (stored.memory_id, stored.text) == (memory_id, "Hold the button for twenty seconds.")
    assert (stored.domain, stored.speaker, stored.content_kind) == ("home", "Ada", type_pb2.CONTENT_KIND_MESSAGE)


async def test_an_edit_of_nothing_is_not_found(atlas: Atlas, name: str) -> None:
    error = await refusal(atlas.remember("text", memory_id=str(uuid4()), collection=name))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert violation(error) == "memories[0].memory_id"


async def test_a_long_text_is_cut_into_findable_chunks(atlas: Atlas, name: str) -> None:
    filler = " ".join(f"Sentence number {number} speaks of nothing in particular." for number in range(60))
    long = f"{filler}\n\n{RESET}\n\n{filler}"
    first = await atlas.remember(long, collection=name)
    assert len(first.memories[0].memory_ids) > 3
    best = (await atlas.search("reset the router", collections=[name])).hits[0].memory
    assert best.text == RESET
    assert long.encode()[best.chunk.begin : best.chunk.end].decode() == RESET
    again = await atlas.remember(long, collection=name)
    assert again.memories[0].outcome == pb.REMEMBER_OUTCOME_KNOWN
    assert again.memories[0].memory_ids == first.memories[0].memory_ids


async def test_a_replayed_request_gives_the_first_answer_and_other_content_is_aborted(atlas: Atlas, name: str) -> None:
    request_id = uuid4().hex
    request = pb.RememberRequest(memories=[pb.NewMemory(text=RESET, collection=name)], request_id=request_id)
    first = await atlas.gateway.Remember(request)
    again = await atlas.gateway.Remember(request)
    assert again == first
    assert again.memories[0].outcome == pb.REMEMBER_OUTCOME_NEW
    other = pb.RememberRequest(memories=[pb.NewMemory(text=BREAD, collection=name)], request_id=request_id)
    assert (await refusal(atlas.gateway.Remember(other))).code() is grpc.StatusCode.ABORTED
    assert len(await atlas.stored(name)) == 1


async def test_a_replayed_edit_gives_the_first_answer(atlas: Atlas, name: str) -> None:
    first = await atlas.remember(RESET, collection=name)
    edit = pb.NewMemory(text=BREAD, memory_id=first.memories[0].memory_ids[0])
    request = pb.RememberRequest(memories=[edit], request_id=uuid4().hex)
    assert await atlas.gateway.Remember(request) == await atlas.gateway.Remember(request)


@pytest.mark.parametrize(
    ("memory", "field"),
    [
        ({"text": ""}, "memories[0].text"),
        ({"text": " \n"}, "memories[0].text"),
        ({"text": "\u200b"}, "memories[0].text"),
        ({"text": "t", "memory_id": "no uuid"}, "memories[0].memory_id"),
        ({"text": "t", "title": "t" * 1_025}, "memories[0].title"),
        ({"text": "t", "source": "s" * 2_049}, "memories[0].source"),
        ({"text": "t", "content_kind": 9}, "memories[0].content_kind"),
        ({"text": "t", "event_time": {"seconds": -(1 << 60)}}, "memories[0].event_time"),
    ],
)
async def test_a_wrong_memory_names_its_field(atlas: Atlas, memory: dict[str, Any], field: str) -> None:
    error = await refusal(atlas.gateway.Remember(pb.RememberRequest(memories=[pb.NewMemory(**memory)])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation(error) == field


async def test_a_text_that_the_embedder_refuses_is_named_as_the_caller_knows_it(atlas: Atlas, name: str) -> None:
    # One word piece, and more bytes than the embedder takes; it comes last there, since texts are embedded by length.
    endless = "a" * 1_000_000
    error = await refusal(atlas.remember(RESET, endless, BREAD, collection=name))
    assert (error.code(), violation(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "memories[1].text")
    assert "memories[1].text has 1000000 bytes" in (error.details() or "")
    assert "inputs[" not in (error.details() or "")


async def test_a_speaker_that_leaves_no_room_for_the_text_is_named_as_the_caller_knows_it(atlas: Atlas, name: str) -> None:
    error = await refusal(atlas.remember(RESET, speaker="q." * 128, collection=name))
    assert (error.code(), violation(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "memories[0].speaker")
    assert (error.details() or "").startswith("memories[0].speaker holds 257 word pieces")
    [refused] = await atlas.ingest(name, [document("a", RESET, speaker="q." * 128)])
    assert refused.error.message.startswith("document.speaker holds 257 word pieces")


async def test_none_and_too_many_texts_are_refused(atlas: Atlas) -> None:
    for texts in ([], ["t"] * 101):
        error = await refusal(atlas.remember(*texts))
        assert (error.code(), violation(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "memories")


async def test_a_collection_of_another_model_is_refused_naming_both(atlas: Atlas, name: str) -> None:
    async with grpc.aio.insecure_channel(atlas.addresses["memory_address"]) as channel:
        spaces = [
            type_pb2.VectorSpace(name="dense", kind="VECTOR_KIND_DENSE", dimension=384, fingerprint="other-model/1"),
            type_pb2.VectorSpace(name="lexical", kind="VECTOR_KIND_SPARSE"),
        ]
        request = collection_pb2.CreateCollectionRequest(
            scope=type_pb2.Scope(tenant="default"), collection=collection_pb2.Collection(name=name, in_search_all=False), spaces=spaces
        )
        await collection_pb2_grpc.CollectionServiceStub(channel).CreateCollection(request)
    for error in (await refusal(atlas.remember(RESET, collection=name)), await refusal(atlas.ingest(name, [document("a", RESET)]))):
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        values = dict(detail(error, ErrorInfo).metadata)
        assert values["collection_fingerprint"] == "other-model/1"
        assert "MiniLM" in values["embedder_fingerprint"]


# ---------------------------------------------------------------- Ingest


def document(source: str, text: str, **fields: Any) -> pb.IngestDocument:
    return pb.IngestDocument(source=f"file://host/{source}", text=text, **fields)


def counts(reply: pb.IngestResponse) -> tuple[int, int, int, int]:
    return reply.new_count, reply.changed_count, reply.unchanged_count, reply.removed_count


async def test_documents_are_acknowledged_in_order_and_findable(atlas: Atlas, name: str) -> None:
    documents = [document(f"{number}", f"Note {number} is about topic {number}.") for number in range(150)]
    replies = await atlas.ingest(name, documents)
    assert [reply.sequence for reply in replies] == list(range(150))
    assert [reply.source for reply in replies] == [item.source for item in documents]
    assert all(counts(reply) == (1, 0, 0, 0) and reply.embedded_tokens > 0 for reply in replies)
    assert len(await atlas.stored(name)) == 150
    assert (await atlas.search("Note 77", collections=[name])).hits[0].memory.source == "file://host/77"


async def test_ingesting_again_embeds_nothing(atlas: Atlas, name: str) -> None:
    documents = [document(f"{number}", f"{RESET}\n\nNote {number}.") for number in range(20)]
    await atlas.ingest(name, documents)
    before = await atlas.stored(name)
    atlas.embedder_calls.clear()
    replies = await atlas.ingest(name, documents)
    assert all(counts(reply) == (0, 0, 2, 0) and reply.embedded_tokens == 0 for reply in replies)
    assert not atlas.embedder_calls
    assert await atlas.stored(name) == before


async def test_many_small_documents_share_their_calls(atlas: Atlas, name: str) -> None:
    atlas.embedder_calls.clear()
    await atlas.ingest(name, [document(f"{number}", f"Short message {number}.") for number in range(128)])
    assert len(atlas.embedder_calls) < 16


async def test_a_paragraph_at_the_top_moves_no_ids_and_costs_one_embedding(atlas: Atlas, name: str) -> None:
    await atlas.ingest(name, [document("a", f"{RESET}\n\n{BREAD}")])
    before = {memory.text: memory for memory in await atlas.stored(name)}
    atlas.embedder_calls.clear()
    [reply] = await atlas.ingest(name, [document("a", f"{COMET}\n\n{RESET}\n\n{BREAD}")])
    after = {memory.text: memory for memory in await atlas.stored(name)}
    assert counts(reply) == (1, 2, 0, 0)
    assert [text.text for call in atlas.embedder_calls for text in call.inputs] == [COMET]
    assert all(after[text].memory_id == before[text].memory_id for text in (RESET, BREAD))
    assert all(after[text].chunk.begin > before[text].chunk.begin for text in (RESET, BREAD))
    assert (await atlas.search("bread yeast", collections=[name])).hits[0].memory.text == BREAD


async def test_vanished_chunks_go_and_an_empty_text_removes_the_source(atlas: Atlas, name: str) -> None:
    await atlas.ingest(name, [document("a", f"{RESET}\n\n{BREAD}"), document("b", COMET)])
    [cut] = await atlas.ingest(name, [document("a", RESET)])
    assert counts(cut) == (0, 0, 1, 1)
    [gone] = await atlas.ingest(name, [document("a", "")])
    assert counts(gone) == (0, 0, 0, 1)
    assert [memory.source for memory in await atlas.stored(name)] == ["file://host/b"]


async def test_ids_follow_source_text_and_ordinal(atlas: Atlas, name: str) -> None:
    await atlas.ingest(name, [document("a", f"{RESET}\n\n{RESET}"), document("b", RESET)])
    wanted = [memory_id("default", name, f"file://host/{source}", RESET, ordinal) for source, ordinal in (("a", 0), ("a", 1), ("b", 0))]
    assert [memory.memory_id for memory in await atlas.stored(name)] == wanted


async def test_the_same_source_twice_in_a_stream_ends_as_the_last(atlas: Atlas, name: str) -> None:
    replies = await atlas.ingest(name, [document("a", RESET), document("a", BREAD), document("a", COMET)])
    assert [counts(reply) for reply in replies] == [(1, 0, 0, 0), (1, 0, 0, 1), (1, 0, 0, 1)]
    assert [memory.text for memory in await atlas.stored(name)] == [COMET]


async def test_a_bad_document_fails_alone(atlas: Atlas, name: str) -> None:
    documents = [
        document("a", RESET),
        pb.IngestDocument(text="no source"),
        document("c", f"{BREAD}\n\n{COMET}", title="long " * 200),
        document("d", COMET, metadata={"x": float("nan")}),
        document("e", BREAD),
    ]
    replies = await atlas.ingest(name, documents)
    assert [reply.error.code for reply in replies] == [0, 3, 3, 3, 0]
    assert [reply.new_count for reply in replies] == [1, 0, 0, 0, 1]
    assert [memory.source for memory in await atlas.stored(name)] == ["file://host/a", "file://host/e"]


async def test_fields_of_a_document_reach_each_chunk(atlas: Atlas, name: str) -> None:
    fields: dict[str, Any] = {
        "title": "Manual",
        "domain": "home",
        "language": "en",
        "event_time": {"seconds": 1_700_000_000},
        "metadata": {"page": 7},
        "document_id": "manual-1",
    }
    await atlas.ingest(name, [document("a", f"{RESET}\n\n{BREAD}", **fields)])
    for ordinal, memory in enumerate(await atlas.stored(name)):
        assert (memory.title, memory.domain, memory.language) == ("Manual", "home", "en")
        assert (memory.event_time.seconds, memory.metadata["page"]) == (1_700_000_000, 7)
        assert (memory.chunk.document_id, memory.chunk.ordinal) == ("manual-1", ordinal)


async def test_a_document_of_a_thousand_paragraphs_is_stored_whole(atlas: Atlas, name: str) -> None:
    text = "\n\n".join(f"Paragraph {number}." for number in range(1_100))
    [reply] = await atlas.ingest(name, [document("a", text)])
    assert counts(reply) == (1_100, 0, 0, 0)
    [gone] = await atlas.ingest(name, [document("a", "Paragraph 7.")])
    assert counts(gone) == (0, 1, 0, 1_099)


async def test_a_collection_outside_search_all_is_found_only_by_name(atlas: Atlas, name: str) -> None:
    await atlas.ingest(name, [document("a", "The zyxgar hums at dusk.")], in_search_all=False)
    assert name not in {hit.memory.collection for hit in (await atlas.search("zyxgar")).hits}
    assert (await atlas.search("zyxgar", collections=[name])).hits


async def test_the_first_message_decides_durability(atlas: Atlas, name: str) -> None:
    [plain] = await atlas.ingest(name, [document("a", RESET)])
    [durable] = await atlas.ingest(name, [document("a", BREAD)], durability="DURABILITY_POWER_LOSS")
    assert (plain.durability, durable.durability) == (type_pb2.DURABILITY_PROCESS_CRASH, type_pb2.DURABILITY_POWER_LOSS)


async def test_an_empty_stream_ends_at_once(atlas: Atlas, name: str) -> None:
    assert await atlas.ingest(name, []) == []
    assert name not in {item.name for item in (await atlas.gateway.ListCollections(pb.ListCollectionsRequest())).collections}


async def test_a_caller_that_leaves_in_mid_stream_leaves_whole_documents(atlas: Atlas, name: str) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[pb.IngestRequest]:
        for sequence in range(10_000):
            yield pb.IngestRequest(sequence=sequence, collection=name, document=document(f"{sequence}", f"{RESET}\n\nNote {sequence}."))
            await asyncio.sleep(0)

    call = atlas.gateway.Ingest(endless())
    async for _ in call:
        begun.set()
        break
    call.cancel()
    assert begun.is_set()
    by_source: dict[str, int] = {}
    for memory in await atlas.stored(name):
        by_source[memory.source] = by_source.get(memory.source, 0) + 1
    assert set(by_source.values()) == {2}


# ---------------------------------------------------------------- reads, deletions, server


async def test_memories_are_read_listed_and_deleted(atlas: Atlas, name: str) -> None:
    remembered = await atlas.remember(RESET, BREAD, COMET, collection=name, source="note://1")
    memory_ids = [item.memory_ids[0] for item in remembered.memories]
    read = await atlas.gateway.GetMemory(pb.GetMemoryRequest(memory_id=memory_ids[0]))
    assert (read.memory.text, read.memory.source) == (RESET, "note://1")
    page = await atlas.gateway.ListMemories(pb.ListMemoriesRequest(collection=name, page_size=2))
    rest = await atlas.gateway.ListMemories(pb.ListMemoriesRequest(collection=name, page_size=2, page_token=page.next_page_token))
    assert {memory.memory_id for memory in (*page.memories, *rest.memories)} == set(memory_ids)
    assert not rest.next_page_token

    async def deleted(**selection: Any) -> int:
        reply = await atlas.gateway.DeleteMemories(pb.DeleteMemoriesRequest(collection=name, **selection))
        return int(reply.deleted_count)

    assert await deleted(ids={"memory_ids": memory_ids[:1]}) == 1
    assert await deleted(ids={"memory_ids": memory_ids[:1]}) == 0
    words = type_pb2.Condition(field="source", equals={"string_value": "note://1"})
    assert await deleted(filter={"condition": words}) == 2
    await atlas.remember(RESET, collection=name, source="note://2")
    assert await deleted(source="note://2") == 1
    gone = await refusal(atlas.gateway.GetMemory(pb.GetMemoryRequest(memory_id=memory_ids[0])))
    assert gone.code() is grpc.StatusCode.NOT_FOUND


async def test_a_deletion_says_what_to_delete(atlas: Atlas) -> None:
    error = await refusal(atlas.gateway.DeleteMemories(pb.DeleteMemoriesRequest()))
    assert (error.code(), violation(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "selection")


async def test_collections_are_listed_and_deleted_by_their_name_given_twice(atlas: Atlas, name: str) -> None:
    await atlas.remember(RESET, collection=name)
    listed = await atlas.gateway.ListCollections(pb.ListCollectionsRequest())
    [mine] = [item for item in listed.collections if item.name == name]
    assert (mine.memory_count, mine.in_search_all) == (1, True)
    assert {space.name for space in mine.spaces} == {"dense", "lexical"}
    wrong = atlas.gateway.DeleteCollection(pb.DeleteCollectionRequest(name=name, confirm_name="other"))
    assert (await refusal(wrong)).code() is grpc.StatusCode.INVALID_ARGUMENT
    reply = await atlas.gateway.DeleteCollection(pb.DeleteCollectionRequest(name=name, confirm_name=name))
    assert reply.memory_count == 1
    assert (await refusal(atlas.search("q", collections=[name]))).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("size", [-1, 1_001])
async def test_a_page_size_out_of_range_is_refused(atlas: Atlas, size: int) -> None:
    for call in (
        atlas.gateway.ListMemories(pb.ListMemoriesRequest(page_size=size)),
        atlas.gateway.ListCollections(pb.ListCollectionsRequest(page_size=size)),
    ):
        assert violation(await refusal(call)) == "page_size"


async def test_the_server_says_what_serves(atlas: Atlas) -> None:
    info = await atlas.gateway.GetServerInfo(pb.GetServerInfoRequest())
    parts = {part.part: part for part in info.parts}
    assert set(parts) == {"embedder", "reranker", "memory"}
    assert all(part.serving and not part.HasField("error") for part in info.parts)
    assert parts["embedder"].model.model_id
    assert parts["reranker"].calibration_version
    assert info.profile == "cpu"
    assert info.limits.max_query_tokens == 256
    assert "two_stage_search" in info.features


async def test_an_expired_deadline_writes_nothing(atlas: Atlas, name: str) -> None:
    request = pb.RememberRequest(memories=[pb.NewMemory(text=RESET, collection=name)])
    error = await refusal(atlas.gateway.Remember(request, timeout=0.000_1))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert name not in {item.name for item in (await atlas.gateway.ListCollections(pb.ListCollectionsRequest())).collections}


async def test_a_part_that_is_away_is_named_by_the_server() -> None:
    nowhere = {f"{part}_address": "127.0.0.1:1" for part in ("embedder", "reranker", "memory")}
    async with open_gateway(until_ready=False, **nowhere) as (gateway, _):
        info = await gateway.GetServerInfo(pb.GetServerInfoRequest())
    assert [(part.part, part.serving, part.error.code) for part in info.parts] == [
        ("embedder", False, 14),
        ("reranker", False, 14),
        ("memory", False, 14),
    ]
    assert info.limits.max_query_tokens == 0
