"""The Python client against the real system: typed answers, typed errors, streams that end well."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

import atlas.client
from atlas.client import AsyncAtlas, Atlas, MemoryInput, Outcome, SalienceMode
from atlas.documents import Document
from atlas.errors import AtlasError, DeadlineError, DependencyDownError, InvalidInputError, NotFoundError
from atlas.ranking import Kind

from .conftest import System

RESET = "To reset the router, hold the small button on its back for ten seconds."
BREAD = "Sourdough bread rises slowly because wild yeast works slowly."
COMET = "A comet grows its tail when the sun heats its ice."
STRANGER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def name() -> str:
    """A collection of the test's own."""
    return f"client-{uuid4().hex[:12]}"


@pytest.fixture
async def client(system: System) -> AsyncIterator[AsyncAtlas]:
    async with AsyncAtlas(system.server) as opened:
        yield opened


@pytest.fixture
def blocking(system: System) -> Iterator[Atlas]:
    with Atlas(system.server) as opened:
        yield opened


def document(name: str, text: str = "", **fields: Any) -> Document:
    return Document(**{"source": f"test://{name}", "text": text or f"The {name} is painted green.", "document_id": name, **fields})


# ---------------------------------------------------------------- answers


async def test_a_search_gives_typed_values_that_make_sense(client: AsyncAtlas, name: str) -> None:
    said = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    (stored, *_) = await client.remember(
        MemoryInput(RESET, collection=name, domain="home", speaker="Ana", event_time=said, metadata={"room": "hall", "floor": 2}),
        MemoryInput(BREAD, collection=name),
        MemoryInput(COMET, collection=name),
    )
    assert (stored.outcome, stored.collection) == (Outcome.NEW, name)
    result = await client.search("how do I reset the router?", collections=[name], result_count=2, explain=True)

    assert [hit.rank for hit in result.hits] == [1, 2]
    best = result.hits[0]
    assert best.snippet in best.memory.text
    assert best.relevance is not None
    assert best.rank_score is not None
    assert 0.5 < best.relevance <= 1
    assert best.rank_score > (result.hits[1].rank_score or 0.0)
    assert {item.kind for item in best.evidence} == {"similarity", "lexical", "late_interaction"}
    assert all(item.rank == 1 for item in best.evidence if item.kind != "late_interaction")
    assert best.salience is not None
    assert 0 <= best.salience <= 1
    assert best.rank_before_salience == 1
    assert best.explanation is not None
    assert (best.explanation.pool_rank, best.explanation.salience_logits) == (1, 0.0)
    assert best.explanation.final_score is not None
    assert best.explanation.final_score * best.explanation.logits_per_unit == pytest.approx(best.rank_score)

    memory = best.memory
    assert (memory.memory_id, memory.collection, memory.domain, memory.speaker) == (stored.memory_ids[0], name, "home", "Ana")
    assert (memory.text, memory.content_kind, memory.language) == (RESET, Kind.MESSAGE, "en")
    assert (memory.event_time, dict(memory.metadata)) == (said, {"room": "hall", "floor": 2})
    assert (memory.document_id, memory.ordinal, memory.begin, memory.end) == ("", None, None, None)
    assert memory.create_time is not None
    assert memory.update_time is not None
    assert said < memory.create_time <= memory.update_time <= datetime.now(UTC)
    assert len(memory.content_sha256) == 64
    assert all((memory.generation, memory.etag))

    assert UUID(result.search_id)
    assert (result.degraded, result.notices) == ((), ())
    assert result.candidate_count == 3
    assert [stage.stage for stage in result.stages] == ["embed", "candidates", "rerank", "assemble", "record"]
    assert sum(stage.total_ms for stage in result.stages) + result.unaccounted_ms == pytest.approx(result.total_ms, rel=0.01)
    assert set(result.models) == {"embedder", "reranker"}
    assert all(model.startswith("all-MiniLM-L6-v2@") for model in result.models.values())
    write = result.salience_write
    assert (write.accepted_count, write.duplicate_count, write.rejected_count) == (3, 0, 0)
    assert (write.durability, write.skipped_reason, write.error) == ("process_crash", "", None)


async def test_a_search_can_be_narrowed_by_everything_it_takes(client: AsyncAtlas, name: str) -> None:
    await client.remember(
        MemoryInput(RESET, collection=name, domain="home", event_time=datetime(2026, 3, 1, tzinfo=UTC), metadata={"floor": 2, "new": True}),
        MemoryInput(BREAD, collection=name, source="test://bread", content_kind=Kind.CODE, metadata={"floor": 3, "new": False}),
    )
    options: list[dict[str, Any]] = [
        {"domain": "home"},
        {"where": {"metadata.floor": 2}},
        {"where": {"metadata.floor": [1, 2], "metadata.new": True}},
        {"content_kinds": [Kind.TEXT]},
        {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 4, 1, tzinfo=UTC)},
    ]
    for narrowed in options:
        result = await client.search("what do I hold?", collections=[name], salience_mode=SalienceMode.OFF, **narrowed)
        assert [hit.memory.text for hit in result.hits] == [RESET], narrowed
        assert (result.salience_write.skipped_reason, result.hits[0].salience) == ("OFF", None)


async def test_memories_are_read_edited_listed_and_deleted(client: AsyncAtlas, name: str) -> None:
    stored = await client.remember(*(MemoryInput(text, collection=name, source=f"test://{name}") for text in (RESET, BREAD, COMET)))
    ids = [item.memory_ids[0] for item in stored]
    assert (await client.get(ids[0])).text == RESET
    (edited,) = await client.remember(MemoryInput("The router has no button.", memory_id=ids[0]))
    assert (edited.outcome, edited.memory_ids) == (Outcome.CHANGED, (ids[0],))
    first = await client.list(collection=name, page_size=2)
    second = await client.list(collection=name, page_size=2, page_token=first.next_page_token, without_text=True)
    assert {memory.memory_id for memory in (*first.items, *second.items)} == set(ids)
    assert (len(first.items), second.next_page_token, second.items[0].text) == (2, "", "")
    listed = {collection.name: collection for collection in await client.collections()}[name]
    assert (listed.memory_count, listed.in_search_all, set(listed.fingerprints)) == (3, True, {"dense", "lexical"})
    assert await client.delete(memory_ids=ids[:1]) == 1
    assert await client.delete(memory_ids=ids[:1]) == 0
    assert await client.delete(source=f"test://{name}", collection=name) == 2
    assert await client.delete_collection(name, confirm_name=name) == 0
    assert name not in {collection.name for collection in await client.collections()}


async def test_the_server_says_what_serves(client: AsyncAtlas) -> None:
    info = await client.server_info()
    assert [(part.name, part.serving, part.error) for part in info.parts] == [
        ("embedder", True, None),
        ("reranker", True, None),
        ("memory", True, None),
    ]
    assert (info.profile, info.max_query_tokens, info.max_candidate_count) == ("cpu", 256, 200)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "kind", "field", "values"),
    [
        (lambda client: client.search(" "), InvalidInputError, "query.text", {}),
        (lambda client: client.search("word " * 400), InvalidInputError, "query.text", {"token_count": "402", "max_tokens": "256"}),
        (lambda client: client.search("x", candidate_count=-1), InvalidInputError, "candidate_count", {"value": "-1", "limit": "200"}),
        (lambda client: client.search("x", where={"colour": "red"}), InvalidInputError, None, {"value": "colour"}),
        (lambda client: client.search("x", collections=["away"]), NotFoundError, "collections[0]", {"collection": "away"}),
        (lambda client: client.get(STRANGER), NotFoundError, "memory_id", {"memory_id": STRANGER}),
        (lambda client: client.remember(), InvalidInputError, "memories", {"max_count": "100"}),
        (lambda client: client.delete_collection("a", confirm_name="b"), InvalidInputError, "confirm_name", {"name": "a"}),
        # Refused before anything is sent.
        (lambda client: client.search("x", candidate_count=2**40), InvalidInputError, None, {}),
        (lambda client: client.search("half a sign: \ud83d"), InvalidInputError, None, {}),
        (lambda client: client.search("x", since=datetime(2026, 1, 1)), InvalidInputError, None, {"time": "2026-01-01T00:00:00"}),
        (lambda client: client.search("x", where={"domain": None}), InvalidInputError, "where['domain']", {"kind": "NoneType"}),
        (lambda client: client.delete(), InvalidInputError, "selection", {"count": 0}),
        (lambda client: client.delete(memory_ids=[STRANGER], source="s"), InvalidInputError, "selection", {"count": 2}),
    ],
)
async def test_errors_are_typed_and_carry_field_and_values(
    client: AsyncAtlas, call: Any, kind: type[AtlasError], field: str | None, values: dict[str, Any]
) -> None:
    with pytest.raises(AtlasError) as caught:
        await call(client)
    error = caught.value
    assert type(error) is kind, error
    if field is not None:
        assert error.field == field
    assert {key: error.values.get(key) for key in values} == values
    assert error.message


async def test_a_deadline_that_is_too_short_is_said_so(client: AsyncAtlas, name: str) -> None:
    for timeout_s in (0.0, 1e-6):
        with pytest.raises(DeadlineError):
            await client.search("anything", timeout_s=timeout_s)
        with pytest.raises(DeadlineError):
            await client.remember(MemoryInput(RESET, collection=name), timeout_s=timeout_s)
    assert name not in {collection.name for collection in await client.collections()}


async def test_a_gateway_that_is_away_is_a_dependency_that_is_down() -> None:
    async with AsyncAtlas("127.0.0.1:1", timeout_s=5.0) as client:
        with pytest.raises(DependencyDownError):
            await client.server_info()
        with pytest.raises(DependencyDownError):
            [reply async for reply in client.ingest([document("boat")])]


# ---------------------------------------------------------------- streams


async def test_one_bad_document_fails_alone(client: AsyncAtlas, name: str) -> None:
    documents = [document("boat"), document("mast", language="x" * 40), document("sail")]
    replies = [reply async for reply in client.ingest(documents, collection=name, in_search_all=False)]
    assert [reply.source for reply in replies] == ["test://boat", "test://mast", "test://sail"]
    assert [reply.new_count for reply in replies] == [1, 0, 1]
    assert replies[0].embedded_token_count > 0
    assert [reply.error is None for reply in replies] == [True, False, True]
    assert isinstance(replies[1].error, InvalidInputError)
    assert (replies[1].error.field, replies[1].error.values["size_bytes"]) == ("document.language", "40")
    again = [reply async for reply in client.ingest(documents[::2], collection=name)]
    assert [(reply.unchanged_count, reply.embedded_token_count) for reply in again] == [(1, 0), (1, 0)]
    gone = [reply async for reply in client.ingest([document("boat", " ")], collection=name)]
    assert gone[0].removed_count == 1


async def test_what_breaks_in_the_documents_reaches_the_caller(client: AsyncAtlas, name: str) -> None:
    async def documents() -> AsyncIterator[Document]:
        yield document("boat")
        raise LookupError("the shelf is empty")

    async with asyncio.timeout(20):
        with pytest.raises(LookupError, match="the shelf is empty"):
            [reply async for reply in client.ingest(documents(), collection=name)]
        with pytest.raises(InvalidInputError, match="no time zone"):
            [reply async for reply in client.ingest([document("boat", event_time=datetime(2026, 1, 1))], collection=name)]


async def test_leaving_an_ingest_early_ends_it_and_what_feeds_it(client: AsyncAtlas, name: str) -> None:
    closed = asyncio.Event()

    async def documents() -> AsyncIterator[Document]:
        try:
            for number in range(1_000_000):
                yield document(f"boat-{number}")
        finally:
            closed.set()

    async with asyncio.timeout(20):
        async for reply in client.ingest(documents(), collection=name):
            assert reply.error is None
            break
        await closed.wait()
    assert (await client.search("what is green?", collections=[name])).hits


async def test_a_stream_has_a_deadline_too(client: AsyncAtlas, name: str) -> None:
    async def documents() -> AsyncIterator[Document]:
        yield document("boat")
        await asyncio.Event().wait()

    async with asyncio.timeout(20):
        with pytest.raises(DeadlineError):
            [reply async for reply in client.ingest(documents(), collection=name, timeout_s=2.0)]


# ---------------------------------------------------------------- the blocking client


def test_the_blocking_client_does_the_same(blocking: Atlas, name: str) -> None:
    (stored,) = blocking.remember(MemoryInput(RESET, collection=name))
    assert blocking.search("reset the router", collections=[name]).hits[0].memory.memory_id == stored.memory_ids[0]
    assert blocking.get(stored.memory_ids[0]).text == RESET
    assert len(blocking.list(collection=name).items) == 1
    assert [reply.new_count for reply in blocking.ingest([document("boat")], collection=name)] == [1]
    assert name in {collection.name for collection in blocking.collections()}
    assert all(part.serving for part in blocking.server_info().parts)
    with pytest.raises(InvalidInputError):
        blocking.search("")
    assert blocking.delete(memory_ids=stored.memory_ids) == 1
    assert blocking.delete_collection(name, confirm_name=name) == 1


def test_the_blocking_client_serves_several_threads_at_once(blocking: Atlas, name: str) -> None:
    blocking.remember(MemoryInput(RESET, collection=name), MemoryInput(BREAD, collection=name))
    found: dict[str, str] = {}

    def ask(question: str) -> None:
        for _ in range(5):
            found[question] = blocking.search(question, collections=[name]).hits[0].memory.text

    threads = [threading.Thread(target=ask, args=(question,)) for question in ("how do I reset the router?", "why does bread rise slowly?")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert list(found.values()) == [RESET, BREAD] or list(found.values()) == [BREAD, RESET]
    assert found["how do I reset the router?"] == RESET


def test_leaving_a_blocking_ingest_early_leaves_nothing_running(system: System, name: str) -> None:
    def documents() -> Iterator[Document]:
        for number in range(1_000):
            yield document(f"boat-{number}")

    with Atlas(system.server) as client:
        for reply in client.ingest(documents(), collection=name):
            assert reply.error is None
            break
        assert client.search("what is green?", collections=[name]).hits
    client.close()
    assert "atlas-client" not in {thread.name for thread in threading.enumerate()}


# ---------------------------------------------------------------- the surface


def test_no_generated_type_is_in_the_public_surface() -> None:
    annotations = {f"{owner}.{key}": str(hint) for owner, hints in _annotations() for key, hint in hints.items() if not key.startswith("_")}
    assert len(annotations) > 150
    assert {
        name: hint for name, hint in annotations.items() if re.search(r"\b(pb|rpc|type_pb2|grpc|Message|Struct|Timestamp)\b", hint)
    } == {}


async def test_no_generated_value_is_in_an_answer(client: AsyncAtlas, name: str) -> None:
    await client.remember(
        MemoryInput(RESET, collection=name, event_time=datetime(2026, 3, 1, tzinfo=UTC), metadata={"a": [1, {"b": None}]})
    )
    answers = (await client.search("router", collections=[name], explain=True), await client.server_info(), await client.collections())
    assert {type(value).__module__.split(".")[0] for answer in answers for value in _values(answer)} <= {"atlas", "builtins", "datetime"}


def _annotations() -> Iterator[tuple[str, dict[str, Any]]]:
    for public in atlas.client.__all__:
        value = getattr(atlas.client, public)
        yield public, inspect.get_annotations(value)
        for key, member in inspect.getmembers(value, inspect.isfunction):
            if key == "__init__" or not key.startswith("_"):
                yield f"{public}.{key}", inspect.get_annotations(member)


def _values(value: Any) -> Iterator[Any]:
    yield value
    parts: Iterable[Any] = ()
    if dataclasses.is_dataclass(value):
        parts = (getattr(value, item.name) for item in dataclasses.fields(value))
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    for part in parts:
        yield from _values(part)
