"""A real memory service with a clock that tests move, and short ways to its ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from atlas import tensors
from atlas.clock import FakeClock
from atlas.memory.v1 import memory_pb2
from atlas.memory.v1 import salience_pb2 as pb
from atlas.type.v1 import salience_pb2, type_pb2
from tests.rpc.memory_part import TIMEOUT_S, Memory, create, id_of, memory_service, upsert, write

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY_S = 86_400.0
CALIBRATION = "minilm-maxsim-1"
QUERY = np.random.RandomState(1).standard_normal(384).astype(np.float32)
CLEAN, EXTENDED, EXPLORE = type_pb2.POOL_CLEAN, type_pb2.POOL_EXTENDED, type_pb2.POOL_EXPLORE
RERANK, USED, EXPLICIT, OUTCOME, PIN = (
    salience_pb2.EVENT_KIND_RERANK,
    salience_pb2.EVENT_KIND_USED,
    salience_pb2.EVENT_KIND_EXPLICIT,
    salience_pb2.EVENT_KIND_OUTCOME,
    salience_pb2.EVENT_KIND_PIN,
)
SYSTEM = salience_pb2.SOURCE_CLASS_SYSTEM


class Ledger:
    """The ledger of a running memory service."""

    def __init__(self, memory: Memory, clock: FakeClock) -> None:
        self.memory, self.clock = memory, clock
        self.generations: dict[str, str] = {}

    async def store(self, *names: str, tenant: str = "acme", domain: str = "", text: str = "a note about {}") -> list[str]:
        """Stores memories and returns their ids; the same names are the same memories."""
        if tenant not in self.generations:
            created = await create(self.memory, tenant=tenant)
            self.generations[tenant] = created.collection.generation.generation
        writes = [write(f"{tenant}/{name}", text.format(name), domain=domain) for name in names]
        await self.memory.memories.UpsertMemories(upsert(*writes, tenant=tenant), timeout=TIMEOUT_S)
        return [id_of(f"{tenant}/{name}") for name in names]

    async def forget(self, *memory_ids: str, tenant: str = "acme") -> None:
        request = memory_pb2.DeleteMemoriesRequest(
            scope=type_pb2.Scope(tenant=tenant), ids=memory_pb2.DeleteMemoriesRequest.Ids(memory_ids=memory_ids)
        )
        await self.memory.memories.DeleteMemories(request, timeout=TIMEOUT_S)

    async def record(self, request: pb.RecordEventsRequest) -> pb.RecordEventsResponse:
        return await self.memory.salience.RecordEvents(request, timeout=TIMEOUT_S)

    async def feedback(
        self, search_id: str, values: Mapping[str, float], kind: int = EXPLICIT, *, caller: type_pb2.Scope | None = None, **fields: Any
    ) -> pb.RecordFeedbackResponse:
        request = pb.RecordFeedbackRequest(
            scope=caller or scope(),
            search_id=search_id,
            feedback=[pb.Feedback(memory_id=one, kind=kind, value=value) for one, value in values.items()],
            **fields,
        )
        return await self.memory.salience.RecordFeedback(request, timeout=TIMEOUT_S)

    async def salience(self, *memory_ids: str, caller: type_pb2.Scope | None = None) -> list[salience_pb2.Salience]:
        request = pb.GetSalienceRequest(scope=caller or scope(), memory_ids=memory_ids)
        return list((await self.memory.salience.GetSalience(request, timeout=TIMEOUT_S)).salience)

    async def explain(self, memory_id: str, caller: type_pb2.Scope | None = None) -> salience_pb2.SalienceExplanation:
        request = pb.ExplainSalienceRequest(scope=caller or scope(), memory_id=memory_id)
        return (await self.memory.salience.ExplainSalience(request, timeout=TIMEOUT_S)).explanation

    async def digest(self, *, verify: bool = True, caller: type_pb2.Scope | None = None) -> salience_pb2.StateDigest:
        request = pb.GetStateDigestRequest(scope=caller or scope(), verify=verify)
        return (await self.memory.salience.GetStateDigest(request, timeout=TIMEOUT_S)).digest

    async def revoke(
        self, *, caller: type_pb2.Scope | None = None, dry_run: bool = False, request_id: str = "", **conditions: Any
    ) -> salience_pb2.Revocation:
        selector = salience_pb2.EventSelector(**conditions)
        request = pb.RevokeEventsRequest(scope=caller or scope(), selector=selector, dry_run=dry_run, request_id=request_id)
        return (await self.memory.salience.RevokeEvents(request, timeout=TIMEOUT_S)).revocation

    async def rebuild(self, *, recalibrate: bool = False, caller: type_pb2.Scope | None = None) -> pb.RebuildSalienceResponse:
        request = pb.RebuildSalienceRequest(scope=caller or scope(), recalibrate=recalibrate)
        return await self.memory.salience.RebuildSalience(request, timeout=TIMEOUT_S)

    async def erase(self, *, caller: type_pb2.Scope | None = None, request_id: str = "", **selection: Any) -> pb.EraseResponse:
        request = pb.EraseRequest(scope=caller or scope(), selection=salience_pb2.ErasureSelection(**selection), request_id=request_id)
        return await self.memory.salience.Erase(request, timeout=TIMEOUT_S)

    async def impression(self, search_id: str, caller: type_pb2.Scope | None = None) -> pb.GetImpressionResponse:
        return await self.memory.salience.GetImpression(
            pb.GetImpressionRequest(scope=caller or scope(), search_id=search_id), timeout=TIMEOUT_S
        )


@asynccontextmanager
async def ledger_service(folder: Path, *, clock: FakeClock | None = None, **settings: Any) -> AsyncIterator[Ledger]:
    """Serves from `folder` for the length of the block; a projection waits until a test asks for it."""
    clock = clock or FakeClock(START)
    async with memory_service(folder, clock=clock, **{"projection_interval_ms": 600_000, **settings}) as memory:
        yield Ledger(memory, clock)


def scope(tenant: str = "acme", principal: str = "anna", domains: Sequence[str] = ()) -> type_pb2.Scope:
    return type_pb2.Scope(tenant=tenant, principal=principal, domains=domains)


def search(
    search_id: str,
    scores: Mapping[str, float],
    *,
    query: np.ndarray = QUERY,
    pool: Mapping[str, int] | None = None,
    caller: type_pb2.Scope | None = None,
    propensity: float = 1.0,
    **fields: Any,
) -> pb.RecordEventsRequest:
    """A search with its evidence; the pool is what was scored, all clean, unless another is given."""
    pools = pool if pool is not None else dict.fromkeys(scores, CLEAN)
    return pb.RecordEventsRequest(
        scope=caller or scope(),
        search_id=search_id,
        query=tensors.to_message(query),
        fingerprint="f",
        pool=[
            pb.PoolEntry(
                memory_id=one,
                collection="notes",
                pool=kind,
                rank=place,
                propensity=propensity if kind == EXPLORE else 1.0,
                result_rank=place,
            )
            for place, (one, kind) in enumerate(pools.items(), start=1)
        ],
        events=[
            pb.Event(
                memory_id=one,
                kind=RERANK,
                raw_score=value,
                score_kind=type_pb2.SCORE_KIND_MAXSIM,
                relevance=value,
                calibration_version=CALIBRATION,
                rank_before_salience=list(pools).index(one) + 1 if one in pools else 0,
            )
            for one, value in scores.items()
        ],
        **fields,
    )


def query_of(number: int) -> np.ndarray:
    """One of many queries of different kinds."""
    return np.random.RandomState(number).standard_normal(384).astype(np.float32)
