"""Memory's memories as the gateway reads, writes and queries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc.aio
import msgspec

from atlas import tensors
from atlas.channel import call
from atlas.deadlines import Deadline
from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import memory_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..memories import Durability, Evidence, EvidenceKind, Memory, MemoryPage, Pool, SalienceMode, Scope
from ..messages import evidence_value, memory_message, memory_value
from .embedder import Float32Array, QueryVector
from .filters import Restriction, filter_message, own_path
from .renaming import renamed
from .replies import ServerTime, reply_of, server_time

MOVED = "SOURCES_MOVED"
"""What memory says of ids that were derived from a source before it moved."""
MAX_IDS = 1_000
"""Most ids, writes or memories of one call."""


_POOLS: Mapping[int, Pool] = {0: Pool.CLEAN, **{int(pool): pool for pool in Pool}}


class Candidate(msgspec.Struct, frozen=True):
    """A memory that may answer the query."""

    memory: Memory
    """The memory."""
    evidence: tuple[Evidence, ...]
    """What each branch of the first stage measured."""
    lexical_strength: float | None
    """Normalised lexical evidence, [0, 1]; None without a lexical branch."""
    pool_score: float
    """Number that the pool is ordered by."""
    pool: Pool
    """Why it is in the pool."""
    pool_rank: int
    """Position in the pool, from 1."""
    propensity: float
    """Probability that it was put there, (0, 1]."""
    tokens: type_pb2.Tensor | None
    """Stored token vectors, passed on to the reranker as they came; None where there are none."""
    token_fingerprint: str
    """Fingerprint of the space of `tokens`."""
    salience_log_odds: float | None = None
    """Learnt worth in log-odds, all evidence; None where salience was not read."""
    outside_log_odds: float | None = None
    """The part of it that comes from outside the reranker; None where salience was not read."""

    @property
    def similarity(self) -> float | None:
        """Cosine of query and memory; None if the query had no vector."""
        return next((item.value for item in self.evidence if item.kind is EvidenceKind.SIMILARITY), None)


@dataclass(frozen=True, slots=True)
class Searched:
    """A collection as it was searched."""

    collection: str
    """Name."""
    memory_count: int
    """Memories in it, before any filter."""
    domain_known: bool
    """Whether it has the asked domain; True where none was asked for."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the first stage found."""

    candidates: tuple[Candidate, ...]
    """The clean pool by pool score, best first; then what salience brought in, then what chance did."""
    searched: tuple[Searched, ...]
    """Where it looked."""
    time: ServerTime
    """Where the time went."""


@dataclass(frozen=True, slots=True)
class Write:
    """A memory to store."""

    memory: Memory
    """What to store."""
    vector: Float32Array | None = None
    """Its DENSE vector [D]; None keeps the stored vectors of unchanged text."""
    fingerprint: str = ""
    """Fingerprint of the space of `vector`."""
    if_match: str = ""
    """Etag that the stored memory must have; empty: not checked."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    outcomes: tuple[int, ...]
    """One `WriteOutcome` a write, in their order."""
    durability: Durability
    """What the acknowledgement survives."""
    deleted_count: int
    """Memories that were deleted with it."""


@dataclass(frozen=True, slots=True)
class SourceIds:
    """What the ids of memories are derived from."""

    ids: Mapping[str, str]
    """Ids of those sources that have another id than themselves."""
    last_move: int | None
    """Number of the tenant's last move of a source; None if it was not asked."""

    def of(self, source: str) -> str:
        """Returns the id behind a source."""
        return self.ids.get(source, source)


NO_SOURCES = SourceIds({}, None)
"""Where nothing is stored, no source has another id than itself."""


class MemoryClient:
    """Calls memory's `MemoryService` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.MemoryServiceStub(channel)

    async def query(
        self,
        scope: Scope,
        text: str,
        vector: QueryVector | None,
        *,
        collections: Sequence[str],
        restriction: Restriction,
        candidate_count: int,
        salience_mode: SalienceMode,
        exploration_seed: str,
        deadline: Deadline,
    ) -> Stage:
        """Finds the candidates of a query; without a vector the pool is lexical. `exploration_seed` decides what chance brings in."""
        request = pb.QueryMemoriesRequest(
            scope=scope_message(scope),
            collections=collections,
            text=text,
            filter=filter_message(restriction),
            candidate_count=candidate_count,
            salience_mode=f"SALIENCE_MODE_{salience_mode.name}",
            with_tokens=True,
            exploration_seed=exploration_seed,
        )
        if vector is not None:
            request.vectors.extend(_named(one.vector, one.fingerprint) for one in (vector, *vector.others))
            request.query_fragmentation = vector.fragmentation
        with renamed(own_path(restriction), "filter"):
            reply = await call(self._stub.QueryMemories, request, deadline=deadline)
        with reply_of("memory"):
            return Stage(
                candidates=tuple(_candidate(message) for message in reply.candidates),
                searched=tuple(Searched(item.collection, item.memory_count, item.domain_known) for item in reply.searched),
                time=server_time(reply.timing),
            )

    async def upsert(
        self,
        scope: Scope,
        writes: Sequence[Write],
        *,
        durability: Durability,
        deadline: Deadline,
        delete_ids: Sequence[str] = (),
        request_id: str = "",
        last_move: int | None = None,
    ) -> Written:
        """Stores 1 to `MAX_IDS` memories and deletes others, all or nothing; none if a source moved since `last_move`."""
        request = pb.UpsertMemoriesRequest(
            scope=scope_message(scope),
            writes=[_write(write) for write in writes],
            request_id=request_id,
            durability=f"DURABILITY_{durability.name}",
            delete_memory_ids=delete_ids,
            expected_last_move=last_move,
        )
        reply = await call(self._stub.UpsertMemories, request, deadline=deadline)
        return Written(
            outcomes=tuple(result.outcome for result in reply.results),
            durability=Durability(reply.durability),
            deleted_count=reply.deleted_count,
        )

    async def get(self, scope: Scope, memory_id: str, *, deadline: Deadline) -> Memory:
        """Reads one memory with its salience."""
        request = pb.GetMemoryRequest(scope=scope_message(scope), memory_id=memory_id)
        reply = await call(self._stub.GetMemory, request, deadline=deadline)
        return memory_value(reply.memory)

    async def known(self, scope: Scope, memory_ids: Sequence[str], *, deadline: Deadline) -> dict[str, Memory]:
        """Reads those of the memories that are stored, without their texts; by id."""
        found: dict[str, Memory] = {}
        for begin in range(0, len(memory_ids), MAX_IDS):
            ids = memory_ids[begin : begin + MAX_IDS]
            request = pb.BatchGetMemoriesRequest(scope=scope_message(scope), memory_ids=ids, without_text=True)
            reply = await call(self._stub.BatchGetMemories, request, deadline=deadline)
            found.update((message.memory_id, memory_value(message)) for message in reply.memories)
        return found

    async def found(self, scope: Scope, memory_ids: Sequence[str], *, deadline: Deadline) -> tuple[dict[str, Memory], list[str]]:
        """Reads up to `MAX_IDS` memories with their texts, by id; also gives the ids that are not there."""
        request = pb.BatchGetMemoriesRequest(scope=scope_message(scope), memory_ids=memory_ids)
        reply = await call(self._stub.BatchGetMemories, request, deadline=deadline)
        return {message.memory_id: memory_value(message) for message in reply.memories}, list(reply.missing_ids)

    async def page(
        self,
        scope: Scope,
        collection: str,
        restriction: Restriction,
        *,
        deadline: Deadline,
        page_size: int = MAX_IDS,
        page_token: str = "",
        without_text: bool = True,
    ) -> MemoryPage:
        """Lists a page of a collection."""
        request = pb.ListMemoriesRequest(
            scope=scope_message(scope),
            collection=collection,
            filter=filter_message(restriction),
            page_size=page_size,
            page_token=page_token,
            without_text=without_text,
        )
        with renamed(own_path(restriction), "filter"):
            reply = await call(self._stub.ListMemories, request, deadline=deadline)
        return MemoryPage(tuple(memory_value(message) for message in reply.memories), reply.next_page_token)

    async def of_sources(
        self, scope: Scope, collection: str, sources: Sequence[str], *, deadline: Deadline
    ) -> tuple[list[Memory], SourceIds]:
        """Lists all memories of some sources, without their texts, and gives the ids behind the sources."""
        memories: list[Memory] = []
        request = pb.ListMemoriesRequest(
            scope=scope_message(scope),
            collection=collection,
            filter=filter_message(Restriction(sources=sources)),
            page_size=MAX_IDS,
            without_text=True,
            resolve_sources=sources,
        )
        found: SourceIds | None = None
        while True:
            reply = await call(self._stub.ListMemories, request, deadline=deadline)
            # The first page is the oldest: what moved since is noticed when the memories are written.
            found = found or SourceIds(dict(reply.source_ids), reply.last_move)
            memories.extend(memory_value(message) for message in reply.memories)
            request.page_token = reply.next_page_token
            if not request.page_token:
                return memories, found

    async def source_ids(self, scope: Scope, collection: str, sources: Sequence[str], *, deadline: Deadline) -> SourceIds:
        """Gives the ids behind sources."""
        request = pb.ResolveSourcesRequest(scope=scope_message(scope), collection=collection, sources=sources)
        reply = await call(self._stub.ResolveSources, request, deadline=deadline)
        return SourceIds(dict(reply.source_ids), reply.last_move)

    async def move_source(
        self, scope: Scope, collection: str, from_source: str, to_source: str, *, request_id: str, deadline: Deadline
    ) -> tuple[int, int]:
        """Gives the memories of a source another one; returns how many sources and memories that were."""
        request = pb.MoveSourceRequest(
            scope=scope_message(scope), collection=collection, from_source=from_source, to_source=to_source, request_id=request_id
        )
        reply = await call(self._stub.MoveSource, request, deadline=deadline)
        return reply.source_count, reply.memory_count

    async def delete_ids(
        self,
        scope: Scope,
        memory_ids: Sequence[str],
        *,
        deadline: Deadline,
        request_id: str = "",
        durability: Durability = Durability.POWER_LOSS,
    ) -> int:
        """Deletes memories by id; returns how many were there."""
        request = pb.DeleteMemoriesRequest(ids=pb.DeleteMemoriesRequest.Ids(memory_ids=memory_ids))
        return await self._delete(request, scope, request_id, durability, deadline)

    async def delete_source(self, scope: Scope, collection: str, source: str, *, deadline: Deadline, request_id: str = "") -> int:
        """Deletes all memories of a source; returns how many were there."""
        request = pb.DeleteMemoriesRequest(collection=collection, source=source)
        return await self._delete(request, scope, request_id, Durability.POWER_LOSS, deadline)

    async def delete_matching(
        self, scope: Scope, collection: str, restriction: Restriction, *, deadline: Deadline, request_id: str = ""
    ) -> int:
        """Deletes all memories that match; returns how many there were."""
        request = pb.DeleteMemoriesRequest(collection=collection, filter=filter_message(restriction))
        return await self._delete(request, scope, request_id, Durability.POWER_LOSS, deadline)

    async def _delete(
        self, request: pb.DeleteMemoriesRequest, scope: Scope, request_id: str, durability: Durability, deadline: Deadline
    ) -> int:
        options = pb.DeleteMemoriesRequest(scope=scope_message(scope), request_id=request_id, durability=f"DURABILITY_{durability.name}")
        request.MergeFrom(options)
        reply = await call(self._stub.DeleteMemories, request, deadline=deadline)
        return reply.deleted_count


def scope_message(scope: Scope) -> type_pb2.Scope:
    """Returns the message of a scope."""
    return type_pb2.Scope(tenant=scope.tenant, principal=scope.principal, domains=scope.domains)


def _named(vector: Float32Array, fingerprint: str) -> type_pb2.NamedVector:
    return type_pb2.NamedVector(space="dense", fingerprint=fingerprint, dense=tensors.to_message(vector))


def _write(write: Write) -> pb.MemoryWrite:
    vectors = [] if write.vector is None else [_named(write.vector, write.fingerprint)]
    return pb.MemoryWrite(memory=memory_message(write.memory), vectors=vectors, if_match=write.if_match)


def _candidate(message: pb.Candidate) -> Candidate:
    return Candidate(
        memory=memory_value(message.memory),
        evidence=tuple(evidence_value(item) for item in message.evidence),
        lexical_strength=message.lexical_strength if message.HasField("lexical_strength") else None,
        pool_score=message.pool_score,
        pool=_POOLS.get(message.pool) or Pool(message.pool),
        pool_rank=message.pool_rank,
        propensity=message.propensity or 1.0,
        tokens=message.tokens if message.HasField("tokens") else None,
        token_fingerprint=message.token_fingerprint,
        salience_log_odds=message.salience_log_odds if message.HasField("salience_log_odds") else None,
        outside_log_odds=message.outside_log_odds if message.HasField("outside_log_odds") else None,
    )
