"""The seam to a vector store: what memory asks of it and may rely on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from .conditions import (
    AllOf,
    AnyOf,
    Equals,
    Exists,
    In,
    NoneOf,
    Operand,
    Range,
    StoreFilter,
    TextMatch,
    check_filter,
)
from .operations import (
    DeleteGeneration,
    DeletePoints,
    Float32Array,
    IndexSpec,
    Operation,
    Payload,
    Point,
    ProjectedSalience,
    ReplacePayloads,
    SalienceProjection,
    UInt32Array,
    UpsertPoints,
    decode_operations,
    encode_operations,
)

__all__ = [
    "FACET_KEYS",
    "READ_TIMEOUT_S",
    "AllOf",
    "AnyOf",
    "Apply",
    "Best",
    "BranchHit",
    "BranchResult",
    "DeleteGeneration",
    "DeletePoints",
    "Equals",
    "Exists",
    "Float32Array",
    "In",
    "IndexSpec",
    "NoneOf",
    "Operand",
    "Operation",
    "Page",
    "Payload",
    "Point",
    "ProjectedSalience",
    "Range",
    "ReplacePayloads",
    "Replay",
    "SalienceProjection",
    "SearchRequest",
    "Store",
    "StoreFilter",
    "StoreState",
    "StoredPoint",
    "TextMatch",
    "UInt32Array",
    "UpsertPoints",
    "check_filter",
    "decode_operations",
    "encode_operations",
]

FACET_KEYS = ("domain", "source", "document_id", "speaker", "language", "content_kind")
"""Payload fields with a keyword index, which a facet needs."""
READ_TIMEOUT_S = 10.0
"""Longest that a read may take whose caller states no limit."""


class StoreState(StrEnum):
    """Whether a store answers."""

    SERVING = "SERVING"
    """It answers."""
    RESTARTING = "RESTARTING"
    """Its engine went away or has just come back; calls wait a short while."""
    DOWN = "DOWN"
    """Several starts in a row failed; it still tries."""


class Best(msgspec.Struct, frozen=True):
    """The hits that a search is for: those that `pooling.ordered` puts first."""

    count: int
    """How many of them, 1 or more."""
    fragmentation: float
    """Of the query, [0, 1]."""


class SearchRequest(msgspec.Struct, frozen=True):
    """One search in one generation; a branch whose query is absent is not run."""

    index: str
    generation: str
    dense: Float32Array | None
    """Query vector [D] of L2 norm 1."""
    terms: tuple[tuple[int, ...], ...]
    """Term ids of the query, one group for each term with its variants; () = no lexical branch.

    A document that holds two different variants of one group scores with both.
    """
    filter: StoreFilter | None = None
    depth: int = 100
    """Most hits of each branch, 1 or more."""
    best: Best | None = None
    """Which of all hits the answer needs; None = all."""
    with_points: bool = False
    """Whether the hits' points should come along, if the store has them at hand."""


class StoredPoint(msgspec.Struct, frozen=True, array_like=True):
    """A point as it was read back."""

    memory_id: str
    payload: dict[str, Any]
    dense: Float32Array | None = None
    """Dense vector [D]; None unless vectors were asked for."""
    sparse_indices: UInt32Array | None = None
    """Term ids [N]; None unless vectors were asked for."""
    sparse_values: Float32Array | None = None
    """BM25 weights [N]; None unless vectors were asked for."""


class BranchHit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A point that at least one branch found, with the values of both."""

    memory_id: str
    content_kind: str
    similarity: float | None
    """Cosine in [-1, 1]; None if there was no dense query."""
    lexical: float | None
    """BM25 sum, 0 or more, 0 where no term matches; None if there was no lexical query."""
    similarity_rank: int | None
    """Place in the dense branch from 1 on; None if that branch did not list it."""
    lexical_rank: int | None
    """Place in the lexical branch from 1 on; None if that branch did not list it."""


class BranchResult(msgspec.Struct, frozen=True, array_like=True):
    """What the branches of one search found."""

    hits: tuple[BranchHit, ...]
    """Those of the dense branch in its order, then those that only the lexical branch found; the best of them, where that was asked."""
    best_lexical: float
    """BM25 sum of the best lexical hit; 0 where there is none."""
    best_coverage: float
    """Share of the term groups that the best lexical hit holds, [0, 1]; 0 where there is none."""
    points: tuple[StoredPoint, ...] = ()
    """Hits with their payloads, if they were asked for and the store had them at hand; the others are to be retrieved."""


class Page(msgspec.Struct, frozen=True, array_like=True):
    """One page of a scroll."""

    points: tuple[StoredPoint, ...]
    next: str | None
    """Cursor of the page after this one; None at the end."""


Apply = Callable[[Sequence[Operation]], Awaitable[None]]
"""Applies operations to an engine that does not serve yet."""
Replay = Callable[[Apply], Awaitable[None]]
"""Applies, through the function it is given, everything that is not known to be on disk."""


class Store(Protocol):
    """An open vector store.

    Every call raises `DependencyDownError` when the engine is away for longer than a short wait,
    and every read raises `DeadlineError` when `timeout_s` ends first. A read of an index that
    was not ensured raises `NotFoundError`.
    """

    on_restart: Replay | None
    """Called after the engine came back, before the store serves again; not at the first start."""

    @property
    def state(self) -> StoreState:
        """Whether the store answers now."""
        ...

    def check(self, operations: Sequence[Operation]) -> None:
        """Refuses what `apply` could not apply; to be called before anything is journalled.

        Raises:
            InvalidInputError: A vector has the wrong width or norm, a number is not finite, or
                an index was not ensured.
        """
        ...

    async def ensure_index(self, spec: IndexSpec) -> bool:
        """Opens an index, creating it with its payload indexes where it is missing.

        Returns:
            True if it was created now, so that it is empty.

        Raises:
            SchemaMismatchError: The stored index has another dimension or fingerprint.
        """
        ...

    async def apply(self, operations: Sequence[Operation]) -> None:
        """Applies operations in order; when it returns, searches see them.

        For one caller at a time. An error leaves it open how much was applied; applying the same
        operations again is harmless.
        """
        ...

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        """Writes saliences beside points as the payload keys `salience`, `last_retrieved_us` and `salience_seq`.

        A value whose sequence is not greater than the one that its point holds changes nothing, so
        a projection may be repeated and overtaken. All of it goes to the engine together. Reads see
        it soon, at the latest after the next `apply` of the same index. Needs no journal.

        Raises:
            InvalidInputError: An index was not ensured, or a value is out of its range; nothing is written.
        """
        ...

    async def search(self, requests: Sequence[SearchRequest], *, timeout_s: float = READ_TIMEOUT_S) -> list[BranchResult]:
        """Runs searches, each with its branches; results are in the order of `requests`."""
        ...

    async def retrieve(
        self,
        index: str,
        generation: str,
        memory_ids: Sequence[str],
        *,
        with_vectors: bool = False,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, StoredPoint]:
        """Reads points by `memory_id`; those that do not exist are left out."""
        ...

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
        """Reads matching points without vectors, in the stable order of the store's own ids.

        Args:
            index: Name of the index.
            generation: The generation to read.
            condition: What points must match; None = all.
            limit: Most points of the page, 1 or more.
            after: `Page.next` of the page before; None = the first page.
            timeout_s: Seconds that the read may take.
        """
        ...

    async def count(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> int:
        """Counts matching points exactly."""
        ...

    async def facet(
        self,
        index: str,
        generation: str,
        key: str,
        condition: StoreFilter | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, int]:
        """Counts matching points by the value of one of `FACET_KEYS`, exactly.

        Raises:
            InvalidInputError: `key` is none of them.
        """
        ...

    async def purge(self, index: str) -> bool:
        """Takes what was deleted from an index, or overwritten in it, out of the store's files, while it serves.

        To be called after `flush`, so that nothing can bring it back. What is deleted during the call may stay in the files.

        Returns:
            True once no file holds any of it; False if a server was told to, and finishes in its own time.

        Raises:
            NotFoundError: The index was not ensured.
            DiskFullError: There is no space to write the files anew; the index is as it was.
        """
        ...

    async def flush(self) -> None:
        """Returns when everything that was applied before the call is on disk.

        The edge store asks its engine, which takes milliseconds and holds reads up for them. The
        qdrant store waits until twice the server's own flush interval has passed.
        """
        ...
