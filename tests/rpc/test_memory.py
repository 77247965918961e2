"""MemoryService over gRPC on the real engine: what a write does, what a query gives, and what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from atlas import tensors
from atlas.errors import StartupError
from atlas.memory.v1 import memory_pb2 as pb
from atlas.passages import content_sha256
from atlas.ranking import Kind, pool_score
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import (
    DIMENSION,
    FINGERPRINT,
    Memory,
    create,
    failure_of,
    id_of,
    memory_service,
    named,
    needs_edge,
    query,
    scope,
    upsert,
    vector_of,
    write,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
Code = grpc.StatusCode
NEW, CHANGED, UNCHANGED = pb.WRITE_OUTCOME_NEW, pb.WRITE_OUTCOME_CHANGED, pb.WRITE_OUTCOME_UNCHANGED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    """One service for the module; each test uses a tenant of its own."""
    async with memory_service(tmp_path_factory.mktemp("memory")) as memory:
        yield memory


async def put(memory: Memory, tenant: str, *writes: pb.MemoryWrite, **fields: Any) -> pb.UpsertMemoriesResponse:
    return await memory.memories.UpsertMemories(upsert(*writes, tenant=tenant, **fields))


async def get(memory: Memory, tenant: str, name: str, domains: tuple[str, ...] = ()) -> type_pb2.Memory:
    request = pb.GetMemoryRequest(scope=scope(tenant, domains), memory_id=id_of(name))
    return (await memory.memories.GetMemory(request)).memory


async def ask(memory: Memory, tenant: str, text: str, **fields: Any) -> pb.QueryMemoriesResponse:
    return await memory.memories.QueryMemories(query(text, tenant=tenant, **fields))


async def delete(memory: Memory, tenant: str, domains: tuple[str, ...] = (), **fields: Any) -> int:
    request = pb.DeleteMemoriesRequest(scope=scope(tenant, domains), **fields)
    return (await memory.memories.DeleteMemories(request)).deleted_count


async def count(memory: Memory, tenant: str, tree: dict[str, Any] | None = None, domains: tuple[str, ...] = ()) -> int:
    asked = None if tree is None else filter_of(tree)
    request = pb.CountMemoriesRequest(scope=scope(tenant, domains), collection="notes", filter=asked)
    return (await memory.memories.CountMemories(request)).memory_count


def filter_of(tree: dict[str, Any]) -> type_pb2.Filter:
    return json_format.ParseDict(tree, type_pb2.Filter())


def where(field: str, **test: Any) -> dict[str, Any]:
    return {"condition": {"field": field, **test}}


def texts(answer: pb.QueryMemoriesResponse) -> list[str]:
    return [candidate.memory.text for candidate in answer.candidates]


def evidence(candidate: pb.Candidate) -> dict[int, type_pb2.Evidence]:
    return {one.kind: one for one in candidate.evidence}


# --- writes ---


async def test_a_memory_comes_back_as_it_was_written(memory: Memory) -> None:
    await create(memory, tenant="back")
    happened = Timestamp(seconds=1_700_000_000, nanos=123_456_000)
    wanted = write(
        "1",
        "the answer is forty-two",
        domain="home",
        title="Guide",
        source="file://host/guide.md",
        chunk=type_pb2.Chunk(document_id="guide", ordinal=3, begin=10, end=33),
        content_kind=type_pb2.CONTENT_KIND_TEXT,
        event_time=happened,
        metadata=json_format.ParseDict(
            {"stars": 5, "ratio": 0.5, "tags": ["a", {"b": None}], "done": True, "": "e"}, type_pb2.Memory().metadata
        ),
    )
    (result,) = (await put(memory, "back", wanted)).results
    assert (result.outcome, result.memory_id) == (NEW, id_of("1"))
    got = await get(memory, "back", "1")
    assert got.etag == result.etag
    assert got.content_sha256 == content_sha256("Guide. the answer is forty-two")
    assert got.language == "en"
    assert got.create_time == got.update_time
    assert got.salience == pytest.approx(0.25)
    for field in ("memory_id", "collection", "domain", "text", "title", "source", "chunk", "event_time", "metadata", "content_kind"):
        assert getattr(got, field) == getattr(wanted.memory, field), field


async def test_a_write_says_new_changed_or_unchanged(memory: Memory) -> None:
    await create(memory, tenant="outcomes")
    (first,) = (await put(memory, "outcomes", write("1", "one"))).results
    (same,) = (await put(memory, "outcomes", write("1", "one"))).results
    (other,) = (await put(memory, "outcomes", write("1", "one", domain="home"))).results
    assert [first.outcome, same.outcome, other.outcome] == [NEW, UNCHANGED, CHANGED]
    assert first.etag == same.etag != other.etag
    got = await get(memory, "outcomes", "1")
    assert got.create_time.ToNanoseconds() < got.update_time.ToNanoseconds()
    assert await count(memory, "outcomes") == 1


async def test_durability_is_echoed_and_defaults_to_power_loss(memory: Memory) -> None:
    await create(memory, tenant="durable")
    assert (await put(memory, "durable", write("1", "one"))).durability == type_pb2.DURABILITY_POWER_LOSS
    asked = await put(memory, "durable", write("2", "two"), durability=type_pb2.DURABILITY_PROCESS_CRASH)
    assert asked.durability == type_pb2.DURABILITY_PROCESS_CRASH
    assert asked.timing.total.ToNanoseconds() >= asked.timing.queue.ToNanoseconds()


async def test_without_vectors_the_stored_ones_are_kept_and_the_rest_is_replaced(memory: Memory) -> None:
    await create(memory, tenant="novectors")
    await put(memory, "novectors", write("1", "the red house", metadata={"stars": 1}))
    (result,) = (await put(memory, "novectors", write("1", "the red house", vectors=False, domain="street"))).results
    assert result.outcome == CHANGED
    (candidate,) = (await ask(memory, "novectors", "the red house")).candidates
    assert evidence(candidate)[type_pb2.EVIDENCE_KIND_SIMILARITY].value == pytest.approx(1.0, abs=1e-5)
    assert candidate.memory.domain == "street"
    assert not candidate.memory.metadata.fields


async def test_without_vectors_another_text_is_refused(memory: Memory) -> None:
    await create(memory, tenant="needed")
    await put(memory, "needed", write("1", "one"))
    for attempt in (
        write("1", "two", vectors=False),
        write("1", "one", vectors=False, title="now titled"),
        write("2", "new", vectors=False),
    ):
        failure = await failure_of(put(memory, "needed", attempt))
        assert (failure.code, failure.reason, failure.fields) == (Code.FAILED_PRECONDITION, "VECTORS_NEEDED", ("writes[0].vectors",))
    assert (await get(memory, "needed", "1")).text == "one"


async def test_if_match_guards_against_lost_updates(memory: Memory) -> None:
    await create(memory, tenant="etags")
    failure = await failure_of(put(memory, "etags", write("1", "one", if_match="*")))
    assert (failure.code, failure.reason, failure.fields) == (Code.ABORTED, "ETAG_MISMATCH", ("writes[0].if_match",))
    (first,) = (await put(memory, "etags", write("1", "one"))).results
    (second,) = (await put(memory, "etags", write("1", "two", if_match=first.etag))).results
    assert (await failure_of(put(memory, "etags", write("1", "three", if_match=first.etag)))).code == Code.ABORTED
    await put(memory, "etags", write("1", "four", if_match="*"))
    assert second.etag != (await get(memory, "etags", "1")).etag


async def test_a_batch_is_all_or_nothing(memory: Memory) -> None:
    await create(memory, tenant="atomic")
    bad = write("2", "two")
    bad.vectors[0].fingerprint = "foreign/1"
    failure = await failure_of(put(memory, "atomic", write("1", "one"), bad))
    assert (failure.code, failure.reason) == (Code.FAILED_PRECONDITION, "FOREIGN_FINGERPRINT")
    assert {failure.values["fingerprint"], failure.values["collection_fingerprint"]} == {"foreign/1", FINGERPRINT}
    assert failure.fields == ("writes[1].vectors[0].fingerprint",)
    assert await count(memory, "atomic") == 0


async def test_an_id_is_used_once_in_a_tenant_and_freely_in_others(memory: Memory) -> None:
    await create(memory, tenant="unique")
    await create(memory, "mail", tenant="unique")
    await create(memory, tenant="unique-too")
    await put(memory, "unique", write("1", "one"))
    failure = await failure_of(put(memory, "unique", write("1", "one", collection="mail")))
    assert (failure.code, failure.reason) == (Code.ABORTED, "ID_TAKEN")
    await put(memory, "unique-too", write("1", "other"))
    assert (await get(memory, "unique", "1")).text == "one"
    assert (await get(memory, "unique-too", "1")).text == "other"


async def test_chunks_that_vanished_go_in_the_same_write(memory: Memory) -> None:
    await create(memory, tenant="vanish")
    await put(memory, "vanish", write("1", "one"), write("2", "two"))
    answer = await put(memory, "vanish", write("3", "three"), delete_memory_ids=[id_of("1"), id_of("unknown")])
    assert answer.deleted_count == 1
    assert await count(memory, "vanish") == 2
    failure = await failure_of(put(memory, "vanish", write("2", "two"), delete_memory_ids=[id_of("2")]))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("delete_memory_ids[0]",))


async def test_a_repeated_request_is_answered_and_not_repeated(memory: Memory) -> None:
    await create(memory, tenant="replay")
    first = await put(memory, "replay", write("1", "one"), request_id="r1")
    await put(memory, "replay", write("1", "two"))
    again = write("1", "one")
    again.vectors[0].CopyFrom(named(vector_of("one") + np.float32(1e-4)))  # an encoder may round another way
    repeated = await put(memory, "replay", again, request_id="r1")
    assert repeated.results == first.results
    assert (await get(memory, "replay", "1")).text == "two"
    failure = await failure_of(put(memory, "replay", write("1", "three"), request_id="r1"))
    assert (failure.code, failure.reason, failure.fields) == (Code.ABORTED, "REQUEST_ID_REUSED", ("request_id",))
    assert (await put(memory, "replay", write("9", "nine"))).results[0].outcome == NEW


def with_vector(**changes: Any) -> pb.MemoryWrite:
    made = write("1", "one")
    for name, value in changes.items():
        target = getattr(made.vectors[0], name)
        target.CopyFrom(value) if hasattr(target, "CopyFrom") else setattr(made.vectors[0], name, value)
    return made


def with_memory(**changes: Any) -> pb.MemoryWrite:
    made = write("1", "one")
    for name, value in changes.items():
        target = getattr(made.memory, name)
        target.CopyFrom(value) if hasattr(target, "CopyFrom") else setattr(made.memory, name, value)
    return made


def tensor(values: list[float]) -> type_pb2.Tensor:
    return tensors.to_message(np.array(values, np.float32))


SHORT_TENSOR = type_pb2.Tensor(dtype=type_pb2.D_TYPE_FLOAT32, shape=[DIMENSION], data=b"1234")
NAN_METADATA = type_pb2.Memory()
NAN_METADATA.metadata.fields["a"].list_value.values.add().number_value = float("nan")


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (with_memory(memory_id="42"), "writes[0].memory.memory_id"),
        (with_memory(memory_id=""), "writes[0].memory.memory_id"),
        (with_memory(memory_id=id_of("1").replace("-", "")), "writes[0].memory.memory_id"),
        (with_memory(collection=""), "writes[0].memory.collection"),
        (with_memory(text=""), "writes[0].memory.text"),
        (with_memory(text=" \n\t "), "writes[0].memory.text"),
        (with_memory(text="x" * 300_000), "writes[0].memory.text"),
        (with_memory(title="ä" * 513), "writes[0].memory.title"),
        (with_memory(speaker="x" * 257), "writes[0].memory.speaker"),
        (with_memory(domain="x" * 257), "writes[0].memory.domain"),
        (with_memory(source="x" * 2049), "writes[0].memory.source"),
        (with_memory(language="x" * 33), "writes[0].memory.language"),
        (with_memory(content_kind=99), "writes[0].memory.content_kind"),
        (with_memory(chunk=type_pb2.Chunk(ordinal=-1)), "writes[0].memory.chunk.ordinal"),
        (with_memory(chunk=type_pb2.Chunk(begin=5, end=4)), "writes[0].memory.chunk"),
        (with_memory(event_time=Timestamp(seconds=10**12)), "writes[0].memory.event_time"),
        (with_memory(event_time=Timestamp(nanos=-1)), "writes[0].memory.event_time"),
        (with_memory(metadata=NAN_METADATA.metadata), "writes[0].memory.metadata.a[0]"),
        (with_vector(dense=tensor([1.0] * 3)), "writes[0].vectors[0].dense"),
        (with_vector(dense=tensor([0.0] * DIMENSION)), "writes[0].vectors[0].dense"),
        (with_vector(dense=tensor([float("nan")] + [1.0] * (DIMENSION - 1))), "writes[0].vectors[0].dense"),
        (with_vector(dense=tensor([float("inf")] + [1.0] * (DIMENSION - 1))), "writes[0].vectors[0].dense"),
        (with_vector(dense=SHORT_TENSOR), "writes[0].vectors[0].dense.data"),
        (with_vector(dense=tensors.to_message(np.ones((2, DIMENSION), np.float32))), "writes[0].vectors[0].dense.shape"),
        (with_vector(fingerprint=""), "writes[0].vectors[0].fingerprint"),
        (with_vector(space="tokens"), "writes[0].vectors[0].space"),
        (with_vector(sparse=tensors.to_sparse([])), "writes[0].vectors[0]"),
        (pb.MemoryWrite(memory=write("1", "one").memory, vectors=[named(vector_of("a"))] * 2), "writes[0].vectors"),
    ],
)
async def test_a_bad_write_is_refused_naming_the_field(memory: Memory, bad: pb.MemoryWrite, field: str) -> None:
    await create(memory, tenant="bad")
    failure = await failure_of(put(memory, "bad", bad))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, (field,)), failure.message
    assert await count(memory, "bad") == 0


async def test_a_bad_request_is_refused_naming_the_field(memory: Memory) -> None:
    await create(memory, tenant="bad")
    cases: list[tuple[pb.UpsertMemoriesRequest, Code, tuple[str, ...]]] = [
        (upsert(tenant="bad"), Code.INVALID_ARGUMENT, ("writes",)),
        (upsert(*[write("1", "one")] * 1001, tenant="bad"), Code.INVALID_ARGUMENT, ("writes",)),
        (upsert(write("1", "one"), write("1", "two"), tenant="bad"), Code.INVALID_ARGUMENT, ("writes[1].memory.memory_id",)),
        (upsert(write("1", "one"), tenant=""), Code.INVALID_ARGUMENT, ("scope.tenant",)),
        (upsert(write("1", "one"), tenant="x" * 129), Code.INVALID_ARGUMENT, ("scope.tenant",)),
        (upsert(write("1", "one"), tenant="bad", request_id="x" * 129), Code.INVALID_ARGUMENT, ("request_id",)),
        (upsert(write("1", "one"), tenant="bad", delete_memory_ids=["1"]), Code.INVALID_ARGUMENT, ("delete_memory_ids[0]",)),
        (upsert(write("1", "one", collection="away"), tenant="bad"), Code.NOT_FOUND, ("writes[0].memory.collection",)),
        (upsert(write("1", "one", domain="b"), tenant="bad", domains=["a"]), Code.INVALID_ARGUMENT, ("writes[0].memory.domain",)),
    ]
    for request, code, fields in cases:
        failure = await failure_of(memory.memories.UpsertMemories(request))
        assert (failure.code, failure.fields) == (code, fields), failure.message
    assert await count(memory, "bad") == 0


async def test_vectors_need_no_unit_length(memory: Memory) -> None:
    await create(memory, tenant="length")
    await put(memory, "length", with_vector(dense=tensors.to_message(vector_of("one") * np.float32(1e30))))
    (candidate,) = (await ask(memory, "length", "one")).candidates
    assert evidence(candidate)[type_pb2.EVIDENCE_KIND_SIMILARITY].value == pytest.approx(1.0, abs=1e-5)


async def test_concurrent_writes_of_one_memory_leave_one_state(memory: Memory) -> None:
    await create(memory, tenant="race")
    answers = await asyncio.gather(*(put(memory, "race", write("1", f"text {number}")) for number in range(20)))
    outcomes = [answer.results[0].outcome for answer in answers]
    assert sorted(outcomes) == [NEW] + [CHANGED] * 19
    got = await get(memory, "race", "1")
    assert got.etag == max((answer.results[0].etag for answer in answers), key=lambda etag: int(etag, 16))
    assert await count(memory, "race") == 1


# --- reads ---


async def test_ids_are_looked_up_in_the_tenant_and_in_scope(memory: Memory) -> None:
    await create(memory, tenant="scoped")
    await put(memory, "scoped", write("1", "one", domain="a"), write("2", "two", domain="b"))
    assert (await get(memory, "scoped", "1", ("a",))).text == "one"
    for tenant, domains in (("scoped", ("b",)), ("stranger", ())):
        failure = await failure_of(get(memory, tenant, "1", domains))
        assert (failure.code, failure.values["memory_id"]) == (Code.NOT_FOUND, id_of("1"))
    request = pb.BatchGetMemoriesRequest(
        scope=scope("scoped", ["b"]), memory_ids=[id_of("2"), id_of("1"), id_of("3"), id_of("2").upper()], without_text=True
    )
    got = await memory.memories.BatchGetMemories(request)
    assert [(one.memory_id, one.text) for one in got.memories] == [(id_of("2"), "")]
    assert got.memories[0].content_sha256
    assert list(got.missing_ids) == [id_of("1"), id_of("3")]
    for memory_ids in ([], ["x"], [id_of("1")] * 1001):
        call = memory.memories.BatchGetMemories(pb.BatchGetMemoriesRequest(scope=scope("scoped"), memory_ids=memory_ids))
        assert (await failure_of(call)).code == Code.INVALID_ARGUMENT


async def test_memories_are_listed_page_by_page_in_a_stable_order(memory: Memory) -> None:
    await create(memory, tenant="pages")
    await put(memory, "pages", *(write(str(number), f"text {number}", domain="ab"[number % 2]) for number in range(25)))
    asked = {"scope": scope("pages"), "collection": "notes", "page_size": 10}
    seen: list[str] = []
    token = ""
    while True:
        page = await memory.memories.ListMemories(pb.ListMemoriesRequest(**asked, page_token=token))
        seen.extend(one.memory_id for one in page.memories)
        token = page.next_page_token
        if not token:
            break
    assert sorted(seen) == sorted(id_of(str(number)) for number in range(25))
    narrow = await memory.memories.ListMemories(pb.ListMemoriesRequest(scope=scope("pages", ["a"]), collection="notes", without_text=True))
    assert len(narrow.memories) == 13
    assert {one.text for one in narrow.memories} == {""}
    first = await memory.memories.ListMemories(pb.ListMemoriesRequest(**asked))
    foreign = pb.ListMemoriesRequest(**asked, filter=filter_of(where("domain", equals="a")), page_token=first.next_page_token)
    for request in (foreign, pb.ListMemoriesRequest(**asked, page_token="!"), pb.ListMemoriesRequest(**asked, page_token="AAAA")):
        failure = await failure_of(memory.memories.ListMemories(request))
        assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("page_token",))
    missing = pb.ListMemoriesRequest(scope=scope("pages"), collection="away")
    assert (await failure_of(memory.memories.ListMemories(missing))).code == Code.NOT_FOUND


async def test_filters_count_what_they_say(memory: Memory) -> None:
    await create(memory, tenant="filters")
    await put(
        memory,
        "filters",
        write("1", "one", domain="a", speaker="Ann", content_kind=type_pb2.CONTENT_KIND_MESSAGE, event_time=Timestamp(seconds=100)),
        write("2", "two", domain="b", title="User Guide", metadata={"stars": 5, "done": True}),
        write("3", "three", source="file://h/x", metadata={"stars": 2.5, "tag": ""}, event_time=Timestamp(seconds=200)),
    )
    cases: list[tuple[dict[str, Any], int]] = [
        (where("domain", equals="a"), 1),
        (where("domain", equals=""), 1),
        (where("domain", exists=True), 2),
        (where("domain", **{"in": ["a", "", "c"]}), 2),
        (where("content_kind", equals="MESSAGE"), 1),
        (where("content_kind", **{"in": ["TEXT", "CODE"]}), 2),
        (where("event_time", range={"gte": "1970-01-01T00:01:40Z", "lt": "1970-01-01T00:03:20Z"}), 1),
        (where("event_time", exists=False), 1),
        (where("metadata.stars", equals=5), 1),
        (where("metadata.stars", range={"gt": 2}), 2),
        (where("metadata.done", equals=True), 1),
        (where("metadata.tag", exists=True), 0),
        (where("metadata.stars", exists=True), 2),
        (where("title", textMatch="guide"), 1),
        ({"none_of": {"filters": [where("speaker", equals="Ann"), where("source", exists=True)]}}, 1),
        ({"any_of": {"filters": [where("speaker", equals="Ann"), where("source", exists=True)]}}, 2),
    ]
    for tree, expected in cases:
        assert await count(memory, "filters", tree) == expected, tree
    assert await count(memory, "filters", domains=("a",)) == 1
    failure = await failure_of(count(memory, "filters", where("salience", equals="a")))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("filter.condition.field",))


# --- deletions ---


async def test_memories_are_deleted_by_id_source_or_filter(memory: Memory) -> None:
    await create(memory, tenant="deletions")
    names = [str(number) for number in range(8)]
    writes = [write(name, f"text {name}", source="file://h/" + "ab"[int(name) % 2], domain="xy"[int(name) // 4]) for name in names]
    await put(memory, "deletions", *writes)
    ids = pb.DeleteMemoriesRequest.Ids(memory_ids=[id_of("0"), id_of("unknown")])
    assert await delete(memory, "deletions", ids=ids) == 1
    assert await delete(memory, "deletions", ids=ids) == 0
    assert await delete(memory, "deletions", ("x",), collection="notes", source="file://h/b") == 2
    assert await delete(memory, "deletions", collection="notes", filter=filter_of(where("domain", equals="x"))) == 1
    assert await count(memory, "deletions") == 4
    assert not (await ask(memory, "deletions", "text 1", domains=["x"])).candidates


async def test_a_deletion_names_one_selection(memory: Memory) -> None:
    await create(memory, tenant="selection")
    cases: list[tuple[dict[str, Any], Code]] = [
        ({}, Code.INVALID_ARGUMENT),
        ({"source": "", "collection": "notes"}, Code.INVALID_ARGUMENT),
        ({"source": "s"}, Code.INVALID_ARGUMENT),
        ({"filter": filter_of(where("domain", equals="a"))}, Code.INVALID_ARGUMENT),
        ({"ids": pb.DeleteMemoriesRequest.Ids()}, Code.INVALID_ARGUMENT),
        ({"source": "s", "collection": "away"}, Code.NOT_FOUND),
    ]
    for fields, code in cases:
        assert (await failure_of(delete(memory, "selection", **fields))).code == code, fields


async def test_a_repeated_deletion_gets_the_first_answer(memory: Memory) -> None:
    await create(memory, tenant="redelete")
    await put(memory, "redelete", write("1", "one", source="s"))
    for _ in range(2):
        assert await delete(memory, "redelete", collection="notes", source="s", request_id="d1") == 1
    failure = await failure_of(delete(memory, "redelete", collection="notes", source="t", request_id="d1"))
    assert (failure.code, failure.reason) == (Code.ABORTED, "REQUEST_ID_REUSED")


# --- queries ---


async def test_candidates_carry_both_branches_and_the_pool_score(memory: Memory) -> None:
    await create(memory, tenant="query")
    await put(
        memory,
        "query",
        write("1", "the cat sleeps on the warm roof"),
        write("2", "dogs bark at the mail carrier", content_kind=type_pb2.CONTENT_KIND_MESSAGE),
        write("3", "a kitten and a roof", content_kind=type_pb2.CONTENT_KIND_CODE),
    )
    answer = await ask(memory, "query", "cat on a roof", query_fragmentation=0.2)
    assert texts(answer)[0] == "the cat sleeps on the warm roof"
    assert [candidate.pool_rank for candidate in answer.candidates] == [1, 2, 3]
    kinds = {type_pb2.CONTENT_KIND_TEXT: Kind.TEXT, type_pb2.CONTENT_KIND_MESSAGE: Kind.MESSAGE, type_pb2.CONTENT_KIND_CODE: Kind.CODE}
    for candidate in answer.candidates:
        branches = evidence(candidate)
        similarity, lexical = branches[type_pb2.EVIDENCE_KIND_SIMILARITY], branches[type_pb2.EVIDENCE_KIND_LEXICAL]
        assert (similarity.space, lexical.space) == ("dense", "lexical")
        assert similarity.value == pytest.approx(float(vector_of("cat on a roof") @ vector_of(candidate.memory.text)), abs=1e-4)
        expected = pool_score(similarity.value, candidate.lexical_strength, 0.2, kinds[candidate.memory.content_kind])
        assert candidate.pool_score == pytest.approx(expected)
        assert (candidate.pool, candidate.propensity) == (type_pb2.POOL_CLEAN, 1.0)
    assert answer.candidates[0].lexical_strength == pytest.approx(1.0)
    dogs = next(candidate for candidate in answer.candidates if candidate.memory.text.startswith("dogs"))
    assert evidence(dogs)[type_pb2.EVIDENCE_KIND_LEXICAL].value == 0.0
    assert not evidence(dogs)[type_pb2.EVIDENCE_KIND_LEXICAL].HasField("rank")
    (searched,) = answer.searched
    assert (searched.collection, searched.memory_count, searched.domain_known) == ("notes", 3, True)


async def test_a_query_changes_nothing_and_repeats_itself(memory: Memory) -> None:
    await create(memory, tenant="pure")
    await put(memory, "pure", *(write(str(number), f"text number {number}") for number in range(5)))
    first, second = await ask(memory, "pure", "number 3"), await ask(memory, "pure", "number 3")
    assert first.candidates == second.candidates


async def test_without_a_vector_the_pool_is_lexical(memory: Memory) -> None:
    await create(memory, tenant="lexical")
    await put(memory, "lexical", write("1", "green apples"), write("2", "blue sky"))
    answer = await ask(memory, "lexical", "apples", vector=False)
    (candidate,) = answer.candidates
    assert set(evidence(candidate)) == {type_pb2.EVIDENCE_KIND_LEXICAL}
    assert candidate.pool_score == pytest.approx(candidate.lexical_strength)


async def test_a_text_of_stop_words_has_no_lexical_evidence(memory: Memory) -> None:
    await create(memory, tenant="stops")
    await put(memory, "stops", write("1", "green apples"))
    (candidate,) = (await ask(memory, "stops", "what is it")).candidates
    assert set(evidence(candidate)) == {type_pb2.EVIDENCE_KIND_SIMILARITY}
    assert not candidate.HasField("lexical_strength")
    assert not (await ask(memory, "stops", "what is it", vector=False)).candidates


async def test_salience_is_read_unless_it_is_off(memory: Memory) -> None:
    await create(memory, tenant="modes")
    await put(memory, "modes", write("1", "green apples"))
    for mode, read in ((type_pb2.SALIENCE_MODE_OFF, False), (type_pb2.SALIENCE_MODE_READ, True), (0, True)):
        (candidate,) = (await ask(memory, "modes", "apples", salience_mode=mode)).candidates
        assert candidate.memory.HasField("salience") is read


async def test_search_all_leaves_out_collections_that_say_so(memory: Memory) -> None:
    await create(memory, tenant="all")
    await create(memory, "mail", tenant="all")
    await create(memory, "bench", tenant="all", in_search_all=False)
    for number, name in enumerate(("notes", "mail", "bench")):
        await put(memory, "all", write(str(number), f"apples in {name}", collection=name))
    answer = await ask(memory, "all", "apples")
    assert {one.collection for one in answer.searched} == {"notes", "mail"}
    assert {candidate.memory.collection for candidate in answer.candidates} == {"notes", "mail"}
    named_ones = await ask(memory, "all", "apples", collections=["bench", "mail", "bench"])
    assert [one.collection for one in named_ones.searched] == ["bench", "mail"]
    assert (await ask(memory, "nothing-here", "apples")).candidates == []


async def test_the_pool_is_cut_to_the_asked_size(memory: Memory) -> None:
    await create(memory, tenant="size")
    await put(memory, "size", *(write(str(number), f"apple number {number}") for number in range(30)))
    assert len((await ask(memory, "size", "apple")).candidates) == 20
    assert len((await ask(memory, "size", "apple", candidate_count=3)).candidates) == 3
    assert len((await ask(memory, "size", "apple", candidate_count=200)).candidates) == 30


async def test_filters_and_domains_narrow_a_query_and_unknown_domains_are_said(memory: Memory) -> None:
    await create(memory, tenant="narrow")
    await put(memory, "narrow", write("1", "red apples", domain="a"), write("2", "red pears", domain="b"))
    assert texts(await ask(memory, "narrow", "red", filter=filter_of(where("domain", equals="b")))) == ["red pears"]
    assert texts(await ask(memory, "narrow", "red", domains=["a"])) == ["red apples"]
    for fields in ({"domains": ["z"]}, {"filter": filter_of(where("domain", equals="z"))}):
        answer = await ask(memory, "narrow", "red", **fields)
        assert not answer.candidates
        assert not answer.searched[0].domain_known
    assert (await ask(memory, "narrow", "red", domains=["z", "a"])).searched[0].domain_known


async def test_the_language_of_the_memories_decides_how_a_query_is_stemmed(memory: Memory) -> None:
    await create(memory, tenant="german")
    await put(
        memory, "german", write("1", "Die Häuser sind alt und die Straßen sind schmal"), write("2", "Wir gehen heute nicht in die Schule")
    )
    answer = await ask(memory, "german", "Haus", vector=False)
    assert texts(answer) == ["Die Häuser sind alt und die Straßen sind schmal"]


async def test_a_bad_query_is_refused_naming_the_field(memory: Memory) -> None:
    await create(memory, tenant="badquery")
    await put(memory, "badquery", write("1", "one"))
    good = vector_of("one")
    cases: list[tuple[dict[str, Any], Code, str]] = [
        ({"text": " "}, Code.INVALID_ARGUMENT, "text"),
        ({"text": "x" * 40_000}, Code.INVALID_ARGUMENT, "text"),
        ({"text": "a", "candidate_count": -1}, Code.INVALID_ARGUMENT, "candidate_count"),
        ({"text": "a", "candidate_count": 201}, Code.INVALID_ARGUMENT, "candidate_count"),
        ({"text": "a", "query_fragmentation": 1.5}, Code.INVALID_ARGUMENT, "query_fragmentation"),
        ({"text": "a", "query_fragmentation": float("nan")}, Code.INVALID_ARGUMENT, "query_fragmentation"),
        ({"text": "a", "collections": ["away"]}, Code.NOT_FOUND, "collections[0]"),
        ({"vectors": [named(good[:3])]}, Code.INVALID_ARGUMENT, "vectors[0].dense"),
        ({"vectors": [named(good * np.float32("nan"))]}, Code.INVALID_ARGUMENT, "vectors[0].dense"),
        ({"vectors": [named(good * 0)]}, Code.INVALID_ARGUMENT, "vectors[0].dense"),
        ({"vectors": [named(good, fingerprint="foreign/1")]}, Code.FAILED_PRECONDITION, "vectors[0].fingerprint"),
        ({"vectors": [named(good), named(good)]}, Code.INVALID_ARGUMENT, "vectors[1].fingerprint"),
        ({"vectors": [named(good, fingerprint=f"f{number}") for number in range(9)]}, Code.INVALID_ARGUMENT, "vectors"),
        ({"text": "a", "filter": type_pb2.Filter()}, Code.INVALID_ARGUMENT, "filter"),
    ]
    for fields, code, field in cases:
        failure = await failure_of(memory.memories.QueryMemories(pb.QueryMemoriesRequest(scope=scope("badquery"), **fields)))
        assert (failure.code, failure.fields) == (code, (field,)), failure.message
    failure = await failure_of(memory.memories.QueryMemories(query("one", tenant="")))
    assert (failure.code, failure.fields) == (Code.INVALID_ARGUMENT, ("scope.tenant",))


# --- the process ---


async def test_below_the_watermark_writes_are_refused_and_reads_go_on(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await put(memory, "acme", write("1", "green apples"))
    async with memory_service(tmp_path, free_space_watermark_bytes=1 << 50) as memory:
        for call in (
            put(memory, "acme", write("2", "two")),
            create(memory, "mail"),
            delete(memory, "acme", collection="notes", source="s"),
        ):
            failure = await failure_of(call)
            assert (failure.code, failure.reason) == (Code.RESOURCE_EXHAUSTED, "DISK_FULL")
        assert texts(await ask(memory, "acme", "apples")) == ["green apples"]


async def test_a_second_copy_on_the_data_folder_is_refused_and_the_first_is_unharmed(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await put(memory, "acme", write("1", "green apples"))
        with pytest.raises(StartupError, match="in use"):
            async with memory_service(tmp_path):
                pass
        await put(memory, "acme", write("2", "red apples"))
        assert len(texts(await ask(memory, "acme", "apples"))) == 2


async def test_another_analyzer_is_refused_at_the_start(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
    with pytest.raises(StartupError, match="analyzer"):
        async with memory_service(tmp_path, bm25_k1=2.0):
            pass


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await put(memory, "acme", write("1", "green apples"), request_id="r1")
        first = await put(memory, "acme", write("2", "red apples"), request_id="r2")
    async with memory_service(tmp_path) as memory:
        assert sorted(texts(await ask(memory, "acme", "apples"))) == ["green apples", "red apples"]
        assert (await put(memory, "acme", write("2", "red apples"), request_id="r2")).results == first.results
        assert (await put(memory, "acme", write("1", "green apples"))).results[0].outcome == UNCHANGED


@needs_edge
async def test_a_lost_engine_folder_is_noticed_at_the_start(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await put(memory, "acme", write("1", "green apples"))
    (tmp_path / "engine").rename(tmp_path / "elsewhere")
    with pytest.raises(StartupError, match="0 of the 1 memories"):
        async with memory_service(tmp_path):
            pass


@needs_edge
async def test_a_search_while_the_engine_restarts_is_answered_or_unavailable_with_a_delay(tmp_path: Path) -> None:
    async with memory_service(tmp_path, engine_restart_wait_ms=0) as memory:
        await create(memory)
        await put(memory, "acme", write("1", "green apples"))
        os.kill(engine_pid(tmp_path), signal.SIGKILL)
        answered = 0
        async with asyncio.timeout(60):
            while answered < 2:
                call = memory.memories.QueryMemories(query("apples"))
                code = await call.code()
                assert code in {Code.OK, Code.UNAVAILABLE}
                if code == Code.OK:
                    answered += texts(await call) == ["green apples"]


def engine_pid(folder: Path) -> int:
    """The engine writes its process id into the lock it holds."""
    (lock,) = (folder / "engine").glob("*.lock")
    return int(lock.read_text())


async def test_an_expired_deadline_writes_nothing(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await memory.memories.UpsertMemories(upsert(write("1", "one")), timeout=0.0)
        assert caught.value.code() == Code.DEADLINE_EXCEEDED
        assert await count(memory, "acme") == 0
