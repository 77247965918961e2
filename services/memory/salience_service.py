"""Serves the ledger over gRPC: checks what callers report, keeps policy out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from atlas import tensors
from atlas.clock import Clock
from atlas.errors import InvalidInputError
from atlas.memory.v1 import salience_pb2 as pb
from atlas.memory.v1 import salience_pb2_grpc as rpc
from atlas.query_buckets import bucket_of
from atlas.type.v1 import salience_pb2 as common_pb2
from atlas.type.v1 import type_pb2

from . import free_space, ledger
from .database import Database
from .durability import Durability, asked_durability
from .limits import check_count, checked_id, checked_ids
from .salience import SalienceRule
from .scopes import checked_scope, checked_tenant

MAX_POOL = 400
"""Most pool members and most events of one search: twice the largest clean pool."""
MAX_SEARCH_ID_BYTES = 128
MAX_AHEAD_S = 300.0
"""How far the clock of a caller may be ahead, in seconds."""


class SalienceService(rpc.SalienceServiceServicer):
    """Records evidence and reads salience."""

    def __init__(self, database: Database, *, rule: SalienceRule, clock: Clock, space: free_space.FreeSpace) -> None:
        self._database = database
        self._rule = rule
        self._clock = clock
        self._space = space

    async def RecordEvents(
        self, request: pb.RecordEventsRequest, context: aio.ServicerContext[pb.RecordEventsRequest, pb.RecordEventsResponse]
    ) -> pb.RecordEventsResponse:
        """Records an impression and its evidence in one transaction."""
        begin = time.monotonic()
        tenant = checked_tenant(request.scope)
        impression = self._impression(tenant, request)
        events, refused = _checked_events(request.events)
        durability = asked_durability(request.durability, default=Durability.PROCESS_CRASH)
        self._space.check()
        rule = self._rule
        recorded = await self._database.write(lambda connection: ledger.record(connection, impression, events, rule), durability=durability)
        reply = pb.RecordEventsResponse(accepted_count=recorded.accepted, duplicate_count=recorded.duplicate)
        lasting = durability is Durability.POWER_LOSS
        reply.durability = type_pb2.DURABILITY_POWER_LOSS if lasting else type_pb2.DURABILITY_PROCESS_CRASH
        reply.rejected.extend(pb.RejectedEvent(memory_id=memory_id, reason=reason) for memory_id, reason in (*refused, *recorded.rejected))
        elapsed = time.monotonic() - begin
        reply.timing.compute.FromNanoseconds(int(elapsed * 1e9))
        reply.timing.total.FromNanoseconds(int(elapsed * 1e9))
        return reply

    async def GetSalience(
        self, request: pb.GetSalienceRequest, context: aio.ServicerContext[pb.GetSalienceRequest, pb.GetSalienceResponse]
    ) -> pb.GetSalienceResponse:
        """Reads the salience of memories."""
        scope = checked_scope(request.scope)
        memory_ids = checked_ids(request.memory_ids, "memory_ids")
        found = await self.salience_of(scope.tenant, memory_ids)
        known = {memory_id: salience for memory_id, salience in found.items() if scope.covers(salience.domain)}
        return pb.GetSalienceResponse(
            salience=[_message(memory_id, known[memory_id]) for memory_id in memory_ids if memory_id in known],
            missing_ids=[memory_id for memory_id in memory_ids if memory_id not in known],
        )

    async def salience_of(self, tenant: str, memory_ids: Sequence[str]) -> Mapping[str, ledger.KnownSalience]:
        """Reads the salience of stored memories now; unknown ids are left out."""
        now_s, rule = self._clock.now().timestamp(), self._rule
        return await self._database.read(lambda connection: ledger.read(connection, tenant, memory_ids, now_s, rule))

    def _impression(self, tenant: str, request: pb.RecordEventsRequest) -> ledger.Impression:
        if not 1 <= len(request.search_id.encode()) <= MAX_SEARCH_ID_BYTES:
            raise InvalidInputError(
                f"search_id holds {len(request.search_id.encode())} bytes; 1 to {MAX_SEARCH_ID_BYTES} are allowed",
                field="search_id",
                max_bytes=MAX_SEARCH_ID_BYTES,
            )
        check_count(len(request.pool), "pool", least=0, most=MAX_POOL)
        check_count(len(request.events), "events", least=0, most=MAX_POOL)
        return ledger.Impression(
            tenant=tenant,
            search_id=request.search_id,
            principal=request.scope.principal,
            time_s=self._search_time(request),
            bucket=_bucket(request),
            fingerprint=request.fingerprint,
            pool=_checked_pool(request.pool),
        )

    def _search_time(self, request: pb.RecordEventsRequest) -> float:
        now_s = self._clock.now().timestamp()
        if not request.HasField("search_time"):
            return now_s
        time_s = request.search_time.ToNanoseconds() / 1e9
        if time_s > now_s + MAX_AHEAD_S:
            raise InvalidInputError(
                f"search_time is {time_s - now_s:.0f} s ahead of the server; at most {MAX_AHEAD_S:.0f} s are allowed",
                field="search_time",
                max_ahead_s=MAX_AHEAD_S,
            )
        return time_s


def _bucket(request: pb.RecordEventsRequest) -> int | None:
    if not request.HasField("query"):
        if request.events:
            raise InvalidInputError("query is missing; events need the query's vector", field="query")
        return None
    query = tensors.to_array(request.query, field="query", dtype=np.float32, ndim=1)
    tensors.check_finite(query, field="query")
    if not request.fingerprint:
        raise InvalidInputError("fingerprint is missing; a query vector needs it", field="fingerprint")
    if query.size == 0 or not query.any():
        raise InvalidInputError("query is a zero vector", field="query")
    return bucket_of(query)


def _checked_pool(entries: Sequence[pb.PoolEntry]) -> tuple[ledger.PoolMember, ...]:
    pool: dict[str, ledger.PoolMember] = {}
    for index, entry in enumerate(entries):
        member = _member(entry, index)
        # Were it there twice, the kinder of its two places would decide whether its evidence counts.
        if member.memory_id in pool:
            raise InvalidInputError(
                f"pool[{index}].memory_id {member.memory_id} is in the pool already; no id may come twice",
                field=f"pool[{index}].memory_id",
                memory_id=member.memory_id,
            )
        pool[member.memory_id] = member
    return tuple(pool.values())


def _member(entry: pb.PoolEntry, index: int) -> ledger.PoolMember:
    rank, propensity = entry.rank, entry.propensity
    if rank < 0:
        field = f"pool[{index}].rank"
        raise InvalidInputError(f"{field} is {rank}; it counts from 1", field=field, value=rank)
    if not 0.0 <= propensity <= 1.0:  # NaN is not in the range either
        field = f"pool[{index}].propensity"
        raise InvalidInputError(f"{field} is {propensity}; 0 to 1 are allowed", field=field, value=propensity)
    clean = entry.pool in (type_pb2.POOL_UNSPECIFIED, type_pb2.POOL_CLEAN)
    memory_id = checked_id(entry.memory_id, f"pool[{index}].memory_id")
    return ledger.PoolMember(memory_id, entry.collection, entry.generation, clean, rank, propensity or 1.0)


def _checked_events(events: Sequence[pb.Event]) -> tuple[list[ledger.NewEvent], list[tuple[str, str]]]:
    checked: list[ledger.NewEvent] = []
    refused: list[tuple[str, str]] = []
    for index, event in enumerate(events):
        if event.kind != common_pb2.EVENT_KIND_RERANK:
            raise InvalidInputError(
                f"events[{index}].kind is {event.kind}; RERANK is allowed", field=f"events[{index}].kind", kind=event.kind
            )
        if not event.calibration_version:
            raise InvalidInputError(f"events[{index}].calibration_version is missing", field=f"events[{index}].calibration_version")
        if not (math.isfinite(event.raw_score) and math.isfinite(event.relevance)):
            refused.append((event.memory_id, "NOT_FINITE"))
        elif not 0.0 <= event.relevance <= 1.0:
            refused.append((event.memory_id, "OUT_OF_RANGE"))
        else:
            checked.append(
                ledger.NewEvent(
                    event.memory_id.lower(),
                    event.kind,
                    event.raw_score,
                    event.score_kind,
                    event.relevance,
                    event.calibration_version,
                    event.rank_before_salience,
                )
            )
    return checked, refused


def _message(memory_id: str, known: ledger.KnownSalience) -> common_pb2.Salience:
    reading = known.reading
    last = None
    if known.last_retrieved_s is not None:
        last = Timestamp()
        last.FromNanoseconds(int(known.last_retrieved_s * 1e9))
    return common_pb2.Salience(
        memory_id=memory_id,
        salience=reading.salience,
        prior=reading.prior,
        log_odds=reading.log_odds,
        channels=[
            common_pb2.ChannelSalience(
                channel=common_pb2.SALIENCE_CHANNEL_PASSIVE,
                mean=reading.salience,
                prior=reading.prior,
                log_odds=reading.log_odds,
                evidence_for=reading.evidence_for,
                evidence_against=reading.evidence_against,
                event_count=known.event_count,
            )
        ],
        event_count=known.event_count,
        last_retrieved=last,
    )
