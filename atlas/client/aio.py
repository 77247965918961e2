"""The client for asyncio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack

import grpc

from atlas.channel import call, open_replies, open_stream
from atlas.deadlines import Deadline
from atlas.documents import Document, JsonValue
from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb

from . import administration, reading, results, snapshots, writes
from .learning import LearningCalls
from .writes import Durability, MemoryInput

DEFAULT_SERVER = "127.0.0.1:50050"
DAY_S = 24 * 3600.0
"""Longest that an ingest takes, in seconds, unless its caller says otherwise."""


class AsyncAtlas(LearningCalls):
    """Talks to one gateway.

    Every method raises a subclass of `atlas.errors.AtlasError` and takes at most `timeout_s`. Use it as an async context
    manager, in one event loop.
    """

    def __init__(self, server: str = DEFAULT_SERVER, *, timeout_s: float = 30.0) -> None:
        """Connects on the first call.

        Args:
            server: Address of the gateway, `HOST:PORT`.
            timeout_s: Most seconds that a call may take, unless the call says otherwise.
        """
        super().__init__(server, timeout_s=timeout_s)
        self.administration = administration.AsyncAdministration(self, timeout_s=timeout_s)
        """What an operator asks: migrations and operations."""
        self.snapshots = snapshots.AsyncSnapshots(self, timeout_s=timeout_s)
        """Snapshots of the whole memory."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def search(self, query: str, *, timeout_s: float | None = None, **options: Unpack[writes.SearchOptions]) -> results.SearchResult:
        """Answers a query with the best memories.

        Args:
            query: What to look for.
            timeout_s: Most seconds for this call.
            **options: See `SearchOptions`.
        """
        request = writes.search_request(query, **options)
        return reading.search_result(await call(self._stub.Search, request, deadline=self._deadline(timeout_s)))

    async def search_stream(
        self, query: str, *, timeout_s: float | None = None, **options: Unpack[writes.SearchOptions]
    ) -> AsyncGenerator[results.SearchPool | results.SearchResults | results.SearchSummary]:
        """Answers a query in steps: the pool, the results, then what was written back and where the time went.

        Options are those of `search`. A caller that leaves after the results has its search recorded all the same.
        """
        request = pb.SearchStreamRequest(search=writes.search_request(query, **options))
        async with open_replies(self._stub.SearchStream, request, deadline=self._deadline(timeout_s)) as replies:
            async for reply in replies:
                yield reading.search_step(reply)

    async def remember(
        self,
        *memories: MemoryInput | str,
        request_id: str = "",
        durability: Durability = Durability.POWER_LOSS,
        timeout_s: float | None = None,
    ) -> tuple[results.Remembered, ...]:
        """Stores texts; they are findable when the call returns.

        Args:
            *memories: The texts, 1 to 100.
            request_id: Your id of this request, at most 128 bytes; a replay gives the first answer.
            durability: What the return must survive.
            timeout_s: Most seconds for this call.
        """
        items = [MemoryInput(item) if isinstance(item, str) else item for item in memories]
        with writes.request_made():
            request = pb.RememberRequest(
                memories=[writes.new_memory(item) for item in items], request_id=request_id, durability=durability.value
            )
        reply = await call(self._stub.Remember, request, deadline=self._deadline(timeout_s))
        return tuple(reading.remembered(item) for item in reply.memories)

    async def ingest(
        self,
        documents: Iterable[Document] | AsyncIterator[Document],
        *,
        collection: str = "",
        in_search_all: bool = True,
        timeout_s: float = DAY_S,
    ) -> AsyncGenerator[results.Acknowledgement]:
        """Stores documents as they come and gives one acknowledgement each, in order.

        A document that fails says so in its acknowledgement; the others go on. Sending everything again after an interruption is safe:
        unchanged chunks cost no embedding. A document with empty text removes its source.
        """
        async with open_stream(self._stub.Ingest, deadline=Deadline.after(timeout_s)) as stream:
            sending = asyncio.create_task(_send(stream, documents, collection, in_search_all=in_search_all))
            try:
                async for reply in stream:
                    yield reading.acknowledgement(reply)
                await sending
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                # What went wrong with the documents themselves is the caller's to see, not the stream's end that follows from it.
                if not sending.cancelled() and (fault := sending.exception()) is not None:
                    raise fault

    async def get(self, memory_id: str, *, timeout_s: float | None = None) -> results.Memory:
        """Gives one memory by id."""
        with writes.request_made():
            request = pb.GetMemoryRequest(memory_id=memory_id)
        reply = await call(self._stub.GetMemory, request, deadline=self._deadline(timeout_s))
        return reading.memory(reply.memory)

    async def list(
        self,
        *,
        collection: str = "",
        domain: str = "",
        where: Mapping[str, JsonValue] | None = None,
        page_size: int = 0,
        page_token: str = "",
        without_text: bool = False,
        timeout_s: float | None = None,
    ) -> results.Page[results.Memory]:
        """Lists memories of a collection in a stable order that says nothing about worth."""
        with writes.request_made():
            request = pb.ListMemoriesRequest(
                collection=collection,
                domain=domain,
                filter=writes.equals(where or {}),
                page_size=page_size,
                page_token=page_token,
                without_text=without_text,
            )
        reply = await call(self._stub.ListMemories, request, deadline=self._deadline(timeout_s))
        return results.Page(tuple(reading.memory(item) for item in reply.memories), reply.next_page_token)

    async def delete(
        self,
        *,
        memory_ids: Sequence[str] = (),
        source: str = "",
        where: Mapping[str, JsonValue] | None = None,
        collection: str = "",
        timeout_s: float | None = None,
    ) -> int:
        """Deletes memories by ids, by source or by fields (exactly one of the three) and says how many were there."""
        chosen = sum(map(bool, (memory_ids, source, where)))
        if chosen != 1:
            raise InvalidInputError(
                f"{chosen} of memory_ids, source and where are given; exactly one says what to delete", field="selection", count=chosen
            )
        with writes.request_made():
            request = pb.DeleteMemoriesRequest(
                collection=collection,
                ids=pb.DeleteMemoriesRequest.Ids(memory_ids=memory_ids) if memory_ids else None,
                source=source or None,
                filter=writes.equals(where or {}),
            )
        return (await call(self._stub.DeleteMemories, request, deadline=self._deadline(timeout_s))).deleted_count

    async def collections(self, *, timeout_s: float | None = None) -> tuple[results.Collection, ...]:
        """Lists all collections by name."""
        found: list[results.Collection] = []
        token = ""
        while True:
            request = pb.ListCollectionsRequest(page_size=1_000, page_token=token)
            reply = await call(self._stub.ListCollections, request, deadline=self._deadline(timeout_s))
            found.extend(reading.collection(item) for item in reply.collections)
            token = reply.next_page_token
            if not token:
                return tuple(found)

    async def delete_collection(self, name: str, *, confirm_name: str, timeout_s: float | None = None) -> int:
        """Deletes a collection, named twice, and says how many memories went with it. There is no way back."""
        with writes.request_made():
            request = pb.DeleteCollectionRequest(name=name, confirm_name=confirm_name)
        return (await call(self._stub.DeleteCollection, request, deadline=self._deadline(timeout_s))).memory_count

    async def server_info(self, *, timeout_s: float | None = None) -> results.ServerInfo:
        """Says what serves and what is away."""
        return reading.server_info(await call(self._stub.GetServerInfo, pb.GetServerInfoRequest(), deadline=self._deadline(timeout_s)))


async def _send(
    stream: grpc.aio.StreamStreamCall[pb.IngestRequest, pb.IngestResponse],
    documents: Iterable[Document] | AsyncIterator[Document],
    collection: str,
    *,
    in_search_all: bool,
) -> None:
    finished = False
    try:
        async with aclosing(_ingest_requests(documents, collection, in_search_all)) as requests:
            async for request in requests:
                if stream.done():
                    break
                await stream.write(request)
        if not stream.done():
            await stream.done_writing()
        finished = True
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The stream ended; its reader learns why.
        finished = True
    finally:
        if not finished:
            stream.cancel()


async def _ingest_requests(
    documents: Iterable[Document] | AsyncIterator[Document], collection: str, in_search_all: bool
) -> AsyncGenerator[pb.IngestRequest]:
    numbers = itertools.count()
    async with aclosing(_each(documents)) as each:
        async for document in each:
            with writes.request_made():
                message = writes.ingest_document(document)
            yield pb.IngestRequest(sequence=next(numbers), collection=collection, in_search_all=in_search_all, document=message)


async def _each(documents: Iterable[Document] | AsyncIterator[Document]) -> AsyncGenerator[Document]:
    if isinstance(documents, AsyncIterator):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
