"""Erase over gRPC: what is erased can be read nowhere, its bytes are gone from every file, and the receipt says what it was."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest

from atlas import failpoints
from atlas.errors import DiskFullError
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import snapshot_pb2
from atlas.passages import content_sha256
from atlas.type.v1 import salience_pb2
from services.memory.erasure import clearing
from services.memory.failpoints import FAILPOINTS
from services.memory.stores.edge.store import EdgeStore
from tests.rpc import memory_part
from tests.rpc.ledger_part import CLEAN, DAY_S, PIN, Ledger, ledger_service, scope, search
from tests.rpc.memory_part import failure_of, id_of, needs_edge, query, store_settings, upsert, vector_of, write
from tests.rpc.test_generations import migrated, other_vector

OWN_FILES = store_settings()["store"] != "qdrant"
"""Whether the store keeps its files in the data folder."""
CLEARED = salience_pb2.ERASURE_STATE_DONE if OWN_FILES else salience_pb2.ERASURE_STATE_LEFT_TO_SERVER
SECRET = "the treasure of {} lies under the crooked oak at Kilmarnock"


def holders(folder: Path, *needles: bytes) -> dict[str, list[str]]:
    """Files of a data folder that hold one of some byte strings."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            for needle in needles:
                if needle in body:
                    found.setdefault(needle.decode(errors="replace"), []).append(str(path.relative_to(folder)))
    return found


async def finished(ledger: Ledger, reply: pb.EraseResponse, **again: Any) -> salience_pb2.ErasureReceipt:
    """Asks until no file is due any more, as a caller does whose first call ran out of time."""
    async with asyncio.timeout(60):
        while reply.receipt.state == salience_pb2.ERASURE_STATE_PENDING:
            reply = await ledger.erase(**again)
    assert reply.receipt.state == CLEARED
    return reply.receipt


async def test_an_erased_memory_can_be_read_nowhere_and_everything_else_stays(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (kept,) = await ledger.store("kept")
        clean = await ledger.digest()
        (gone,) = await ledger.store("gone", text=SECRET)
        vector = vector_of(SECRET.format("gone")).tobytes()
        assert not OWN_FILES or holders(tmp_path, b"crooked oak", vector).keys() == {"crooked oak", vector.decode(errors="replace")}
        await ledger.record(search("s1", {gone: 0.9}, pool={gone: CLEAN, kept: CLEAN}))
        await ledger.feedback("s1", {gone: 1.0})
        await ledger.feedback("pin", {gone: 1.0}, PIN)
        await ledger.revoke(memory_ids=[gone], search_ids=["pin"], request_id="r1")
        reply = await ledger.erase(ids={"memory_ids": [gone]}, request_id="e1")
        receipt = await finished(ledger, reply, ids={"memory_ids": [gone]}, request_id="e1")
        assert (receipt.memory_count, receipt.event_count, receipt.impression_count, receipt.replay_count) == (1, 3, 1, 1)
        assert (receipt.verified, receipt.copy_count) == (True, 0)
        assert receipt.clear_time.ToDatetime(UTC) == ledger.clock.now()
        assert list(reply.content_sha256s) == [content_sha256(SECRET.format("gone"))]
        after = await ledger.digest()
        assert (after.memory_sha256, after.state_sha256, after.ledger_sha256) == (
            clean.memory_sha256,
            clean.state_sha256,
            clean.ledger_sha256,
        )
        assert [entry.memory_id for entry in (await ledger.impression("s1")).pool] == [kept]
        assert (await ledger.erase(ids={"memory_ids": [gone]}, request_id="e1")).receipt == receipt
        assert (await ledger.erase(ids={"memory_ids": [gone]})).receipt.memory_count == 0
        found = await ledger.memory.memories.QueryMemories(query("treasure oak Kilmarnock", collections=["notes"]), timeout=20)
        assert gone not in [one.memory.memory_id for one in found.candidates]
        # While the service still runs: nothing waits for its end.
        assert holders(tmp_path, b"crooked oak", vector, gone.encode(), UUID(gone).bytes) == {}
    assert holders(tmp_path, b"crooked oak", vector, gone.encode(), UUID(gone).bytes) == {}
    assert holders(tmp_path, kept.encode()) != {}


async def test_a_text_that_was_edited_before_leaves_nothing_in_any_file_after_an_erasure(tmp_path: Path) -> None:
    async with ledger_service(tmp_path, flush_interval_ms=600_000) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        await ledger.store("gone", text="edited since")
        await finished(ledger, await ledger.erase(ids={"memory_ids": [gone]}, request_id="e1"), ids={"memory_ids": [gone]}, request_id="e1")
    assert holders(tmp_path, b"crooked oak", b"edited since") == {}


async def test_erasures_at_the_same_time_are_all_verified(tmp_path: Path) -> None:
    async with ledger_service(tmp_path, flush_interval_ms=100) as ledger:
        ids = await ledger.store(*(f"gone-{number}" for number in range(40)), text=SECRET)
        for begin in range(0, 40, 8):
            replies = await asyncio.gather(*(ledger.erase(ids={"memory_ids": [one]}) for one in ids[begin : begin + 8]))
            assert all(reply.receipt.verified for reply in replies)
        assert holders(tmp_path, b"crooked oak") == {}


async def test_a_source_and_a_domain_are_erased_whole_and_nothing_beside_them(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (home,) = await ledger.store("home", domain="home")
        work, other = await ledger.store("work", "other", domain="work")
        writes = [write(f"of-source-{number}", f"page {number}", source="file:///a.md", domain="home") for number in range(3)]
        await ledger.memory.memories.UpsertMemories(upsert(*writes), timeout=20)
        await ledger.record(search("s1", {home: 0.9, work: 0.9, other: 0.1}))
        assert (await ledger.erase(source={"collection": "notes", "source": "file:///a.md"})).receipt.memory_count == 3
        blind = await ledger.erase(domain="work", caller=scope(domains=["home"]))
        assert (blind.receipt.memory_count, blind.receipt.event_count) == (0, 0)
        receipt = (await ledger.erase(domain="work")).receipt
        assert (receipt.memory_count, receipt.event_count, receipt.impression_count, receipt.verified) == (2, 2, 1, True)
        digest = await ledger.digest()
        assert (digest.memory_count, digest.event_count, digest.consistent) == (1, 1, True)


async def test_a_principal_is_erased_with_its_checkpoints_and_nobody_else_notices(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (memory,) = await ledger.store("one")
        bert = scope(principal="bert-the-unforgettable")
        await ledger.record(search("s1", {memory: 0.9}))
        clean = await ledger.digest()
        await ledger.record(search("s2", {memory: 0.1}, caller=bert))
        await ledger.feedback("s2", {memory: 0.0}, caller=bert)
        await ledger.revoke(principals=["bert-the-unforgettable"], kinds=[3])
        receipt = (await ledger.erase(principal="bert-the-unforgettable")).receipt
        assert (receipt.memory_count, receipt.event_count, receipt.impression_count, receipt.verified) == (0, 2, 1, True)
        assert await ledger.digest() == clean
        await ledger.record(search("s3", {memory: 0.1}, caller=bert))
    async with ledger_service(tmp_path, ledger_retention_days=1.0) as ledger:
        # The service folds what is old when it starts.
        ledger.clock.advance(2 * DAY_S)
    clock = ledger.clock
    async with ledger_service(tmp_path, clock=clock, ledger_retention_days=1.0) as ledger:
        while (await ledger.explain(memory)).checkpointed_count < 2:
            pass
        receipt = (await ledger.erase(principal="bert-the-unforgettable")).receipt
        assert (receipt.event_count, receipt.checkpoint_count, receipt.verified) == (0, 1, True)
        assert (await ledger.digest()).state_sha256 == clean.state_sha256
    assert holders(tmp_path, b"bert-the-unforgettable") == {}


async def test_an_erasure_of_nothing_or_without_a_collection_is_refused(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        await ledger.store("one")
        before = await ledger.digest()
        for selection, code, field in (
            ({}, grpc.StatusCode.INVALID_ARGUMENT, "selection"),
            ({"ids": {}}, grpc.StatusCode.INVALID_ARGUMENT, "selection.ids.memory_ids"),
            ({"ids": {"memory_ids": ["x"]}}, grpc.StatusCode.INVALID_ARGUMENT, "selection.ids.memory_ids[0]"),
            ({"source": {"collection": "notes"}}, grpc.StatusCode.INVALID_ARGUMENT, "selection.source.source"),
            ({"source": {"collection": "nobody", "source": "s"}}, grpc.StatusCode.NOT_FOUND, "selection.source.collection"),
        ):
            failure = await failure_of(ledger.erase(**selection))
            assert (failure.code, failure.fields) == (code, (field,)), failure
        assert await ledger.digest() == before


async def test_receipts_are_kept_without_anything_of_what_was_erased(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        receipt = (await ledger.erase(ids={"memory_ids": [gone]})).receipt
    connection = sqlite3.connect(tmp_path / "memory.sqlite3")
    (kept,) = connection.execute("SELECT receipt FROM erasure WHERE receipt_id = ?", (receipt.receipt_id,)).fetchone()
    connection.close()
    assert receipt.state != salience_pb2.ERASURE_STATE_PENDING
    assert kept == receipt.SerializeToString()
    assert gone.encode() not in kept


async def test_an_erasure_takes_the_bytes_of_what_was_deleted_before_as_well(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        await ledger.forget(gone)
        again: dict[str, Any] = {"ids": {"memory_ids": [gone]}, "request_id": "e1"}
        receipt = await finished(ledger, await ledger.erase(**again), **again)
        assert (receipt.memory_count, receipt.verified) == (0, True)
        vector = vector_of(SECRET.format("gone")).tobytes()
        assert holders(tmp_path, b"crooked oak", vector, gone.encode(), UUID(gone).bytes) == {}


async def test_a_generation_that_is_kept_for_a_rollback_loses_its_bytes_too(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        await ledger.store("kept")
        await migrated(ledger.memory)
        text = SECRET.format("gone")
        again: dict[str, Any] = {"ids": {"memory_ids": [gone]}, "request_id": "e1"}
        receipt = await finished(ledger, await ledger.erase(**again), **again)
        assert (receipt.memory_count, receipt.verified) == (1, True)
        needles = b"crooked oak", vector_of(text).tobytes(), other_vector(text).tobytes(), gone.encode(), UUID(gone).bytes
        assert holders(tmp_path, *needles) == {}


async def test_the_receipt_counts_the_snapshots_that_were_made_before(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        request = snapshot_pb2.CreateSnapshotRequest(scope=memory_part.scope())
        made = (await ledger.memory.snapshots.CreateSnapshot(request, timeout=20)).snapshot
        (tmp_path / "damaged-20260101T000000Z").mkdir()
        again: dict[str, Any] = {"ids": {"memory_ids": [gone]}, "request_id": "e1"}
        receipt = await finished(ledger, await ledger.erase(**again), **again)
        assert receipt.copy_count == 2
        assert {path.split("/")[0] for path in holders(tmp_path, b"crooked oak")["crooked oak"]} == {"snapshots"}
        later = (await ledger.memory.snapshots.CreateSnapshot(request, timeout=20)).snapshot
        for snapshot_id in (made.snapshot_id, later.snapshot_id):
            assert holders(tmp_path / "snapshots" / later.snapshot_id, b"crooked oak") == {}
            deletion = snapshot_pb2.DeleteSnapshotRequest(scope=memory_part.scope(), snapshot_id=snapshot_id)
            await ledger.memory.snapshots.DeleteSnapshot(deletion, timeout=20)
        assert holders(tmp_path, b"crooked oak") == {}


@needs_edge
async def test_files_that_cannot_be_written_anew_now_are_named_pending_and_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "LONGEST_PAUSE_S", 0.1)
    full, purge = asyncio.Event(), EdgeStore.purge

    async def refused(store: EdgeStore, index: str) -> bool:
        if not full.is_set():
            raise DiskFullError("there is no room")
        return await purge(store, index)

    monkeypatch.setattr(EdgeStore, "purge", refused)
    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        erasure = pb.EraseRequest(scope=scope(), selection=salience_pb2.ErasureSelection(ids={"memory_ids": [gone]}), request_id="e1")
        receipt = (await ledger.memory.salience.Erase(erasure, timeout=2.0)).receipt
        assert (receipt.state, receipt.verified) == (salience_pb2.ERASURE_STATE_PENDING, True)
        assert not receipt.HasField("clear_time")
        # Reads and writes do not wait for it.
        (kept,) = await ledger.store("kept")
        found = await ledger.memory.memories.QueryMemories(query("a note about the treasure", collections=["notes"]), timeout=20)
        assert [one.memory.memory_id for one in found.candidates] == [kept]
        assert holders(tmp_path, b"crooked oak") != {}
        full.set()
        reply = await ledger.memory.salience.Erase(erasure, timeout=20.0)
        await finished(ledger, reply, ids={"memory_ids": [gone]}, request_id="e1")
        assert holders(tmp_path, b"crooked oak") == {}


async def test_what_is_pending_at_the_end_of_a_process_is_done_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(clearer: clearing.Clearer) -> None:
        await asyncio.Event().wait()

    async with ledger_service(tmp_path) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
    with monkeypatch.context() as patch:
        patch.setattr(clearing.Clearer, "run", idle)
        async with ledger_service(tmp_path) as ledger:
            erasure = pb.EraseRequest(scope=scope(), selection=salience_pb2.ErasureSelection(ids={"memory_ids": [gone]}), request_id="e1")
            receipt = (await ledger.memory.salience.Erase(erasure, timeout=2.0)).receipt
            assert receipt.state == salience_pb2.ERASURE_STATE_PENDING
    async with ledger_service(tmp_path) as ledger:
        async with asyncio.timeout(60):
            while (reply := await ledger.erase(ids={"memory_ids": [gone]}, request_id="e1")).receipt.state != CLEARED:
                pass
        assert (reply.receipt.receipt_id, reply.receipt.verified) == (receipt.receipt_id, True)
        vector = vector_of(SECRET.format("gone")).tobytes()
        assert holders(tmp_path, b"crooked oak", vector, gone.encode(), UUID(gone).bytes) == {}


async def test_a_receipt_that_waited_when_a_snapshot_was_made_is_done_after_its_restore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def idle(clearer: clearing.Clearer) -> None:
        await asyncio.Event().wait()

    erasure = pb.EraseRequest(scope=scope(), selection=salience_pb2.ErasureSelection(domain="secret"), request_id="e1")
    with monkeypatch.context() as patch:
        patch.setattr(clearing.Clearer, "run", idle)
        async with ledger_service(tmp_path) as ledger:
            await ledger.store("gone", text=SECRET, domain="secret")
            assert (await ledger.memory.salience.Erase(erasure, timeout=2.0)).receipt.state == salience_pb2.ERASURE_STATE_PENDING
            request = snapshot_pb2.CreateSnapshotRequest(scope=memory_part.scope())
            made = (await ledger.memory.snapshots.CreateSnapshot(request, timeout=20)).snapshot
    async with ledger_service(tmp_path) as ledger:
        await finished(ledger, await ledger.memory.salience.Erase(erasure, timeout=20), domain="secret", request_id="e1")
        restore = snapshot_pb2.RestoreSnapshotRequest(scope=memory_part.scope(), snapshot_id=made.snapshot_id, replace=True)
        await ledger.memory.snapshots.RestoreSnapshot(restore, timeout=60)
        reply = await ledger.memory.salience.Erase(erasure, timeout=20)
        receipt = await finished(ledger, reply, domain="secret", request_id="e1")
        assert receipt.copy_count == 1
        assert {path.split("/")[0] for path in holders(tmp_path, b"crooked oak").get("crooked oak", [])} <= {"snapshots"}


@needs_edge
async def test_erasures_that_come_together_share_the_writing_of_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    purges, purge = 0, EdgeStore.purge

    async def counted(store: EdgeStore, index: str) -> bool:
        nonlocal purges
        purges += 1
        return await purge(store, index)

    monkeypatch.setattr(EdgeStore, "purge", counted)
    async with ledger_service(tmp_path) as ledger:
        ids = await ledger.store(*(f"gone-{number}" for number in range(12)), text=SECRET)
        asked: list[dict[str, Any]] = [{"ids": {"memory_ids": [one]}, "request_id": f"e{number}"} for number, one in enumerate(ids)]
        replies = await asyncio.gather(*(ledger.erase(**one) for one in asked))
        receipts = [await finished(ledger, reply, **one) for reply, one in zip(replies, asked, strict=True)]
        assert [(each.memory_count, each.verified) for each in receipts] == [(1, True)] * len(ids)
        assert 1 <= purges <= 4
        assert holders(tmp_path, b"crooked oak", *(one.encode() for one in ids)) == {}


@pytest.mark.parametrize("kind", ["ids", "source", "domain", "principal"])
async def test_an_erasure_that_ended_right_after_its_commit_is_finished_and_verified_by_its_repetition(tmp_path: Path, kind: str) -> None:
    async with ledger_service(tmp_path, flush_interval_ms=600_000) as ledger:
        _, deleted = await ledger.store("kept", "deleted")
        await ledger.record(search("s0", {deleted: 0.5}))
        await ledger.forget(deleted)
        gone = id_of("gone")
        secret = write("gone", SECRET.format("gone"), source="file:///secret.md", domain="secret")
        await ledger.memory.memories.UpsertMemories(upsert(secret), timeout=20)
        await ledger.record(search("s1", {gone: 0.9}, caller=scope(principal="bert-the-unforgettable")))
        selection: dict[str, Any] = {
            "ids": {"ids": {"memory_ids": [gone, deleted]}},
            "source": {"source": {"collection": "notes", "source": "file:///secret.md"}},
            "domain": {"domain": "secret"},
            "principal": {"principal": "bert-the-unforgettable"},
        }[kind]
        failpoints.arm({failpoints.VARIABLE: "ledger.erase.committed=error:EIO"}, FAILPOINTS)
        try:
            failure = await failure_of(ledger.erase(**selection, request_id="e1"))
        finally:
            failpoints.arm({}, FAILPOINTS)
        assert failure.code is grpc.StatusCode.INTERNAL
        needles = (b"bert-the-unforgettable",) if kind == "principal" else (b"crooked oak", gone.encode(), UUID(gone).bytes)
        assert holders(tmp_path, *needles), "there was nothing left to do"
        reply = await ledger.erase(**selection, request_id="e1")
        if kind == "principal":
            assert reply.receipt.state == salience_pb2.ERASURE_STATE_DONE
        else:
            await finished(ledger, reply, **selection, request_id="e1")
        receipt = (await ledger.erase(**selection, request_id="e1")).receipt
        assert (receipt.verified, receipt.event_count) == (True, 1)
        assert holders(tmp_path, *needles) == {}
        assert (await ledger.erase(**selection, request_id="e1")).receipt == receipt
