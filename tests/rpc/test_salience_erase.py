"""Erase over gRPC: what is erased can be read nowhere, its bytes are gone from the database, and the receipt says what it was."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from uuid import UUID

import grpc
import pytest

from atlas import failpoints
from atlas.passages import content_sha256
from services.memory.failpoints import FAILPOINTS
from tests.rpc.ledger_part import CLEAN, DAY_S, PIN, ledger_service, scope, search
from tests.rpc.memory_part import failure_of, id_of, query, upsert, write

SECRET = "the treasure of {} lies under the crooked oak at Kilmarnock"


def holders(folder: Path, *needles: bytes) -> dict[str, list[str]]:
    """Files of a data folder that hold one of some byte strings.

    Those of the engine are left out: it gives deleted points to no reader, but clears their bytes away only when it builds a segment
    anew.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "engine" not in path.relative_to(folder).parts:
            body = path.read_bytes()
            for needle in needles:
                if needle in body:
                    found.setdefault(needle.decode(errors="replace"), []).append(str(path.relative_to(folder)))
    return found


async def test_an_erased_memory_can_be_read_nowhere_and_everything_else_stays(tmp_path: Path) -> None:
    async with ledger_service(tmp_path) as ledger:
        (kept,) = await ledger.store("kept")
        clean = await ledger.digest()
        (gone,) = await ledger.store("gone", text=SECRET)
        await ledger.record(search("s1", {gone: 0.9}, pool={gone: CLEAN, kept: CLEAN}))
        await ledger.feedback("s1", {gone: 1.0})
        await ledger.feedback("pin", {gone: 1.0}, PIN)
        await ledger.revoke(memory_ids=[gone], search_ids=["pin"], request_id="r1")
        reply = await ledger.erase(ids={"memory_ids": [gone]}, request_id="e1")
        receipt = reply.receipt
        assert (receipt.memory_count, receipt.event_count, receipt.impression_count, receipt.replay_count) == (1, 3, 1, 1)
        assert receipt.verified
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
        assert holders(tmp_path, b"crooked oak", gone.encode(), UUID(gone).bytes) == {}
    assert holders(tmp_path, b"crooked oak", gone.encode(), UUID(gone).bytes) == {}
    assert holders(tmp_path, kept.encode()) != {}


async def test_a_text_that_was_edited_or_deleted_before_leaves_nothing_in_the_database_after_an_erasure(tmp_path: Path) -> None:
    async with ledger_service(tmp_path, flush_interval_ms=600_000) as ledger:
        (gone,) = await ledger.store("gone", text=SECRET)
        await ledger.store("gone", text="edited since")
        await ledger.erase(ids={"memory_ids": [gone]})
    assert holders(tmp_path, b"crooked oak", b"edited since") == {}


@pytest.mark.parametrize("kind", ["ids", "source", "domain", "principal"])
async def test_an_erasure_that_ended_before_it_was_scrubbed_is_finished_by_its_repetition(tmp_path: Path, kind: str) -> None:
    async with ledger_service(tmp_path, flush_interval_ms=600_000) as ledger:
        _, deleted = await ledger.store("kept", "deleted")
        await ledger.record(search("s0", {deleted: 0.5}))
        await ledger.forget(deleted)
        gone = id_of("gone")
        secret = write("gone", SECRET.format("gone"), source="file:///secret.md", domain="secret")
        await ledger.memory.memories.UpsertMemories(upsert(secret), timeout=20)
        await ledger.record(search("s1", {gone: 0.9}, caller=scope(principal="bert-the-unforgettable")))
        selections = {
            "ids": {"ids": {"memory_ids": [gone, deleted]}},
            "source": {"source": {"collection": "notes", "source": "file:///secret.md"}},
            "domain": {"domain": "secret"},
            "principal": {"principal": "bert-the-unforgettable"},
        }
        failpoints.arm({failpoints.VARIABLE: "ledger.erase.committed=error:EIO"}, FAILPOINTS)
        try:
            failure = await failure_of(ledger.erase(**selections[kind], request_id="e1"))
        finally:
            failpoints.arm({}, FAILPOINTS)
        assert failure.code is grpc.StatusCode.INTERNAL
        needles = (b"bert-the-unforgettable",) if kind == "principal" else (b"crooked oak", gone.encode(), UUID(gone).bytes)
        assert holders(tmp_path, *needles), "there was nothing left to do"
        receipt = (await ledger.erase(**selections[kind], request_id="e1")).receipt
        assert (receipt.verified, receipt.event_count) == (True, 1)
        assert holders(tmp_path, *needles) == {}
        assert (await ledger.erase(**selections[kind], request_id="e1")).receipt == receipt


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
    assert kept == receipt.SerializeToString()
    assert gone.encode() not in kept
