"""Serves memories over gRPC: checks, calls, encodes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from grpc import aio

from atlas import deadlines
from atlas.clock import Clock
from atlas.errors import NotFoundError
from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import memory_pb2_grpc as rpc
from atlas.type.v1 import type_pb2

from ..admission import Admission
from ..filters import checked_filter
from ..generations.holds import WriteHolds
from ..limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, checked_id, checked_ids, checked_size
from ..persistence.durability import Durability, asked_durability
from ..persistence.free_space import FreeSpace
from ..persistence.replay import RequestKey, once
from ..persistence.writer import Acknowledged, Transaction, Writer, Written
from ..scopes import Scope, checked_scope
from ..search.analyzer import Analyzer
from ..search.candidates import CandidateFinder, SalienceOf
from ..search.query import Places
from ..sources.mover import SourceCalls
from ..store import Store
from .deletions import DeleteFound, DeleteIds, DeleteSource, Deletion, Forget
from .drafts import Draft
from .encoding import to_memory
from .page_tokens import checked_token, next_token
from .reading import MemoryReader, checked_place
from .replies import memory_message, query_answer, timing_message, upsert_answer
from .requests import checked_collection, checked_query, checked_selection, deletion_key, filter_of, page_binding, upsert_key
from .upserts import Rewritten, Upsert
from .validation import checked_deletions, checked_drafts

Context = aio.ServicerContext


class MemoryService(rpc.MemoryServiceServicer):
    """Stores memories and finds candidates."""

    def __init__(
        self,
        reader: MemoryReader,
        finder: CandidateFinder,
        writer: Writer,
        store: Store,
        *,
        analyzer: Analyzer,
        space: FreeSpace,
        clock: Clock,
        forget: Forget,
        rewritten: Rewritten,
        salience_of: SalienceOf,
        preparing: ThreadPoolExecutor,
        admission: Admission,
        places: Places,
        holds: WriteHolds,
        sources: SourceCalls,
    ) -> None:
        """Serves with what `__main__` built; `preparing` checks and analyzes batches beside the event loop."""
        self._reader = reader
        self._finder = finder
        self._writer = writer
        self._store = store
        self._analyzer = analyzer
        self._space = space
        self._clock = clock
        self._forget = forget
        self._rewritten = rewritten
        self._salience_of = salience_of
        self._preparing = preparing
        self._admission = admission
        self._places = places
        self._holds = holds
        self._sources = sources

    async def UpsertMemories(
        self, request: pb.UpsertMemoriesRequest, context: Context[pb.UpsertMemoriesRequest, pb.UpsertMemoriesResponse]
    ) -> pb.UpsertMemoriesResponse:
        """Writes memories, all or nothing."""
        begin_s = time.monotonic()
        scope = checked_scope(request.scope)
        durability = asked_durability(request.durability, default=Durability.POWER_LOSS)
        with self._admission.admitted(request.ByteSize()):
            done = await self._upsert(request, scope, durability)
        reply = pb.UpsertMemoriesResponse(durability=type_pb2.Durability.Name(durability))
        reply.MergeFromString(done.answer)
        reply.timing.CopyFrom(timing_message(queue_s=done.queue_s, total_s=time.monotonic() - begin_s))
        return reply

    async def GetMemory(
        self, request: pb.GetMemoryRequest, context: Context[pb.GetMemoryRequest, pb.GetMemoryResponse]
    ) -> pb.GetMemoryResponse:
        """Gives one memory by id."""
        scope = checked_scope(request.scope)
        memory_id = checked_id(request.memory_id, "memory_id")
        found = await self._reader.by_ids(scope, [memory_id], timeout_s=deadlines.current().remaining_s)
        if memory_id not in found:
            raise NotFoundError(f"memory {memory_id} does not exist", reason="MEMORY_NOT_FOUND", field="memory_id", memory_id=memory_id)
        known = (await self._salience_of(scope.tenant, [memory_id])).known
        return pb.GetMemoryResponse(memory=memory_message(found[memory_id], known))

    async def BatchGetMemories(
        self, request: pb.BatchGetMemoriesRequest, context: Context[pb.BatchGetMemoriesRequest, pb.BatchGetMemoriesResponse]
    ) -> pb.BatchGetMemoriesResponse:
        """Gives memories by id."""
        scope = checked_scope(request.scope)
        memory_ids = list(dict.fromkeys(checked_ids(request.memory_ids, "memory_ids")))
        found = await self._reader.by_ids(scope, memory_ids, timeout_s=deadlines.current().remaining_s)
        known = (await self._salience_of(scope.tenant, list(found))).known
        return pb.BatchGetMemoriesResponse(
            memories=[memory_message(found[one], known, without_text=request.without_text) for one in memory_ids if one in found],
            missing_ids=[one for one in memory_ids if one not in found],
        )

    async def ListMemories(
        self, request: pb.ListMemoriesRequest, context: Context[pb.ListMemoriesRequest, pb.ListMemoriesResponse]
    ) -> pb.ListMemoriesResponse:
        """Lists memories of a collection, page by page."""
        scope = checked_scope(request.scope)
        limit = checked_size(request.page_size, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)
        condition = filter_of(request)
        collection = await self._reader.collection(scope, checked_collection(request.collection))
        binding = page_binding(request, scope)
        place = checked_place(checked_token(request.page_token, binding), collection)
        page = await self._reader.listed(scope, collection, condition, limit=limit, place=place, timeout_s=deadlines.current().remaining_s)
        memories = [
            to_memory(
                point.memory_id,
                point.payload,
                collection=collection.name,
                generation=collection.generation,
                without_text=request.without_text,
            )
            for point in page.points
        ]
        following = None if page.next is None else f"{place.generation} {page.next}"
        reply = pb.ListMemoriesResponse(memories=memories, next_page_token=next_token(binding, following))
        if request.resolve_sources:
            ids, last = await self._sources.ids(scope.tenant, collection.name, request.resolve_sources, field="resolve_sources")
            reply.source_ids.update(ids)
            reply.last_move = last
        return reply

    async def MoveSource(
        self, request: pb.MoveSourceRequest, context: Context[pb.MoveSourceRequest, pb.MoveSourceResponse]
    ) -> pb.MoveSourceResponse:
        """Gives the memories of a source another one."""
        return await self._sources.move(request)

    async def ResolveSources(
        self, request: pb.ResolveSourcesRequest, context: Context[pb.ResolveSourcesRequest, pb.ResolveSourcesResponse]
    ) -> pb.ResolveSourcesResponse:
        """Gives the ids behind sources."""
        return await self._sources.resolve(request)

    async def CountMemories(
        self, request: pb.CountMemoriesRequest, context: Context[pb.CountMemoriesRequest, pb.CountMemoriesResponse]
    ) -> pb.CountMemoriesResponse:
        """Counts memories of a collection."""
        scope = checked_scope(request.scope)
        condition = filter_of(request)
        collection = await self._reader.collection(scope, checked_collection(request.collection))
        count = await self._reader.count(scope, collection, condition, timeout_s=deadlines.current().remaining_s)
        return pb.CountMemoriesResponse(memory_count=count)

    async def DeleteMemories(
        self, request: pb.DeleteMemoriesRequest, context: Context[pb.DeleteMemoriesRequest, pb.DeleteMemoriesResponse]
    ) -> pb.DeleteMemoriesResponse:
        """Deletes memories by ids, source or filter."""
        scope = checked_scope(request.scope)
        kind = checked_selection(request)
        key = deletion_key(request, scope)
        deletion = await self._deletion(request, kind, scope)
        durability = asked_durability(request.durability, default=Durability.POWER_LOSS)
        done = await self._write(_deleting(deletion), key, durability)
        reply = pb.DeleteMemoriesResponse(durability=type_pb2.Durability.Name(durability))
        reply.MergeFromString(done.answer)
        return reply

    async def QueryMemories(
        self, request: pb.QueryMemoriesRequest, context: Context[pb.QueryMemoriesRequest, pb.QueryMemoriesResponse]
    ) -> pb.QueryMemoriesResponse:
        """Finds the candidates of a query; changes nothing."""
        begin_s = time.monotonic()
        scope = checked_scope(request.scope)
        query = checked_query(request, scope, self._places)
        salience_of = None if request.salience_mode == type_pb2.SALIENCE_MODE_OFF else self._salience_of
        answer = await self._finder.find(query, timeout_s=deadlines.current().remaining_s, salience_of=salience_of)
        reply = query_answer(answer.candidates, answer.searched, answer.known)
        reply.timing.CopyFrom(timing_message(queue_s=0.0, total_s=time.monotonic() - begin_s))
        return reply

    async def _upsert(self, request: pb.UpsertMemoriesRequest, scope: Scope, durability: Durability) -> Acknowledged[bytes]:
        loop = asyncio.get_running_loop()
        drafts, deletions, key = await loop.run_in_executor(self._preparing, _prepared, request, scope, self._analyzer)
        await self._holds.passed(scope.tenant, {draft.content.collection for draft in drafts})
        expected = request.expected_last_move if request.HasField("expected_last_move") else None
        now_us = int(self._clock.now().timestamp() * 1e6)
        upsert = Upsert(scope, drafts, deletions, now_us, self._store.check, self._forget, self._rewritten, expected)
        return await self._write(_upserting(upsert), key, durability, item_count=len(drafts) + len(deletions))

    async def _deletion(self, request: pb.DeleteMemoriesRequest, kind: str, scope: Scope) -> Deletion:
        if kind == "ids":
            memory_ids = checked_ids(request.ids.memory_ids, "ids.memory_ids")
            return DeleteIds(scope, request.collection, memory_ids, self._forget)
        if kind == "source":
            return DeleteSource(scope, request.collection, request.source, self._forget)
        condition = checked_filter(request.filter)
        collection = await self._reader.collection(scope, request.collection)
        found = await self._reader.found(scope, collection, condition, timeout_s=deadlines.current().remaining_s)
        return DeleteFound(scope, found, self._forget)

    async def _write(
        self, work: Transaction[bytes], key: RequestKey, durability: Durability, *, item_count: int = 1
    ) -> Acknowledged[bytes]:
        self._space.check()
        deadline = deadlines.current()
        deadline.check("the write began")
        transaction = once(work, key, time_s=self._clock.now().timestamp())
        return await self._writer.submit(transaction, durability=durability, deadline=deadline, item_count=item_count)


def _prepared(request: pb.UpsertMemoriesRequest, scope: Scope, analyzer: Analyzer) -> tuple[list[Draft], list[str], RequestKey]:
    drafts = checked_drafts(request, scope, analyzer)
    deletions = checked_deletions(request, drafts)
    return drafts, deletions, upsert_key(request, drafts, deletions, scope)


def _upserting(upsert: Upsert) -> Transaction[bytes]:
    def run(connection: sqlite3.Connection, seq: int) -> Written[bytes]:
        upserted = upsert.run(connection, seq)
        return Written(upsert_answer(upserted), upserted.operations, upserted.adds_only)

    return run


def _deleting(deletion: Deletion) -> Transaction[bytes]:
    def run(connection: sqlite3.Connection, _: int) -> Written[bytes]:
        deleted = deletion.run(connection)
        return Written(pb.DeleteMemoriesResponse(deleted_count=deleted.count).SerializeToString(), deleted.operations)

    return run
