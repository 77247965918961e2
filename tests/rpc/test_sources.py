"""Renamed sources at the memory service: memories move with their ids, vectors and what was learnt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from atlas.memory.v1 import collection_pb2 as cpb
from atlas.memory.v1 import memory_pb2 as pb
from atlas.type.v1 import type_pb2

from .memory_part import TIMEOUT_S, Memory, create, failure_of, id_of, memory_service, query, scope, upsert, write
from .test_generations import fill_all, migrated, other_query, roll_back, start

Code = grpc.StatusCode
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    async with memory_service(tmp_path_factory.mktemp("sources")) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def memory(service: Memory) -> AsyncIterator[Memory]:
    """The service of the module, emptied after each test."""
    await create(service)
    yield service
    request = cpb.DeleteCollectionRequest(scope=scope(), name="notes", confirm_name="notes")
    await service.collections.DeleteCollection(request, timeout=TIMEOUT_S)


async def put(memory: Memory, **texts: str) -> None:
    """Stores one memory a source, named after its text."""
    writes = [
        write(
            name,
            f"{name} {source}",
            source=source,
            chunk=type_pb2.Chunk(document_id=source, ordinal=2, begin=1, end=9),
            title="T",
            metadata={"a": {"b": [1, 2.5, True]}},
        )
        for name, source in texts.items()
    ]
    await memory.memories.UpsertMemories(upsert(*writes), timeout=TIMEOUT_S)


async def move(memory: Memory, old: str, new: str, **fields: Any) -> pb.MoveSourceResponse:
    request = pb.MoveSourceRequest(scope=scope(), collection="notes", from_source=old, to_source=new, **fields)
    return await memory.memories.MoveSource(request, timeout=TIMEOUT_S)


async def resolved(memory: Memory, *sources: str) -> list[str]:
    request = pb.ResolveSourcesRequest(scope=scope(), collection="notes", sources=sources)
    reply = await memory.memories.ResolveSources(request, timeout=TIMEOUT_S)
    return [reply.source_ids.get(source, source) for source in sources]


async def get(memory: Memory, name: str) -> type_pb2.Memory:
    return (await memory.memories.GetMemory(pb.GetMemoryRequest(scope=scope(), memory_id=id_of(name)), timeout=TIMEOUT_S)).memory


async def sources(memory: Memory) -> set[str]:
    reply = await memory.memories.ListMemories(pb.ListMemoriesRequest(scope=scope(), collection="notes"), timeout=TIMEOUT_S)
    return {one.source for one in reply.memories}


async def test_a_moved_source_keeps_everything_but_its_name(memory: Memory) -> None:
    await put(memory, one="file:///a/x.md", two="file:///a/y.md")
    before = await get(memory, "one")
    moved = await move(memory, "file:///a/x.md", "file:///b/z.md")
    assert (moved.source_count, moved.memory_count) == (1, 1)
    after = await get(memory, "one")
    assert (after.source, after.chunk.document_id) == ("file:///b/z.md", "file:///b/z.md")
    expected = type_pb2.Memory()
    expected.CopyFrom(before)
    expected.source = expected.chunk.document_id = "file:///b/z.md"
    for changes in ("etag", "update_time"):
        expected.ClearField(changes)
        after.ClearField(changes)
    assert after == expected
    assert await sources(memory) == {"file:///b/z.md", "file:///a/y.md"}
    # Stored again just so it is unchanged: the catalog's digest moved along.
    again = write(
        "one",
        "one file:///a/x.md",
        source="file:///b/z.md",
        chunk=type_pb2.Chunk(document_id="file:///b/z.md", ordinal=2, begin=1, end=9),
        title="T",
        metadata={"a": {"b": [1, 2.5, True]}},
        language=after.language,
    )
    reply = await memory.memories.UpsertMemories(upsert(again), timeout=TIMEOUT_S)
    assert reply.results[0].outcome == pb.WRITE_OUTCOME_UNCHANGED
    deleted = await memory.memories.DeleteMemories(pb.DeleteMemoriesRequest(scope=scope(), collection="notes", source="file:///b/z.md"))
    assert deleted.deleted_count == 1


async def test_the_id_goes_with_the_name_and_the_old_name_gets_a_fresh_one(memory: Memory) -> None:
    await put(memory, one="A")
    await move(memory, "A", "B")
    of_a, of_b = await resolved(memory, "A", "B")
    assert of_b == "A"
    assert of_a not in {"A", "B"}
    await move(memory, "B", "C")
    assert (await resolved(memory, "A", "C")) == [of_a, "A"]
    assert (await resolved(memory, "B"))[0] not in {"A", "B", of_a}
    await put(memory, new="A")
    back = await failure_of(move(memory, "C", "A"))
    assert (back.code, back.reason) == (Code.ABORTED, "SOURCE_EXISTS")
    assert (back.values["from_source"], back.values["to_source"]) == ("C", "A")
    await move(memory, "A", "D")
    await move(memory, "C", "A")
    # Home again the source is its own id; the newcomer took its own along.
    assert await resolved(memory, "A", "D") == ["A", of_a]
    ids = await resolved(memory, "A", "B", "C", "D")
    assert len(set(ids)) == 4


async def test_a_folder_moves_with_its_files_and_their_rows_and_no_neighbour(memory: Memory) -> None:
    await put(memory, one="f:/a/x", two="f:/a/rows.jsonl#1", three="f:/a", four="f:/ab/x", five="f:/a.md", six="f:/a/deep/er/y")
    moved = await move(memory, "f:/a", "f:/new/home")
    assert (moved.source_count, moved.memory_count) == (4, 4)
    assert await sources(memory) == {
        "f:/new/home",
        "f:/new/home/x",
        "f:/new/home/rows.jsonl#1",
        "f:/new/home/deep/er/y",
        "f:/ab/x",
        "f:/a.md",
    }
    assert await resolved(memory, "f:/new/home/x", "f:/ab/x") == ["f:/a/x", "f:/ab/x"]
    await move(memory, "f:/new/home/rows.jsonl", "f:/rows.jsonl")
    assert await resolved(memory, "f:/rows.jsonl#1") == ["f:/a/rows.jsonl#1"]


async def test_a_refused_move_changes_nothing(memory: Memory) -> None:
    await put(memory, one="A/1", two="B/1", three="A/2")
    before = await sources(memory)
    cases: list[tuple[str, str, Code, str]] = [
        ("A", "B", Code.ABORTED, "SOURCE_EXISTS"),
        ("away", "C", Code.NOT_FOUND, "SOURCE_NOT_FOUND"),
        ("", "C", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "A", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "A/x", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A/1", "A", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "x" * 2_049, Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "x" * 2_047, Code.INVALID_ARGUMENT, "INVALID_INPUT"),
        ("A", "line\nbreak", Code.INVALID_ARGUMENT, "INVALID_INPUT"),
    ]
    for old, new, code, reason in cases:
        failure = await failure_of(move(memory, old, new))
        assert (failure.code, failure.reason) == (code, reason), failure.message
    assert (await failure_of(move(memory, "A", "C", request_id="x" * 129))).fields == ("request_id",)
    narrow = pb.MoveSourceRequest(scope=scope(domains=["d"]), collection="notes", from_source="A", to_source="C")
    assert (await failure_of(memory.memories.MoveSource(narrow))).fields == ("scope.domains",)
    unknown = pb.MoveSourceRequest(scope=scope(), collection="away", from_source="A", to_source="C")
    assert (await failure_of(memory.memories.MoveSource(unknown))).code is Code.NOT_FOUND
    assert await sources(memory) == before
    assert await resolved(memory, "A/1", "B/1", "C/1") == ["A/1", "B/1", "C/1"]


async def test_a_repeated_request_is_one_move(memory: Memory) -> None:
    await put(memory, one="A")
    first = await move(memory, "A", "B", request_id="r-move")
    assert await move(memory, "A", "B", request_id="r-move") == first
    other = await failure_of(move(memory, "B", "C", request_id="r-move"))
    assert (other.code, other.reason) == (Code.ABORTED, "REQUEST_ID_REUSED")


async def test_a_write_that_was_derived_before_a_move_is_refused(memory: Memory) -> None:
    await put(memory, one="A")
    request = pb.ListMemoriesRequest(scope=scope(), collection="notes", resolve_sources=["A"])
    before = (await memory.memories.ListMemories(request, timeout=TIMEOUT_S)).last_move
    await move(memory, "A", "B")
    late = upsert(write("one", "one A edited", source="A"), expected_last_move=before)
    refused = await failure_of(memory.memories.UpsertMemories(late, timeout=TIMEOUT_S))
    assert (refused.code, refused.reason) == (Code.ABORTED, "SOURCES_MOVED")
    now = (await memory.memories.ListMemories(request, timeout=TIMEOUT_S)).last_move
    assert now > before
    await memory.memories.UpsertMemories(upsert(write("new", "new A", source="A"), expected_last_move=now), timeout=TIMEOUT_S)


async def test_a_move_reaches_every_generation_and_costs_no_vector(memory: Memory) -> None:
    await put(memory, one="A", two="B")
    operation_id = (await start(memory)).operation.operation_id
    await fill_all(memory, operation_id)
    await move(memory, "A", "C")
    assert (await start(memory)).generation.due_count == 0
    await migrated(memory)
    reply = await memory.memories.QueryMemories(other_query("one A"), timeout=TIMEOUT_S)
    assert reply.candidates[0].memory.source == "C"
    await move(memory, "C", "D")
    assert (await roll_back(memory)).operation.state == type_pb2.OPERATION_STATE_DONE
    reply = await memory.memories.QueryMemories(query("one A"), timeout=TIMEOUT_S)
    assert reply.candidates[0].memory.source == "D"
