"""The client for callers without an event loop: the same methods, blocking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from atlas.documents import Document, JsonValue

from . import learning, results
from .aio import DAY_S, DEFAULT_SERVER, AsyncAtlas
from .sync_administration import Administration
from .sync_snapshots import Snapshots
from .writes import MemoryInput, SearchOptions

Result = TypeVar("Result")


class Atlas:
    """Talks to one gateway; see `AsyncAtlas` for the arguments of each method. Safe to use from several threads."""

    def __init__(self, server: str = DEFAULT_SERVER, *, timeout_s: float = 30.0) -> None:
        """Starts the thread that talks; connects on the first call."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="atlas-client", daemon=True)
        self._thread.start()
        self._client = self._run(_opened(server, timeout_s))
        self.administration = Administration(self._client.administration, self._run)
        """What an operator asks: migrations and operations."""
        self.snapshots = Snapshots(self._client.snapshots, self._run)
        """Snapshots of the whole memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection and ends the thread; a second time it does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def search(self, query: str, *, timeout_s: float | None = None, **options: Unpack[SearchOptions]) -> results.SearchResult:
        """Answers a query with the best memories; options are those of `AsyncAtlas.search`."""
        return self._run(self._client.search(query, timeout_s=timeout_s, **options))

    def search_stream(
        self, query: str, *, timeout_s: float | None = None, **options: Unpack[SearchOptions]
    ) -> Iterator[results.SearchPool | results.SearchResults | results.SearchSummary]:
        """Answers a query in steps: the pool, the results, the summary; options are those of `AsyncAtlas.search`."""
        return self._each(self._client.search_stream(query, timeout_s=timeout_s, **options))

    def feedback(self, search_id: str, *feedback: learning.HitFeedback, **options: Any) -> learning.FeedbackResult:
        """Says what hits of an earlier search were worth; options are those of `AsyncAtlas.feedback`."""
        return self._run(self._client.feedback(search_id, *feedback, **options))

    def report_usage(self, search_id: str, answer: str, **options: Any) -> learning.UsageReport:
        """Measures and records which hits of an earlier search an answer used; options are those of `AsyncAtlas.report_usage`."""
        return self._run(self._client.report_usage(search_id, answer, **options))

    def salience(self, *memory_ids: str, timeout_s: float | None = None) -> learning.SalienceResult:
        """Reads what has been learnt about memories, 1 to 1,000."""
        return self._run(self._client.salience(*memory_ids, timeout_s=timeout_s))

    def explain_salience(self, memory_id: str, *, timeout_s: float | None = None) -> learning.SalienceExplanation:
        """Says how the salience of a memory came about."""
        return self._run(self._client.explain_salience(memory_id, timeout_s=timeout_s))

    def revoke(self, **options: Any) -> learning.Revocation:
        """Takes events back; options are those of `AsyncAtlas.revoke`."""
        return self._run(self._client.revoke(**options))

    def rebuild_salience(self, *, recalibrate: bool = False, timeout_s: float | None = None) -> learning.Rebuilt:
        """Folds all sums anew from the ledger."""
        return self._run(self._client.rebuild_salience(recalibrate=recalibrate, timeout_s=timeout_s))

    def digest(self, *, verify: bool = False, timeout_s: float | None = None) -> learning.StateDigest:
        """Digests what is stored and learnt."""
        return self._run(self._client.digest(verify=verify, timeout_s=timeout_s))

    def erase(self, **options: Any) -> learning.ErasureReceipt:
        """Erases memories, or a principal's traces, for good; options are those of `AsyncAtlas.erase`."""
        return self._run(self._client.erase(**options))

    def remember(self, *memories: MemoryInput | str, **options: Any) -> tuple[results.Remembered, ...]:
        """Stores texts; they are findable when the call returns. Options are those of `AsyncAtlas.remember`."""
        return self._run(self._client.remember(*memories, **options))

    def ingest(
        self, documents: Iterable[Document], *, collection: str = "", in_search_all: bool = True, timeout_s: float = DAY_S
    ) -> Iterator[results.Acknowledgement]:
        """Stores documents as they come and gives one acknowledgement each, in order; see `AsyncAtlas.ingest`."""
        return self._each(self._client.ingest(documents, collection=collection, in_search_all=in_search_all, timeout_s=timeout_s))

    def get(self, memory_id: str, *, timeout_s: float | None = None) -> results.Memory:
        """Gives one memory by id."""
        return self._run(self._client.get(memory_id, timeout_s=timeout_s))

    def list(self, **options: Any) -> results.Page[results.Memory]:
        """Lists memories of a collection; options are those of `AsyncAtlas.list`."""
        return self._run(self._client.list(**options))

    def delete(
        self,
        *,
        memory_ids: Sequence[str] = (),
        source: str = "",
        where: Mapping[str, JsonValue] | None = None,
        collection: str = "",
        timeout_s: float | None = None,
    ) -> int:
        """Deletes memories by ids, by source or by fields and says how many were there."""
        deleting = self._client.delete(memory_ids=memory_ids, source=source, where=where, collection=collection, timeout_s=timeout_s)
        return self._run(deleting)

    def collections(self, *, timeout_s: float | None = None) -> tuple[results.Collection, ...]:
        """Lists all collections by name."""
        return self._run(self._client.collections(timeout_s=timeout_s))

    def delete_collection(self, name: str, *, confirm_name: str, timeout_s: float | None = None) -> int:
        """Deletes a collection, named twice, and says how many memories went with it."""
        return self._run(self._client.delete_collection(name, confirm_name=confirm_name, timeout_s=timeout_s))

    def server_info(self, *, timeout_s: float | None = None) -> results.ServerInfo:
        """Says what serves and what is away."""
        return self._run(self._client.server_info(timeout_s=timeout_s))

    def _each(self, replies: AsyncGenerator[Result]) -> Iterator[Result]:
        try:
            while (reply := self._run(_next(replies))) is not None:
                yield reply
        finally:
            # A caller that leaves early ends the stream with it.
            self._run(replies.aclose())

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _opened(server: str, timeout_s: float) -> AsyncAtlas:
    # A channel belongs to the loop that it was made in.
    return AsyncAtlas(server, timeout_s=timeout_s)


async def _next(replies: AsyncIterator[Result]) -> Result | None:
    return await anext(replies, None)
