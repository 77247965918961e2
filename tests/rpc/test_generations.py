"""Migrations at the memory service: filled beside what serves, verified, switched, taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from google.rpc import status_pb2

from atlas import tensors
from atlas.clock import FakeClock
from atlas.deadlines import Deadline
from atlas.memory.v1 import collection_pb2 as cpb
from atlas.memory.v1 import memory_pb2 as mpb
from atlas.memory.v1 import operation_pb2 as pb
from atlas.type.v1 import type_pb2
from services.memory.generations.holds import WriteHolds
from services.memory.generations.roles import Generation
from services.memory.generations.verification import Verifier

from .memory_part import (
    DIMENSION,
    FINGERPRINT,
    TIMEOUT_S,
    Memory,
    create,
    failure_of,
    id_of,
    memory_service,
    named,
    query,
    scope,
    upsert,
    vector_of,
    write,
)

Code = grpc.StatusCode
OTHER = "test-encoder/2;d=8"
OTHER_DIMENSION = 8
_PROJECTION = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSION, DIMENSION)))[0][:, :OTHER_DIMENSION]


def other_vector(text: str) -> np.ndarray:
    """The same text in the other space."""
    projected = vector_of(text) @ _PROJECTION
    return (projected / np.linalg.norm(projected)).astype(np.float32)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    async with memory_service(tmp_path_factory.mktemp("generations")) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def memory(service: Memory) -> AsyncIterator[Memory]:
    """The service of the module, emptied after each test."""
    yield service
    listed = await service.collections.ListCollections(cpb.ListCollectionsRequest(scope=scope()), timeout=TIMEOUT_S)
    for one in listed.collections:
        request = cpb.DeleteCollectionRequest(scope=scope(), name=one.name, confirm_name=one.name)
        await service.collections.DeleteCollection(request, timeout=TIMEOUT_S)


def space(fingerprint: str = OTHER, dimension: int = OTHER_DIMENSION) -> type_pb2.VectorSpace:
    return type_pb2.VectorSpace(name="dense", kind=type_pb2.VECTOR_KIND_DENSE, dimension=dimension, fingerprint=fingerprint)


async def put(memory: Memory, *texts: str, collection: str = "notes") -> None:
    writes = [write(text.split()[0], text, collection=collection) for text in texts]
    await memory.memories.UpsertMemories(upsert(*writes), timeout=TIMEOUT_S)


async def start(memory: Memory, name: str = "notes", **fields: Any) -> cpb.StartMigrationResponse:
    options = {"space": space(), "embedder_address": "new:1", "source_embedder_address": "old:1", **fields}
    return await memory.collections.StartMigration(cpb.StartMigrationRequest(scope=scope(), name=name, **options), timeout=TIMEOUT_S)


async def due(memory: Memory, operation_id: str, **fields: Any) -> pb.ListDueMemoriesResponse:
    request = pb.ListDueMemoriesRequest(scope=scope(), operation_id=operation_id, **fields)
    return await memory.operations.ListDueMemories(request, timeout=TIMEOUT_S)


async def fill(memory: Memory, operation_id: str, memories: Sequence[pb.DueMemory], *, back: bool = False) -> pb.FillGenerationResponse:
    vectors = np.stack([vector_of(one.text) if back else other_vector(one.text) for one in memories])
    request = pb.FillGenerationRequest(
        scope=scope(),
        operation_id=operation_id,
        fills=[pb.Fill(memory_id=one.memory_id, etag=one.etag) for one in memories],
        vectors=tensors.to_message(vectors),
        fingerprint=FINGERPRINT if back else OTHER,
    )
    return await memory.operations.FillGeneration(request, timeout=TIMEOUT_S)


async def fill_all(memory: Memory, operation_id: str, *, back: bool = False, page_size: int = 3) -> int:
    total = 0
    while (listed := await due(memory, operation_id, page_size=page_size)).memories:
        total += (await fill(memory, operation_id, listed.memories, back=back)).filled_count
    return total


async def verify(memory: Memory, name: str = "notes") -> cpb.VerifyMigrationResponse:
    return await memory.collections.VerifyMigration(cpb.VerifyMigrationRequest(scope=scope(), name=name), timeout=TIMEOUT_S)


async def switch(memory: Memory, name: str = "notes", *, force: bool = False) -> cpb.SwitchGenerationResponse:
    request = cpb.SwitchGenerationRequest(scope=scope(), name=name, force=force)
    return await memory.collections.SwitchGeneration(request, timeout=TIMEOUT_S)


async def roll_back(memory: Memory, name: str = "notes", **fields: Any) -> cpb.RollbackGenerationResponse:
    request = cpb.RollbackGenerationRequest(scope=scope(), name=name, **fields)
    return await memory.collections.RollbackGeneration(request, timeout=TIMEOUT_S)


async def collection(memory: Memory, name: str = "notes") -> cpb.Collection:
    return (await memory.collections.GetCollection(cpb.GetCollectionRequest(scope=scope(), name=name), timeout=TIMEOUT_S)).collection


async def operation(memory: Memory, operation_id: str) -> type_pb2.Operation:
    request = pb.GetOperationRequest(scope=scope(), operation_id=operation_id)
    return (await memory.operations.GetOperation(request, timeout=TIMEOUT_S)).operation


async def migrated(memory: Memory, name: str = "notes") -> str:
    """Runs a whole migration; returns its operation's id."""
    operation_id = (await start(memory, name)).operation.operation_id
    await fill_all(memory, operation_id)
    assert (await verify(memory, name)).verified
    await switch(memory, name)
    return operation_id


def other_query(text: str, **fields: Any) -> mpb.QueryMemoriesRequest:
    request = query(text, vector=False, **fields)
    request.vectors.append(named(other_vector(text), fingerprint=OTHER))
    return request


async def found(memory: Memory, request: mpb.QueryMemoriesRequest) -> list[str]:
    reply = await memory.memories.QueryMemories(request, timeout=TIMEOUT_S)
    (generation,) = {candidate.memory.generation for candidate in reply.candidates}
    assert generation == reply.searched[0].generation
    return [candidate.memory.text for candidate in reply.candidates]


TEXTS = ("apple grows on trees", "boat sails the river", "candle burns at night", "dune of yellow sand", "eagle over the valley")


async def test_a_migration_fills_beside_what_serves_and_then_takes_over(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    begun = await start(memory)
    assert begun.created
    assert begun.generation.state == cpb.GENERATION_STATE_BUILDING
    assert begun.generation.due_count == len(TEXTS)
    before = await collection(memory)
    assert await found(memory, query("boat sails the river")) != []

    assert await fill_all(memory, begun.operation.operation_id) == len(TEXTS)
    at_half = await operation(memory, begun.operation.operation_id)
    assert (at_half.progress.phase, at_half.progress.done, at_half.progress.total) == ("ready", 5, 5)
    checked = await verify(memory)
    assert checked.verified, checked.findings
    assert (checked.memory_count, checked.source_count, checked.target_count, checked.sample_count) == (5, 5, 5, 5)
    assert checked.sample_recall == 1.0
    assert checked.source.spaces[0].fingerprint == FINGERPRINT
    assert checked.target.spaces[0].fingerprint == OTHER

    switched = await switch(memory)
    assert switched.operation.state == type_pb2.OPERATION_STATE_DONE
    after = await collection(memory)
    assert after.generation.generation == begun.generation.generation != before.generation.generation
    assert after.memory_count == before.memory_count
    (kept,) = after.other_generations
    assert (kept.generation, kept.state) == (before.generation.generation, cpb.GENERATION_STATE_RETIRED)
    assert kept.embedder_address == "old:1"
    assert (await found(memory, other_query("boat sails the river")))[0] == "boat sails the river"
    # Searching with the old model is refused, not answered wrongly.
    refused = await failure_of(memory.memories.QueryMemories(query("boat"), timeout=TIMEOUT_S))
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "FOREIGN_FINGERPRINT")
    # Said twice it is one switch.
    assert (await switch(memory)).operation.operation_id == begun.operation.operation_id


async def test_writes_edits_and_deletions_during_a_migration_end_in_both_generations(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    operation_id = (await start(memory)).operation.operation_id
    await fill_all(memory, operation_id)
    await put(memory, "fox runs in the forest", "apple pie is sweet")  # one new, one edited
    retitled = write("boat", "boat sails the river", vectors=False, domain="water")
    await memory.memories.UpsertMemories(upsert(retitled), timeout=TIMEOUT_S)
    deletion = mpb.DeleteMemoriesRequest(scope=scope(), ids=mpb.DeleteMemoriesRequest.Ids(memory_ids=[id_of("dune")]))
    await memory.memories.DeleteMemories(deletion, timeout=TIMEOUT_S)

    refused = await failure_of(switch(memory, force=True))
    assert (refused.code, refused.reason, refused.values["due_count"]) == (Code.FAILED_PRECONDITION, "DUE", "2")
    checked = await verify(memory)
    assert checked.verified
    assert (checked.due_count, checked.target_count) == (2, 4)
    assert await fill_all(memory, operation_id) == 2
    assert (await verify(memory)).verified
    await switch(memory)

    texts = set(await found(memory, other_query("apple")))
    assert texts == {
        "fox runs in the forest",
        "apple pie is sweet",
        "boat sails the river",
        "candle burns at night",
        "eagle over the valley",
    }
    reply = await memory.memories.QueryMemories(other_query("boat sails the river"), timeout=TIMEOUT_S)
    assert reply.candidates[0].memory.domain == "water"


async def test_a_vector_of_a_text_that_was_edited_meanwhile_is_not_written(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    operation_id = (await start(memory)).operation.operation_id
    listed = await due(memory, operation_id)
    await put(memory, "apple pie is sweet")
    deletion = mpb.DeleteMemoriesRequest(scope=scope(), ids=mpb.DeleteMemoriesRequest.Ids(memory_ids=[id_of("dune")]))
    await memory.memories.DeleteMemories(deletion, timeout=TIMEOUT_S)
    reply = await fill(memory, operation_id, listed.memories)
    assert (reply.filled_count, reply.stale_count) == (3, 2)
    left = await due(memory, operation_id)
    assert [one.text for one in left.memories] == ["apple pie is sweet"]


async def test_a_repeated_rollback_goes_back_once(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    migrated_to = (await collection(memory)).generation.generation
    first = await roll_back(memory, request_id="back")
    again = await roll_back(memory, request_id="back")
    assert again.operation.operation_id == first.operation.operation_id
    assert again.operation.state == type_pb2.OPERATION_STATE_DONE
    assert again.collection.generation.generation == first.collection.generation.generation != migrated_to
    assert await found(memory, query("boat sails the river", collections=["notes"]))
    failure = await failure_of(roll_back(memory, request_id="back", embedder_address="another:1"))
    assert (failure.code, failure.reason) == (Code.ABORTED, "REQUEST_ID_REUSED")
    assert (await roll_back(memory, request_id="forth")).collection.generation.generation == migrated_to


async def test_a_rollback_embeds_what_was_written_since_the_switch(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    new = "fox runs in the forest"
    moved = mpb.MemoryWrite(memory=type_pb2.Memory(memory_id=id_of("fox"), collection="notes", text=new))
    moved.vectors.append(named(other_vector(new), fingerprint=OTHER))
    await memory.memories.UpsertMemories(upsert(moved), timeout=TIMEOUT_S)

    begun = await roll_back(memory)
    assert begun.operation.state == type_pb2.OPERATION_STATE_PENDING
    assert begun.collection.other_generations[0].due_count == 1
    claimed = await memory.operations.ClaimOperation(pb.ClaimOperationRequest(scope=scope(), driver="d"), timeout=TIMEOUT_S)
    assert claimed.task.switch_when_filled
    assert claimed.task.embedder_address == "old:1"
    assert claimed.task.space.fingerprint == FINGERPRINT
    assert await fill_all(memory, begun.operation.operation_id, back=True) == 1
    switched = await switch(memory)
    assert switched.operation.kind == "rollback"
    assert (await found(memory, query(new)))[0] == new
    assert (await collection(memory)).memory_count == len(TEXTS) + 1


async def test_a_rollback_without_writes_in_between_is_done_at_once_and_can_be_taken_back_again(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    back = await roll_back(memory)
    assert back.operation.state == type_pb2.OPERATION_STATE_DONE
    assert (await found(memory, query("boat")))[0] == "boat sails the river"
    # Forward again: the generation that was left is complete, so nothing is embedded twice.
    again = await start(memory)
    assert again.generation.due_count == 0
    assert (await verify(memory)).verified
    await switch(memory)
    assert len((await collection(memory)).other_generations) == 1


async def test_a_migration_that_runs_is_given_back_and_another_one_is_refused(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    begun = await start(memory)
    same = await start(memory, embedder_address="new:2")
    assert (same.created, same.operation.operation_id) == (False, begun.operation.operation_id)
    third = await failure_of(start(memory, space=space("test-encoder/3;d=8")))
    assert (third.code, third.reason) == (Code.ABORTED, "MIGRATION_RUNS")
    back = await failure_of(roll_back(memory))
    assert (back.code, back.reason) == (Code.ABORTED, "MIGRATION_RUNS")
    unverified = await failure_of(switch(memory))
    assert (unverified.code, unverified.reason) == (Code.FAILED_PRECONDITION, "DUE")
    await fill_all(memory, begun.operation.operation_id)
    unverified = await failure_of(switch(memory))
    assert (unverified.code, unverified.reason) == (Code.FAILED_PRECONDITION, "NOT_VERIFIED")
    assert (await switch(memory, force=True)).operation.state == type_pb2.OPERATION_STATE_DONE


async def test_a_cancelled_migration_leaves_the_collection_as_it_was(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    before = (await collection(memory)).generation.generation
    operation_id = (await start(memory)).operation.operation_id
    await fill(memory, operation_id, (await due(memory, operation_id, page_size=3)).memories)
    cancelled = await memory.operations.CancelOperation(pb.CancelOperationRequest(scope=scope(), operation_id=operation_id))
    assert cancelled.operation.state == type_pb2.OPERATION_STATE_CANCELLED
    assert (cancelled.operation.progress.done, cancelled.operation.progress.total) == (3, 5)
    after = await collection(memory)
    assert (after.generation.generation, len(after.other_generations)) == (before, 0)
    ended = await failure_of(due(memory, operation_id))
    assert (ended.code, ended.reason) == (Code.ABORTED, "OPERATION_ENDED")
    nothing = await failure_of(verify(memory))
    assert (nothing.code, nothing.reason) == (Code.FAILED_PRECONDITION, "NO_MIGRATION")
    again = await start(memory)
    assert again.generation.due_count == len(TEXTS)


async def test_a_cancelled_rollback_keeps_the_generation_for_the_next_one(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    moved = mpb.MemoryWrite(memory=type_pb2.Memory(memory_id=id_of("fox"), collection="notes", text="fox"))
    moved.vectors.append(named(other_vector("fox"), fingerprint=OTHER))
    await memory.memories.UpsertMemories(upsert(moved), timeout=TIMEOUT_S)
    operation_id = (await roll_back(memory)).operation.operation_id
    await memory.operations.CancelOperation(pb.CancelOperationRequest(scope=scope(), operation_id=operation_id))
    (kept,) = (await collection(memory)).other_generations
    assert (kept.state, kept.due_count) == (cpb.GENERATION_STATE_RETIRED, 1)


async def test_what_cannot_be_embedded_holds_the_switch_until_it_is_written_anew(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    operation_id = (await start(memory)).operation.operation_id
    listed = await due(memory, operation_id)
    good = [one for one in listed.memories if not one.text.startswith("dune")]
    (bad,) = [one for one in listed.memories if one.text.startswith("dune")]
    await fill(memory, operation_id, good)
    failure = pb.FillFailure(memory_id=bad.memory_id, etag=bad.etag, error=status_pb2.Status(code=3, message="too long"))
    await memory.operations.FillGeneration(pb.FillGenerationRequest(scope=scope(), operation_id=operation_id, failures=[failure]))
    left = await due(memory, operation_id)
    assert (len(left.memories), left.due_count, left.failed_count) == (0, 1, 1)
    progress = (await operation(memory, operation_id)).progress
    assert (progress.failed, [error.message for error in progress.last_errors]) == (1, ["too long"])
    assert (await failure_of(switch(memory, force=True))).values["failed_count"] == "1"
    assert (await verify(memory)).findings == ["1 memories could not be embedded"]
    await put(memory, "dune is short")
    assert await fill_all(memory, operation_id) == 1
    assert (await verify(memory)).verified


async def test_bad_vectors_are_refused_and_change_nothing(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    operation_id = (await start(memory)).operation.operation_id
    listed = (await due(memory, operation_id)).memories
    good = np.stack([other_vector(one.text) for one in listed])
    fills = [pb.Fill(memory_id=one.memory_id, etag=one.etag) for one in listed]
    cases: list[tuple[dict[str, Any], Code, str]] = [
        ({"vectors": tensors.to_message(good)}, Code.INVALID_ARGUMENT, "fingerprint"),
        ({"vectors": tensors.to_message(good), "fingerprint": FINGERPRINT}, Code.FAILED_PRECONDITION, "vectors[0].fingerprint"),
        ({"vectors": tensors.to_message(good[:2]), "fingerprint": OTHER}, Code.INVALID_ARGUMENT, "vectors"),
        ({"vectors": tensors.to_message(good[:, :4].copy()), "fingerprint": OTHER}, Code.INVALID_ARGUMENT, "vectors[0].dense"),
        ({"vectors": tensors.to_message(good * np.float32("nan")), "fingerprint": OTHER}, Code.INVALID_ARGUMENT, "vectors[0]"),
        ({"vectors": tensors.to_message(good * 0), "fingerprint": OTHER}, Code.INVALID_ARGUMENT, "vectors[0]"),
    ]
    for fields, code, field in cases:
        request = pb.FillGenerationRequest(scope=scope(), operation_id=operation_id, fills=fills, **fields)
        failure = await failure_of(memory.operations.FillGeneration(request, timeout=TIMEOUT_S))
        assert (failure.code, failure.fields) == (code, (field,)), failure.message
    assert (await due(memory, operation_id)).due_count == len(TEXTS)


async def test_bad_requests_are_refused_naming_the_field(memory: Memory) -> None:
    await create(memory)
    cases: list[tuple[Any, Code, str, str]] = [
        (start(memory, "away"), Code.NOT_FOUND, "COLLECTION_NOT_FOUND", "name"),
        (start(memory, space=space(FINGERPRINT, DIMENSION)), Code.FAILED_PRECONDITION, "SAME_SPACE", "space.fingerprint"),
        (start(memory, space=space("")), Code.INVALID_ARGUMENT, "INVALID_INPUT", "space.fingerprint"),
        (start(memory, space=space(dimension=0)), Code.INVALID_ARGUMENT, "INVALID_INPUT", "space.dimension"),
        (start(memory, embedder_address=""), Code.INVALID_ARGUMENT, "INVALID_INPUT", "embedder_address"),
        (start(memory, embedder_address="x" * 2_000), Code.INVALID_ARGUMENT, "INVALID_INPUT", "embedder_address"),
        (start(memory, truncation=9), Code.INVALID_ARGUMENT, "INVALID_INPUT", "truncation"),
        (switch(memory), Code.FAILED_PRECONDITION, "NO_MIGRATION", "name"),
        (roll_back(memory), Code.FAILED_PRECONDITION, "NO_RETIRED_GENERATION", "name"),
        (operation(memory, "away"), Code.NOT_FOUND, "OPERATION_NOT_FOUND", "operation_id"),
        (due(memory, "away"), Code.NOT_FOUND, "OPERATION_NOT_FOUND", "operation_id"),
    ]
    for call, code, reason, field in cases:
        failure = await failure_of(call)
        assert (failure.code, failure.reason, failure.fields) == (
            code,
            reason,
            (field,) if code is Code.INVALID_ARGUMENT else failure.fields,
        )
    narrow = cpb.SwitchGenerationRequest(scope=scope(domains=["a"]), name="notes")
    assert (await failure_of(memory.collections.SwitchGeneration(narrow))).fields == ("scope.domains",)
    for driver, seconds, field in (("", 5, "driver"), ("d", 1_000, "lease")):
        request = pb.ClaimOperationRequest(scope=scope(), driver=driver)
        request.lease.seconds = seconds
        assert (await failure_of(memory.operations.ClaimOperation(request))).fields == (field,)
    assert not (await collection(memory)).other_generations


async def test_an_operation_belongs_to_one_driver_until_its_lease_ends(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await start(memory)

    async def claim(driver: str, seconds: int) -> pb.ClaimOperationResponse:
        request = pb.ClaimOperationRequest(scope=scope(), driver=driver)
        request.lease.seconds = seconds
        return await memory.operations.ClaimOperation(request, timeout=TIMEOUT_S)

    assert (await claim("one", 1)).HasField("task")
    assert not (await claim("two", 1)).HasField("task")
    assert (await claim("one", 1)).task.collection == "notes"
    for _ in range(200):
        if (await claim("two", 60)).HasField("task"):
            break
        await asyncio.sleep(0.05)
    assert not (await claim("one", 60)).HasField("task")


async def test_a_lease_of_before_the_clock_was_set_back_binds_nobody(tmp_path: Path) -> None:
    clock = FakeClock()

    async def claim(driver: str) -> pb.ClaimOperationResponse:
        return await memory.operations.ClaimOperation(pb.ClaimOperationRequest(scope=scope(), driver=driver), timeout=TIMEOUT_S)

    async with memory_service(tmp_path, clock=clock) as memory:
        await create(memory)
        await put(memory, *TEXTS)
        await start(memory)
        assert (await claim("one")).HasField("task")
        clock.jump(-60.0)
        assert not (await claim("two")).HasField("task"), "it may be a lease of now, so it counts"
        clock.jump(-3_600.0)
        assert (await claim("two")).HasField("task")
        assert not (await claim("one")).HasField("task")


async def test_a_listing_that_began_before_a_switch_goes_on_behind_it(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)

    async def page(token: str) -> mpb.ListMemoriesResponse:
        request = mpb.ListMemoriesRequest(scope=scope(), collection="notes", page_size=2, page_token=token)
        return await memory.memories.ListMemories(request, timeout=TIMEOUT_S)

    first = await page("")
    await migrated(memory)
    second = await page(first.next_page_token)
    third = await page(second.next_page_token)
    listed = [*first.memories, *second.memories, *third.memories]
    assert {one.text for one in listed} == set(TEXTS)
    active = (await collection(memory)).generation.generation
    assert {one.generation for one in (*second.memories, *third.memories)} == {active}


async def test_held_writes_wait_and_are_not_refused(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    operation_id = (await start(memory)).operation.operation_id
    await fill_all(memory, operation_id)
    await verify(memory)
    request = pb.ListDueMemoriesRequest(scope=scope(), operation_id=operation_id)
    request.hold_writes.seconds = 5
    await memory.operations.ListDueMemories(request, timeout=TIMEOUT_S)
    new = "fox runs in the forest"
    both = mpb.MemoryWrite(memory=type_pb2.Memory(memory_id=id_of("fox"), collection="notes", text=new))
    both.vectors.append(named(other_vector(new), fingerprint=OTHER))
    waiting = asyncio.ensure_future(memory.memories.UpsertMemories(upsert(both), timeout=TIMEOUT_S))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await switch(memory)
    await waiting
    assert (await found(memory, other_query(new)))[0] == new


async def test_a_collection_is_deleted_with_all_its_generations(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    running = (await start(memory, space=space("test-encoder/3;d=8"))).operation.operation_id
    request = cpb.DeleteCollectionRequest(scope=scope(), name="notes", confirm_name="notes")
    assert (await memory.collections.DeleteCollection(request, timeout=TIMEOUT_S)).memory_count == len(TEXTS)
    ended = await operation(memory, running)
    assert (ended.state, ended.error.code) == (type_pb2.OPERATION_STATE_FAILED, 5)
    await create(memory)
    assert not (await collection(memory)).other_generations


async def test_a_retired_generation_goes_when_it_is_told_to_and_no_other_does(memory: Memory) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await migrated(memory)
    here = await collection(memory)

    async def delete(generation: str) -> cpb.DeleteGenerationResponse:
        request = cpb.DeleteGenerationRequest(scope=scope(), name="notes", generation=generation)
        return await memory.collections.DeleteGeneration(request, timeout=TIMEOUT_S)

    serving = await failure_of(delete(here.generation.generation))
    assert (serving.code, serving.reason) == (Code.FAILED_PRECONDITION, "NOT_RETIRED")
    assert (await failure_of(delete("away"))).code is Code.NOT_FOUND
    assert (await delete(here.other_generations[0].generation)).memory_count == len(TEXTS)
    assert not (await collection(memory)).other_generations
    assert (await failure_of(roll_back(memory))).reason == "NO_RETIRED_GENERATION"


async def test_two_collections_of_different_spaces_are_searched_with_one_query(memory: Memory) -> None:
    for name in ("notes", "other"):
        await create(memory, name)
    await put(memory, *TEXTS)
    await memory.memories.UpsertMemories(upsert(write("fox", "fox in the boat", collection="other")), timeout=TIMEOUT_S)
    await migrated(memory)
    both = query("boat sails the river")
    refused = await failure_of(memory.memories.QueryMemories(both, timeout=TIMEOUT_S))
    assert refused.reason == "FOREIGN_FINGERPRINT"
    both.vectors.append(named(other_vector("boat sails the river"), fingerprint=OTHER))
    reply = await memory.memories.QueryMemories(both, timeout=TIMEOUT_S)
    assert {candidate.memory.collection for candidate in reply.candidates} == {"notes", "other"}
    assert reply.candidates[0].memory.text == "boat sails the river"
    assert reply.candidates[0].evidence[0].value == pytest.approx(1.0, abs=1e-4)


async def test_a_migration_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await put(memory, *TEXTS)
        operation_id = (await start(memory)).operation.operation_id
        await fill(memory, operation_id, (await due(memory, operation_id, page_size=3)).memories)
    async with memory_service(tmp_path) as memory:
        assert (await due(memory, operation_id)).due_count == 2
        assert await fill_all(memory, operation_id) == 2
        assert (await verify(memory)).verified
        await switch(memory)
    async with memory_service(tmp_path) as memory:
        assert (await found(memory, other_query("boat sails the river")))[0] == "boat sails the river"


async def test_operations_are_listed_newest_first_page_by_page(memory: Memory) -> None:
    ids = []
    for name in ("a", "b", "c"):
        await create(memory, name)
        ids.append((await start(memory, name)).operation.operation_id)

    async def page(token: str) -> pb.ListOperationsResponse:
        return await memory.operations.ListOperations(pb.ListOperationsRequest(scope=scope(), page_size=2, page_token=token))

    first = await page("")
    second = await page(first.next_page_token)
    assert [one.operation_id for one in (*first.operations, *second.operations)][:3] == ids[::-1]
    foreign = await failure_of(page("xyz"))
    assert (foreign.code, foreign.reason) == (Code.INVALID_ARGUMENT, "FOREIGN_PAGE_TOKEN")


async def test_a_deletion_during_the_count_does_not_make_a_migration_look_wrong(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await fill_all(memory, (await start(memory)).operation.operation_id)
    waiting, count = list(TEXTS[:2]), Verifier._count

    async def interrupted(verifier: Verifier, generation: Generation, deadline: Deadline) -> int:
        if waiting:
            await delete(memory, waiting.pop())
        return await count(verifier, generation, deadline)

    monkeypatch.setattr(Verifier, "_count", interrupted)
    checked = await verify(memory)
    assert (checked.verified, list(checked.findings)) == (True, [])
    assert checked.source_count == checked.target_count == checked.memory_count == len(TEXTS) - 2


async def test_deletions_that_do_not_end_are_named_and_nothing_is_said_of_the_migration(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await fill_all(memory, (await start(memory)).operation.operation_id)
    count = Verifier._count

    async def interrupted(verifier: Verifier, generation: Generation, deadline: Deadline) -> int:
        await put(memory, "another note")
        await delete(memory, "another note")
        return await count(verifier, generation, deadline)

    with monkeypatch.context() as patch:
        patch.setattr(Verifier, "_count", interrupted)
        patch.setattr(WriteHolds, "hold", lambda *_, **__: None)
        refused = await failure_of(verify(memory))
    assert (refused.code, refused.reason) == (Code.ABORTED, "WRITES_WENT_ON")
    assert (await verify(memory)).verified


async def test_what_is_deleted_while_the_sample_is_looked_up_does_not_count_as_lost(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(memory)
    await put(memory, *TEXTS)
    await fill_all(memory, (await start(memory)).operation.operation_id)
    waiting, neighbours = [TEXTS[0]], Verifier._neighbours

    async def interrupted(verifier: Verifier, *rest: Any) -> Any:
        if waiting:
            await delete(memory, waiting.pop())
        return await neighbours(verifier, *rest)

    monkeypatch.setattr(Verifier, "_neighbours", interrupted)
    checked = await verify(memory)
    assert (checked.verified, checked.sample_recall) == (True, 1.0)


async def delete(memory: Memory, text: str) -> None:
    ids = mpb.DeleteMemoriesRequest.Ids(memory_ids=[id_of(text.split()[0])])
    await memory.memories.DeleteMemories(mpb.DeleteMemoriesRequest(scope=scope(), ids=ids), timeout=TIMEOUT_S)
