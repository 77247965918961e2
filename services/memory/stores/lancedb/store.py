"""The store whose points LanceDB keeps in the data folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import lancedb
from lancedb import AsyncConnection

from atlas.errors import DeadlineError, DependencyDownError, NotFoundError

from ...operations import UpsertPoints
from ...persistence.locks import hold
from ...store import (
    READ_TIMEOUT_S,
    BranchResult,
    IndexSpec,
    Operation,
    Page,
    Replay,
    SalienceProjection,
    SearchRequest,
    StoredPoint,
    StoreFilter,
    StoreState,
    check_filter,
)
from ..availability import RETRY_AFTER_MS
from ..durable import Durable
from ..validation import check_cursor, check_dense, check_facet, check_operations, check_projections
from .readers import Readers
from .table import IndexTable, in_thread

DATA_FOLDER = "lancedb"
"""Folder of the tables inside the data folder."""
LOCK_NAME = "lancedb.lock"
"""Lock file inside that folder."""


class LanceStore:
    """`Store` over LanceDB; `open_lance_store` is the way to one.

    It has no process that could go away, so it always serves and never calls `on_restart`.
    """

    def __init__(self, connection: AsyncConnection, folder: Path) -> None:
        """Takes an open connection to the tables in `folder`."""
        self.on_restart: Replay | None = None
        """Never called."""
        self._connection = connection
        self._durable = Durable(folder)
        self._tables: dict[str, IndexTable] = {}
        self._specs: dict[str, IndexSpec] = {}
        self._writing = asyncio.Lock()
        self._readers = Readers()

    @property
    def state(self) -> StoreState:
        """Always SERVING."""
        return StoreState.SERVING

    def check(self, operations: Sequence[Operation]) -> None:
        """Refuses what `apply` could not apply."""
        check_operations(operations, self._specs)

    async def ensure_index(self, spec: IndexSpec) -> bool:
        """Opens an index, creating it where it is missing; True if it was created now."""
        async with self._writing:
            with _translated():
                table, created = await IndexTable.opened(self._connection, spec)
        self._tables.setdefault(spec.name, table)
        self._specs[spec.name] = spec
        return created

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Applies operations in order; upserts that follow each other are one version of their table."""
        self.check(operations)
        async with self._writing:
            with _translated():
                for operation in _joined(operations):
                    await self._tables[operation.index].apply(operation)

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        """Writes saliences beside points, one version a table."""
        check_projections(projections, self._specs)
        async with self._writing:
            with _translated():
                for index, group in groupby(sorted(projections, key=lambda each: each.index), key=lambda each: each.index):
                    await self._tables[index].project(list(group))

    async def search(self, requests: Sequence[SearchRequest], *, timeout_s: float = READ_TIMEOUT_S) -> list[BranchResult]:
        """Runs searches one after the other."""
        for position, request in enumerate(requests):
            self._require(request.index)
            if request.dense is not None:
                check_dense(request.dense, self._specs[request.index].dimension, f"requests[{position}].dense")
            check_filter(request.filter)
        async with self._reading(timeout_s):
            return [await self._require(request.index).search(request) for request in requests]

    async def retrieve(
        self,
        index: str,
        generation: str,
        memory_ids: Sequence[str],
        *,
        with_vectors: bool = False,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, StoredPoint]:
        """Reads points by `memory_id`."""
        table = self._require(index)
        async with self._reading(timeout_s):
            points = await table.retrieve(generation, memory_ids, with_vectors=with_vectors)
        return {point.memory_id: point for point in points}

    async def scroll(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        limit: int,
        after: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Page:
        """Reads one page of matching points."""
        table = self._require(index)
        check_cursor(after)
        check_filter(condition)
        async with self._reading(timeout_s):
            return await table.scroll(generation, condition, limit, after)

    async def count(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> int:
        """Counts matching points exactly."""
        table = self._require(index)
        check_filter(condition)
        async with self._reading(timeout_s):
            return await table.count(generation, condition)

    async def facet(
        self,
        index: str,
        generation: str,
        key: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, int]:
        """Counts matching points by the value of a field."""
        table = self._require(index)
        check_facet(key)
        check_filter(condition)
        async with self._reading(timeout_s):
            return await table.facet(generation, key, condition)

    async def flush(self) -> None:
        """Merges small writes where there are many, then syncs every new file; LanceDB itself syncs none."""
        async with self._writing:
            with _translated():
                for table in self._tables.values():
                    await table.compact()
                await in_thread(self._durable.sync)

    async def purge(self, index: str) -> bool:
        """Writes the rows of an index into new files and deletes all others; always True. Writes wait meanwhile, reads do not.

        Raises:
            NotFoundError: The index was not ensured.
            DependencyDownError: LanceDB failed, or kept an older version; trying again is harmless.
        """
        table = self._require(index)
        async with self._writing:
            with _translated():
                await table.rewrite()
                # Those that began before may read the files that go now.
                await self._readers.drained()
                await table.forget_versions()
                await in_thread(self._durable.sync)
        return True

    @asynccontextmanager
    async def _reading(self, timeout_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(timeout_s):
                with self._readers.reading(), _translated():
                    yield
        except TimeoutError:
            raise DeadlineError(f"LanceDB did not answer within {timeout_s * 1000:.0f} ms", wait_ms=round(timeout_s * 1000)) from None

    def _require(self, index: str) -> IndexTable:
        table = self._tables.get(index)
        if table is None:
            raise NotFoundError(f"index {index!r} was not ensured", index=index)
        return table


def _joined(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Joins upserts of one index that follow each other: every write makes a version."""
    for _, group in groupby(operations, key=lambda each: (each.index, isinstance(each, UpsertPoints) or id(each))):
        members = list(group)
        upserts = [each for each in members if isinstance(each, UpsertPoints)]
        if upserts:
            yield UpsertPoints(upserts[0].index, tuple(point for each in upserts for point in each.points))
        else:
            yield from members


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what LanceDB raises, which is a handful of built-in errors, into ours."""
    try:
        yield
    except TimeoutError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise DependencyDownError(
            f"LanceDB failed: {type(error).__name__}: {error}", reason="ENGINE_DOWN", retry_after_ms=RETRY_AFTER_MS
        ) from error


@asynccontextmanager
async def open_lance_store(data_dir: Path) -> AsyncIterator[LanceStore]:
    """Opens the tables of a data folder.

    Raises:
        StartupError: Another process holds the folder.
    """
    folder = data_dir / DATA_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / LOCK_NAME):
        connection = await lancedb.connect_async(str(folder), read_consistency_interval=timedelta(0))
        try:
            yield LanceStore(connection, folder)
        finally:
            connection.close()  # type: ignore[no-untyped-call]
