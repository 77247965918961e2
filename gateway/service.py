"""The gateway's RPCs: check, call, encode."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from grpc import aio

from atlas import deadlines
from atlas.deadlines import Deadline
from atlas.errors import AtlasError, InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.gateway.v1 import gateway_pb2_grpc as rpc
from atlas.ranking import MINILM_MAXSIM

from . import learning, replies, requests
from .answers import Answer, SearchQuery
from .clients import CollectionClient, LedgerClient, MemoryClient, Restriction, SalienceClient
from .clients.renaming import below
from .ingest import Ingester, Item
from .learning import Eraser, UsageReporter
from .memories import Durability, Scope
from .messages import memory_message
from .remember import Rememberer
from .search import Searcher
from .search_metrics import SearchMetrics
from .server_state import FEATURES, ServerState
from .settings import GatewaySettings
from .steps import Patiently, WithinDeadline
from .timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Parts:
    """What the RPCs call."""

    searcher: Searcher
    """Answers queries."""
    salience: SalienceClient
    """Memory's ledger, written to."""
    ledger: LedgerClient
    """Memory's ledger, read and administered."""
    usage: UsageReporter
    """Measures what answers used."""
    eraser: Eraser
    """Erases for good."""
    rememberer: Rememberer
    """Remembers texts."""
    ingester: Ingester
    """Ingests documents."""
    memory: MemoryClient
    """Memory's memories."""
    collections: CollectionClient
    """Memory's collections."""
    state: ServerState
    """What serves."""


class GatewayService(rpc.GatewayServiceServicer):
    """Searches, remembers and ingests."""

    def __init__(self, parts: Parts, settings: GatewaySettings, *, metrics: SearchMetrics, monotonic: Callable[[], float]) -> None:
        self._parts = parts
        self._settings = settings
        self._metrics = metrics
        self._monotonic = monotonic
        self._limits = requests.SearchLimits(
            candidate_count=settings.candidate_count, result_count=settings.result_count, max_query_bytes=settings.max_query_bytes
        )

    async def Search(
        self, request: pb.SearchRequest, context: aio.ServicerContext[pb.SearchRequest, pb.SearchResponse]
    ) -> pb.SearchResponse:
        """Answers a query."""
        watch = Stopwatch(self._monotonic)
        query, scope, deadline = self._asked(request, context)
        answer = await self._parts.searcher.search(query, scope, deadline=deadline, watch=watch)
        response = replies.search_response(answer, watch, logits_per_unit=MINILM_MAXSIM.logits_per_unit)
        self._metrics.count(answer, watch.stages)
        return response

    async def SearchStream(
        self, request: pb.SearchStreamRequest, context: aio.ServicerContext[pb.SearchStreamRequest, pb.SearchStreamResponse]
    ) -> AsyncGenerator[pb.SearchStreamResponse]:
        """Answers a query in steps."""
        watch = Stopwatch(self._monotonic)
        with below("search"):
            query, scope, deadline = self._asked(request.search, context)
            async with aclosing(self._parts.searcher.steps(query, scope, deadline=deadline, watch=watch)) as steps:
                async for step in steps:
                    if isinstance(step, Answer):
                        self._metrics.count(step, watch.stages)
                    yield replies.search_step(step, watch, logits_per_unit=MINILM_MAXSIM.logits_per_unit)

    async def Feedback(
        self, request: pb.FeedbackRequest, context: aio.ServicerContext[pb.FeedbackRequest, pb.FeedbackResponse]
    ) -> pb.FeedbackResponse:
        """Says what hits of an earlier search were worth."""
        said = learning.feedback_of(request)
        given = await self._parts.salience.give(
            self._scope(said.caller.principal),
            said.search_id,
            said.pieces,
            source_class=said.caller.source_class,
            durability=said.durability,
            deadline=deadlines.current(),
        )
        return learning.feedback_response(given)

    async def ReportUsage(
        self, request: pb.ReportUsageRequest, context: aio.ServicerContext[pb.ReportUsageRequest, pb.ReportUsageResponse]
    ) -> pb.ReportUsageResponse:
        """Measures which hits of an earlier search an answer used."""
        asked = learning.usage_of(request, max_query_bytes=self._settings.max_query_bytes)
        scope = self._scope(asked.caller.principal)
        report = await self._parts.usage.report(asked, scope, deadline=deadlines.current())
        return learning.usage_response(report)

    async def Remember(
        self, request: pb.RememberRequest, context: aio.ServicerContext[pb.RememberRequest, pb.RememberResponse]
    ) -> pb.RememberResponse:
        """Stores texts."""
        texts = requests.new_memories(request, default_collection=self._settings.collection)
        durability = requests.durability(request.durability, default=Durability.POWER_LOSS)
        steps = WithinDeadline(deadlines.current())
        remembered = await self._parts.rememberer.remember(
            texts, self._scope(), steps, request_id=request.request_id, durability=durability
        )
        return replies.remember_response(remembered, durability)

    async def Ingest(
        self, request_iterator: AsyncIterator[pb.IngestRequest], context: aio.ServicerContext[pb.IngestRequest, pb.IngestResponse]
    ) -> AsyncGenerator[pb.IngestResponse]:
        """Stores documents as they come."""
        messages = aiter(request_iterator)
        first = await anext(messages, None)
        if first is None:
            return
        options = requests.stream_options(first, default_collection=self._settings.collection)
        steps = Patiently(step_s=self._settings.step_deadline_ms / 1_000, patience_s=self._settings.patience_ms / 1_000)
        items = _items(first, messages)
        async with aclosing(self._parts.ingester.ingest(items, options, self._scope(), steps)) as acknowledgements:
            async for acknowledgement in acknowledgements:
                yield replies.ingest_response(acknowledgement, options.durability)

    async def GetMemory(
        self, request: pb.GetMemoryRequest, context: aio.ServicerContext[pb.GetMemoryRequest, pb.GetMemoryResponse]
    ) -> pb.GetMemoryResponse:
        """Gives one memory."""
        memory_id = requests.check_memory_id(request.memory_id)
        memory = await self._parts.memory.get(self._scope(), memory_id, deadline=deadlines.current())
        return pb.GetMemoryResponse(memory=memory_message(memory))

    async def ListMemories(
        self, request: pb.ListMemoriesRequest, context: aio.ServicerContext[pb.ListMemoriesRequest, pb.ListMemoriesResponse]
    ) -> pb.ListMemoriesResponse:
        """Lists memories of a collection."""
        requests.check_size("domain", request.domain)
        page = await self._parts.memory.page(
            self._scope(),
            request.collection or self._settings.collection,
            Restriction(filter=request.filter if request.HasField("filter") else None, domain=request.domain),
            page_size=requests.page_size(request.page_size),
            page_token=request.page_token,
            without_text=request.without_text,
            deadline=deadlines.current(),
        )
        return pb.ListMemoriesResponse(memories=[memory_message(memory) for memory in page.memories], next_page_token=page.next_page_token)

    async def DeleteMemories(
        self, request: pb.DeleteMemoriesRequest, context: aio.ServicerContext[pb.DeleteMemoriesRequest, pb.DeleteMemoriesResponse]
    ) -> pb.DeleteMemoriesResponse:
        """Deletes memories by ids, source or filter."""
        requests.check_request_id(request.request_id)
        return pb.DeleteMemoriesResponse(deleted_count=await self._deleted_count(request))

    async def ListCollections(
        self, request: pb.ListCollectionsRequest, context: aio.ServicerContext[pb.ListCollectionsRequest, pb.ListCollectionsResponse]
    ) -> pb.ListCollectionsResponse:
        """Lists the collections."""
        page = await self._parts.collections.page(
            self._scope(), page_size=requests.page_size(request.page_size), page_token=request.page_token, deadline=deadlines.current()
        )
        return pb.ListCollectionsResponse(
            collections=[replies.collection_message(item) for item in page.collections], next_page_token=page.next_page_token
        )

    async def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: aio.ServicerContext[pb.DeleteCollectionRequest, pb.DeleteCollectionResponse]
    ) -> pb.DeleteCollectionResponse:
        """Deletes a collection with its memories."""
        requests.check_request_id(request.request_id)
        count = await self._parts.collections.delete(
            self._scope(), request.name, request.confirm_name, request_id=request.request_id, deadline=deadlines.current()
        )
        return pb.DeleteCollectionResponse(memory_count=count)

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: aio.ServicerContext[pb.GetServerInfoRequest, pb.GetServerInfoResponse]
    ) -> pb.GetServerInfoResponse:
        """Says what serves."""
        settings = self._settings
        parts = await self._parts.state.parts(deadline=deadlines.current().child(cap_s=settings.part_check_ms / 1_000))
        return pb.GetServerInfoResponse(
            version=version("atlas-memory"),
            profile=settings.profile.value,
            parts=[replies.part_message(part) for part in parts],
            limits=pb.Limits(
                max_message_bytes=settings.max_message_bytes,
                max_query_tokens=max(part.max_query_tokens for part in parts),
                max_candidate_count=requests.MAX_CANDIDATE_COUNT,
                max_remember_count=requests.MAX_REMEMBER_COUNT,
                default_deadline_seconds=settings.search_deadline_ms / 1_000,
            ),
            features=FEATURES,
        )

    async def _deleted_count(self, request: pb.DeleteMemoriesRequest) -> int:
        memory, scope, deadline = self._parts.memory, self._scope(), deadlines.current()
        collection = request.collection or self._settings.collection
        match request.WhichOneof("selection"):
            case "ids":
                ids = [
                    requests.check_memory_id(value, path=f"ids.memory_ids[{index}]") for index, value in enumerate(request.ids.memory_ids)
                ]
                return await memory.delete_ids(scope, ids, request_id=request.request_id, deadline=deadline)
            case "source":
                return await memory.delete_source(scope, collection, request.source, request_id=request.request_id, deadline=deadline)
            case "filter":
                matching = Restriction(filter=request.filter)
                return await memory.delete_matching(scope, collection, matching, request_id=request.request_id, deadline=deadline)
            case _:
                raise InvalidInputError("selection is missing: one of ids, source and filter says what to delete", field="selection")

    def _asked(self, request: pb.SearchRequest, context: aio.ServicerContext[Any, Any]) -> tuple[SearchQuery, Scope, Deadline]:
        default_s = self._settings.search_deadline_ms / 1_000 if context.time_remaining() is None else None
        query = requests.search_query(request, self._limits, new_id=lambda: str(uuid4()), default_deadline_s=default_s)
        return query, self._scope(request.caller.principal), deadlines.current().child(cap_s=default_s)

    def _scope(self, principal: str = "") -> Scope:
        # Without access control everybody is the one tenant of the settings, and sees all of it.
        return Scope(tenant=self._settings.tenant, principal=principal)


async def _items(first: pb.IngestRequest, messages: AsyncIterator[pb.IngestRequest]) -> AsyncIterator[Item]:
    yield _item(first)
    async for message in messages:
        yield _item(message)


def _item(message: pb.IngestRequest) -> Item:
    source = message.document.source
    try:
        return Item(message.sequence, source, requests.document(message.document))
    except AtlasError as error:
        # One wrong document must not end the stream.
        return Item(message.sequence, source, None, error)
