"""SalienceService over gRPC: a real ledger behind a real server."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from atlas import tensors
from atlas.channel import call, open_channel
from atlas.clock import FakeClock
from atlas.deadlines import Deadline
from atlas.errors import ConflictError, DiskFullError, InvalidInputError
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.server import Registration, serving
from atlas.type.v1 import salience_pb2, type_pb2
from services.memory.database import Database, open_database
from services.memory.durability import Durability
from services.memory.ledger import prune_impressions
from services.memory.salience import SalienceRule
from services.memory.salience_service import SalienceService
from services.memory.settings import MemorySettings

QUERY = np.random.RandomState(1).standard_normal(384).astype(np.float32)


class Space:
    """Free disk that a test can take away."""

    def __init__(self) -> None:
        self.full = False

    def check(self) -> None:
        if self.full:
            raise DiskFullError("free disk is 1 byte; 2 are wanted", free_bytes=1, min_bytes=2)


class Ledger:
    """A served ledger and what a test does with it."""

    def __init__(self, database: Database, stub: rpc.SalienceServiceStub, clock: FakeClock, space: Space) -> None:
        self.database, self.stub, self.clock, self.space = database, stub, clock, space

    async def store(self, *memory_ids: str, tenant: str = "t", domain: str = "") -> None:
        """Puts rows into the catalog, as a write of memories does."""
        columns = await self.database.read(lambda c: c.execute("PRAGMA table_info(memory)").fetchall())
        defaults = {"INTEGER": 0, "REAL": 0.0, "BLOB": b""}
        rows = [
            [
                {"tenant": tenant, "memory_id": memory_id, "domain": domain}.get(name, defaults.get(kind, ""))
                for _, name, kind, *_ in columns
            ]
            for memory_id in memory_ids
        ]
        marks = ", ".join("?" * len(columns))
        await self.database.write(
            lambda c: c.executemany(f"INSERT INTO memory VALUES ({marks})", rows), durability=Durability.PROCESS_CRASH
        )

    async def record(self, request: pb.RecordEventsRequest) -> pb.RecordEventsResponse:
        return await call(self.stub.RecordEvents, request, deadline=Deadline.after(10))

    async def salience(self, *memory_ids: str, tenant: str = "t") -> pb.GetSalienceResponse:
        request = pb.GetSalienceRequest(scope=type_pb2.Scope(tenant=tenant), memory_ids=memory_ids)
        return await call(self.stub.GetSalience, request, deadline=Deadline.after(10))


@pytest.fixture
def served(tmp_path: Path):
    @asynccontextmanager
    async def start() -> AsyncIterator[Ledger]:
        clock, space = FakeClock(datetime(2026, 5, 1, tzinfo=UTC)), Space()
        async with open_database(tmp_path / "memory.db") as database:
            service = SalienceService(database, rule=SalienceRule(), clock=clock, space=space)
            registration = Registration.of(pb.DESCRIPTOR, "SalienceService", rpc.add_SalienceServiceServicer_to_server, service)

            async def ready() -> None:
                await database.read(lambda c: c.execute("SELECT 1").fetchone())

            settings = MemorySettings(port=0, metrics_port=-1, lame_duck_ms=0, data_dir=tmp_path)
            async with serving(settings, [registration], readiness=ready) as server:
                await server.until_ready()
                async with open_channel(server.address, service_names=[registration.name]) as channel:
                    yield Ledger(database, rpc.SalienceServiceStub(channel), clock, space)

    return start


def search(
    search_id: str, scores: dict[str, float], *, query: np.ndarray = QUERY, pool: dict[str, int] | None = None
) -> pb.RecordEventsRequest:
    pools = pool if pool is not None else dict.fromkeys(scores, type_pb2.POOL_CLEAN)
    return pb.RecordEventsRequest(
        scope=type_pb2.Scope(tenant="t"),
        search_id=search_id,
        query=tensors.to_message(query),
        fingerprint="f",
        pool=[
            pb.PoolEntry(memory_id=m, collection="c", pool=kind, rank=i + 1, propensity=1.0) for i, (m, kind) in enumerate(pools.items())
        ],
        events=[
            pb.Event(
                memory_id=m,
                kind=salience_pb2.EVENT_KIND_RERANK,
                raw_score=p,
                score_kind=type_pb2.SCORE_KIND_MAXSIM,
                relevance=p,
                calibration_version="v",
                rank_before_salience=i + 1,
            )
            for i, (m, p) in enumerate(scores.items())
        ],
    )


def new_ids(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


async def test_evidence_moves_salience_up_for_relevant_and_down_for_irrelevant_memories(served) -> None:
    good, bad, unseen = new_ids(3)
    async with served() as ledger:
        await ledger.store(good, bad, unseen)
        reply = await ledger.record(search("s1", {good: 0.95, bad: 0.02}))
        assert (reply.accepted_count, reply.duplicate_count, list(reply.rejected)) == (2, 0, [])
        assert reply.durability == type_pb2.DURABILITY_PROCESS_CRASH
        found = {item.memory_id: item for item in (await ledger.salience(good, bad, unseen)).salience}
    assert found[bad].salience < found[unseen].salience < found[good].salience
    assert found[unseen].salience == pytest.approx(found[unseen].prior)
    assert (found[good].event_count, found[unseen].event_count) == (1, 0)
    assert found[good].last_retrieved.seconds == int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())


async def test_a_repeated_search_counts_once(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        await ledger.record(search("s1", {memory: 0.9}))
        before = (await ledger.salience(memory)).salience[0]
        reply = await ledger.record(search("s1", {memory: 0.9}))
        assert (reply.accepted_count, reply.duplicate_count) == (0, 1)
        assert (await ledger.salience(memory)).salience[0] == before


async def test_a_search_counts_once_even_after_its_impression_was_pruned(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        await ledger.record(search("s1", {memory: 0.9}))
        pruned = await ledger.database.write(lambda c: prune_impressions(c, math.inf), durability=Durability.PROCESS_CRASH)
        reply = await ledger.record(search("s1", {memory: 0.9}))
        assert (pruned, reply.accepted_count, reply.duplicate_count) == (1, 0, 1)
        assert (await ledger.salience(memory)).salience[0].event_count == 1


async def test_a_search_id_with_another_pool_is_refused_and_changes_nothing(served) -> None:
    one, two = new_ids(2)
    async with served() as ledger:
        await ledger.store(one, two)
        await ledger.record(search("s1", {one: 0.9}))
        with pytest.raises(ConflictError, match="s1"):
            await ledger.record(search("s1", {two: 0.9}))
        assert (await ledger.salience(two)).salience[0].event_count == 0


async def test_events_that_may_not_count_are_rejected_with_their_reason(served) -> None:
    clean, extended, outside, gone, broken, absurd = new_ids(6)
    request = search("s1", {clean: 0.9, extended: 0.9, outside: 0.9, gone: 0.9, broken: math.nan, absurd: 1.5})
    del request.pool[:]
    kinds = {clean: 1, extended: 2, gone: 1, broken: 1, absurd: 1}
    request.pool.extend(pb.PoolEntry(memory_id=m, pool=kind, rank=i + 1) for i, (m, kind) in enumerate(kinds.items()))
    async with served() as ledger:
        await ledger.store(clean, extended, outside, broken, absurd)
        reply = await ledger.record(request)
    assert reply.accepted_count == 1
    assert {item.memory_id: item.reason for item in reply.rejected} == {
        extended: "NOT_CLEAN",
        outside: "NOT_IN_POOL",
        gone: "UNKNOWN_MEMORY",
        broken: "NOT_FINITE",
        absurd: "OUT_OF_RANGE",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.ClearField("search_id"), "search_id"),
        (lambda r: r.scope.ClearField("tenant"), "scope.tenant"),
        (lambda r: r.ClearField("query"), "query"),
        (lambda r: r.query.CopyFrom(tensors.to_message(np.zeros(384, np.float32))), "query"),
        (lambda r: r.query.CopyFrom(tensors.to_message(np.full(384, np.nan, np.float32))), "query"),
        (lambda r: r.ClearField("fingerprint"), "fingerprint"),
        (lambda r: r.search_time.FromDatetime(datetime(2026, 5, 1, 1)), "search_time"),
        (lambda r: r.events[0].ClearField("kind"), "events[0].kind"),
        (lambda r: r.events[0].ClearField("calibration_version"), "events[0].calibration_version"),
    ],
)
async def test_a_wrong_request_names_its_field_and_leaves_everything_as_it_was(served, change, field) -> None:
    (memory,) = new_ids(1)
    request = search("s1", {memory: 0.9})
    change(request)
    async with served() as ledger:
        await ledger.store(memory)
        with pytest.raises(InvalidInputError) as caught:
            await ledger.record(request)
        assert caught.value.field == field
        assert (await ledger.salience(memory)).salience[0].event_count == 0


async def test_salience_of_another_tenant_is_not_seen(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        await ledger.record(search("s1", {memory: 0.9}))
        reply = await ledger.salience(memory, tenant="other")
    assert list(reply.missing_ids) == [memory]


async def test_salience_outside_the_domains_of_the_scope_is_not_seen(served) -> None:
    inside, outside = new_ids(2)
    async with served() as ledger:
        await ledger.store(inside, domain="a")
        await ledger.store(outside, domain="b")
        scope = type_pb2.Scope(tenant="t", domains=["a"])
        reply = await call(
            ledger.stub.GetSalience, pb.GetSalienceRequest(scope=scope, memory_ids=[inside, outside]), deadline=Deadline.after(10)
        )
    assert [item.memory_id for item in reply.salience] == [inside]
    assert list(reply.missing_ids) == [outside]


async def test_a_full_disk_refuses_evidence_and_goes_on_reading(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        ledger.space.full = True
        with pytest.raises(DiskFullError):
            await ledger.record(search("s1", {memory: 0.9}))
        assert (await ledger.salience(memory)).salience[0].event_count == 0


async def test_one_question_repeated_for_ever_stays_within_its_bound(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        for number in range(60):
            await ledger.record(search(f"s{number}", {memory: 1.0}))
        found = (await ledger.salience(memory)).salience[0]
    assert found.event_count == 60
    assert found.log_odds < 1.4


async def test_time_brings_salience_back_to_the_prior(served) -> None:
    (memory,) = new_ids(1)
    async with served() as ledger:
        await ledger.store(memory)
        await ledger.record(search("s1", {memory: 1.0}))
        before = (await ledger.salience(memory)).salience[0]
        ledger.clock.advance(20 * 86_400)
        half = (await ledger.salience(memory)).salience[0]
        ledger.clock.advance(2_000 * 86_400)
        late = (await ledger.salience(memory)).salience[0]
    assert half.channels[0].evidence_for == pytest.approx(before.channels[0].evidence_for / 2)
    assert late.salience == pytest.approx(late.prior, abs=1e-6)
