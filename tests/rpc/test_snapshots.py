"""Snapshots at the memory service: made under load, restored exactly or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
import tarfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
import pytest_asyncio

from atlas import tensors
from atlas.memory.v1 import collection_pb2 as cpb
from atlas.memory.v1 import memory_pb2 as mpb
from atlas.memory.v1 import salience_pb2 as spb
from atlas.memory.v1 import snapshot_pb2 as pb
from atlas.type.v1 import type_pb2

from .memory_part import FINGERPRINT, TIMEOUT_S, Memory, create, failure_of, id_of, memory_service, query, scope, upsert, vector_of, write
from .test_generations import TEXTS, migrated, other_query, put, roll_back

Code = grpc.StatusCode
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("snapshots")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(folder: Path) -> AsyncIterator[Memory]:
    async with memory_service(folder) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def memory(service: Memory) -> AsyncIterator[Memory]:
    """The service of the module, with some memories and what was learnt of them; emptied after each test."""
    await create(service)
    await put(service, *TEXTS)
    await learn(service, "s-1")
    yield service
    listed = await service.collections.ListCollections(cpb.ListCollectionsRequest(scope=scope()), timeout=TIMEOUT_S)
    for one in listed.collections:
        request = cpb.DeleteCollectionRequest(scope=scope(), name=one.name, confirm_name=one.name)
        await service.collections.DeleteCollection(request, timeout=TIMEOUT_S)


async def learn(memory: Memory, search_id: str) -> None:
    event = spb.Event(
        memory_id=id_of("boat"), kind="EVENT_KIND_RERANK", raw_score=0.9, relevance=0.9, calibration_version="minilm-maxsim-1"
    )
    request = spb.RecordEventsRequest(
        scope=scope(),
        search_id=search_id,
        query=tensors.to_message(vector_of("boat")),
        fingerprint=FINGERPRINT,
        pool=[spb.PoolEntry(memory_id=id_of("boat"), collection="notes", rank=1)],
        events=[event],
    )
    reply = await memory.salience.RecordEvents(request, timeout=TIMEOUT_S)
    assert reply.accepted_count == 1


async def snapshot(memory: Memory) -> pb.Snapshot:
    return (await memory.snapshots.CreateSnapshot(pb.CreateSnapshotRequest(scope=scope()), timeout=TIMEOUT_S)).snapshot


async def restore(memory: Memory, snapshot_id: str, **fields: Any) -> pb.RestoreSnapshotResponse:
    request = pb.RestoreSnapshotRequest(scope=scope(), snapshot_id=snapshot_id, **fields)
    return await memory.snapshots.RestoreSnapshot(request, timeout=60.0)


async def state(memory: Memory) -> Any:
    """All that a caller sees: memories with etags, search order, salience."""
    listed = await memory.memories.ListMemories(mpb.ListMemoriesRequest(scope=scope(), collection="notes"), timeout=TIMEOUT_S)
    found = {one.memory_id: one for one in listed.memories}
    for one in found.values():
        one.ClearField("generation")
    answers = [await memory.memories.QueryMemories(query(text, salience_mode="SALIENCE_MODE_OFF"), timeout=TIMEOUT_S) for text in TEXTS]
    orders = [[(c.memory.memory_id, round(c.pool_score, 5)) for c in answer.candidates] for answer in answers]
    salience = await memory.salience.GetSalience(spb.GetSalienceRequest(scope=scope(), memory_ids=sorted(found)), timeout=TIMEOUT_S)
    learnt = [(one.memory_id, one.event_count, round(one.salience, 3)) for one in salience.salience]
    ledger = await memory.salience.GetStateDigest(spb.GetStateDigestRequest(scope=scope(), verify=True), timeout=TIMEOUT_S)
    return found, orders, learnt, ledger.digest


async def archive(memory: Memory, snapshot_id: str) -> bytes:
    request = pb.DownloadSnapshotRequest(scope=scope(), snapshot_id=snapshot_id)
    return b"".join([part.data async for part in memory.snapshots.DownloadSnapshot(request, timeout=TIMEOUT_S)])


async def upload(memory: Memory, body: bytes, *, part: int = 4_096) -> pb.UploadSnapshotResponse:
    async def parts() -> AsyncIterator[pb.UploadSnapshotRequest]:
        for begin in range(0, max(1, len(body)), part):
            yield pb.UploadSnapshotRequest(scope=scope(), data=body[begin : begin + part])

    return await memory.snapshots.UploadSnapshot(parts(), timeout=TIMEOUT_S)


async def test_a_restored_store_is_what_it_was(memory: Memory) -> None:
    before = await state(memory)
    taken = await snapshot(memory)
    assert (taken.memory_count, taken.generations[0].point_count) == (len(TEXTS), len(TEXTS))
    await put(memory, "apple pie is sweet", "fox runs in the forest")
    await learn(memory, "s-2")
    deletion = mpb.DeleteMemoriesRequest(scope=scope(), ids=mpb.DeleteMemoriesRequest.Ids(memory_ids=[id_of("boat")]))
    await memory.memories.DeleteMemories(deletion, timeout=TIMEOUT_S)
    await create(memory, "later")
    restored = await restore(memory, taken.snapshot_id, replace=True)
    assert restored.checked_query_count == len(TEXTS)
    assert await state(memory) == before
    listed = await memory.collections.ListCollections(cpb.ListCollectionsRequest(scope=scope()), timeout=TIMEOUT_S)
    assert [one.name for one in listed.collections] == ["notes"]
    # The store goes on from there, and what it makes next is the same content.
    assert (await snapshot(memory)).memory_count == len(TEXTS)
    await put(memory, "fox runs in the forest")


async def test_a_snapshot_moves_to_another_machine_and_survives_its_restart(memory: Memory, tmp_path: Path) -> None:
    before = await state(memory)
    body = await archive(memory, (await snapshot(memory)).snapshot_id)
    with tarfile.open(fileobj=__import__("io").BytesIO(body)) as tar:
        assert tar.getnames() == ["manifest.json", "memory.sqlite3", "points.bin"]
    async with memory_service(tmp_path) as other:
        kept = (await upload(other, body)).snapshot
        assert (await upload(other, body)).snapshot == kept
        await restore(other, kept.snapshot_id)
        assert await state(other) == before
    async with memory_service(tmp_path) as other:
        assert await state(other) == before
        again = await snapshot(other)
        # Ids of generations are new; everything else is the same, to the last row.
        assert again.memory_count == kept.memory_count


async def test_a_snapshot_under_load_is_one_moment_and_writes_go_on(memory: Memory) -> None:
    stop = asyncio.Event()
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while not stop.is_set():
            pair = [write(f"pair-{side}", f"pair {side} round {written}") for side in ("left", "right")]
            extra = write(f"extra-{written}", f"extra number {written}")
            gone = [id_of(f"extra-{written - 3}")]
            await memory.memories.UpsertMemories(upsert(*pair, extra, delete_memory_ids=gone), timeout=TIMEOUT_S)
            written += 1

    task = asyncio.create_task(keep_writing())
    for _ in range(2_000):
        if written >= 3:
            break
        await asyncio.sleep(0.01)
    taken = []
    for _ in range(3):
        at = written
        taken.append(await snapshot(memory))
        assert written > at, "writes stood still while the snapshot was made"
    stop.set()
    await task
    for one in taken:
        await restore(memory, one.snapshot_id, replace=True)
        found, *_ = await state(memory)
        rounds = {found[id_of(f"pair-{side}")].text.split()[-1] for side in ("left", "right")}
        assert len(rounds) == 1, "a transaction was cut in half"
        (number,) = rounds
        extras = sorted(memory.text for memory in found.values() if memory.text.startswith("extra"))
        assert extras == sorted(f"extra number {n}" for n in range(max(0, int(number) - 2), int(number) + 1))


async def test_other_generations_and_their_rollback_are_restored_too(memory: Memory) -> None:
    await migrated(memory)
    taken = await snapshot(memory)
    assert sorted(one.active for one in taken.generations) == [False, True]
    await restore(memory, taken.snapshot_id, replace=True)
    reply = await memory.memories.QueryMemories(other_query("boat sails the river"), timeout=TIMEOUT_S)
    assert reply.candidates[0].memory.text == "boat sails the river"
    assert (await roll_back(memory)).operation.state == type_pb2.OPERATION_STATE_DONE
    reply = await memory.memories.QueryMemories(query("boat sails the river"), timeout=TIMEOUT_S)
    assert reply.candidates[0].memory.text == "boat sails the river"


async def test_a_refused_restore_changes_nothing(memory: Memory, folder: Path) -> None:
    taken = await snapshot(memory)
    await put(memory, "fox runs in the forest")
    before = await state(memory)
    place = folder / "snapshots" / taken.snapshot_id

    full = await failure_of(restore(memory, taken.snapshot_id))
    assert (full.code, full.reason) == (Code.ABORTED, "NOT_EMPTY")
    unknown = await failure_of(restore(memory, id_of("nothing")))
    assert (unknown.code, unknown.reason) == (Code.NOT_FOUND, "SNAPSHOT_NOT_FOUND")
    path = await failure_of(restore(memory, "../engine"))
    assert path.code is Code.NOT_FOUND
    foreign = await failure_of(restore(memory, taken.snapshot_id, replace=True, known_fingerprints=["another/1"]))
    assert (foreign.code, foreign.reason) == (Code.FAILED_PRECONDITION, "FOREIGN_FINGERPRINT")
    assert "another/1" in foreign.message
    assert FINGERPRINT in foreign.message

    manifest = (place / "manifest.json").read_bytes()
    for change in ({"schema_version": 99}, {"format": 2}, {"tables_sha256": "0" * 64}):
        said = {**msgspec.json.decode(manifest), **change}
        (place / "manifest.json").write_bytes(msgspec.json.encode(said))
        version = await failure_of(restore(memory, taken.snapshot_id, replace=True))
        assert (version.code, version.reason) == (Code.FAILED_PRECONDITION, "SNAPSHOT_VERSION")
    (place / "manifest.json").write_bytes(b"{}")
    assert (await failure_of(restore(memory, taken.snapshot_id, replace=True))).reason == "SNAPSHOT_DAMAGED"
    (place / "manifest.json").write_bytes(manifest)

    for name in ("points.bin", "memory.sqlite3"):
        whole = (place / name).read_bytes()
        for spoilt in (whole[:-7], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], b""):
            (place / name).write_bytes(spoilt)
            damaged = await failure_of(restore(memory, taken.snapshot_id, replace=True))
            assert (damaged.code, damaged.reason) == (Code.INVALID_ARGUMENT, "SNAPSHOT_DAMAGED")
        (place / name).write_bytes(whole)
    assert await state(memory) == before
    await restore(memory, taken.snapshot_id, replace=True)


async def test_a_snapshot_whose_digest_lies_is_refused_after_loading_and_nothing_is_left(memory: Memory, folder: Path) -> None:
    taken = await snapshot(memory)
    before = await state(memory)
    place = folder / "snapshots" / taken.snapshot_id
    said = msgspec.json.decode((place / "manifest.json").read_bytes())
    said["table_digests"]["event"] = "0:0"
    (place / "manifest.json").write_bytes(msgspec.json.encode(said))
    refused = await failure_of(restore(memory, taken.snapshot_id, replace=True))
    assert (refused.code, refused.reason) == (Code.INTERNAL, "SNAPSHOT_NOT_VERIFIED")
    assert await state(memory) == before
    with closing(sqlite3.connect(folder / "memory.sqlite3")) as connection, connection:
        assert connection.execute("SELECT count(*) FROM staged_generation").fetchone() == (0,)


async def test_what_is_no_archive_is_refused(memory: Memory) -> None:
    body = await archive(memory, (await snapshot(memory)).snapshot_id)
    count = len((await memory.snapshots.ListSnapshots(pb.ListSnapshotsRequest(scope=scope()))).snapshots)
    for wrong in (b"", b"no tar at all", body[: len(body) // 2], body.replace(b"points.bin", b"../../x.bi", 1)):
        failure = await failure_of(upload(memory, wrong))
        assert failure.code is Code.INVALID_ARGUMENT, failure
        assert failure.reason in {"NO_SNAPSHOT", "SNAPSHOT_DAMAGED"}
    assert len((await memory.snapshots.ListSnapshots(pb.ListSnapshotsRequest(scope=scope()))).snapshots) == count


async def test_snapshots_are_listed_newest_first_and_deleted(memory: Memory, folder: Path) -> None:
    first, second = await snapshot(memory), await snapshot(memory)
    listed = (await memory.snapshots.ListSnapshots(pb.ListSnapshotsRequest(scope=scope()))).snapshots
    assert [one.snapshot_id for one in listed[:2]] == [second.snapshot_id, first.snapshot_id]
    assert first.digest == second.digest
    await memory.snapshots.DeleteSnapshot(pb.DeleteSnapshotRequest(scope=scope(), snapshot_id=first.snapshot_id))
    gone = await failure_of(memory.snapshots.DeleteSnapshot(pb.DeleteSnapshotRequest(scope=scope(), snapshot_id=first.snapshot_id)))
    assert gone.code is Code.NOT_FOUND
    assert not (folder / "snapshots" / first.snapshot_id).exists()
    narrow = pb.CreateSnapshotRequest(scope=scope(domains=["d"]))
    assert (await failure_of(memory.snapshots.CreateSnapshot(narrow))).fields == ("scope.domains",)


async def test_what_a_process_left_of_snapshots_that_it_made_or_took_in_is_gone_after_the_next_start(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as service:
        await create(service)
        kept = await snapshot(service)
        shelf = tmp_path / "snapshots"
        for name in ("draft", "deleted", "unpacked"):
            (shelf / f"{id_of(name)}.{name}").mkdir()
            (shelf / f"{id_of(name)}.{name}" / "points.bin").write_bytes(b"half")
        (shelf / f"{id_of('sent')}.upload").write_bytes(b"half")
    async with memory_service(tmp_path) as service:
        assert [path.name for path in shelf.iterdir()] == [kept.snapshot_id]
        await restore(service, kept.snapshot_id, replace=True)


async def test_an_upload_goes_on_while_a_snapshot_is_made(memory: Memory) -> None:
    body = await archive(memory, (await snapshot(memory)).snapshot_id)

    async def parts() -> AsyncIterator[pb.UploadSnapshotRequest]:
        yield pb.UploadSnapshotRequest(scope=scope(), data=body[: len(body) // 2])
        await snapshot(memory)
        yield pb.UploadSnapshotRequest(scope=scope(), data=body[len(body) // 2 :])

    assert (await memory.snapshots.UploadSnapshot(parts(), timeout=TIMEOUT_S)).snapshot.memory_count == len(TEXTS)
