"""Says what serves behind the gateway right now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.type.v1 import type_pb2

from .clients import CollectionClient, EmbedderClient, RerankerClient
from .memories import Scope

FEATURES = (
    "two_stage_search",
    "lexical_search",
    "min_relevance",
    "group_by_source",
    "salience",
    "search_stream",
    "feedback",
    "usage_report",
    "ledger",
    "remember",
    "ingest",
    "migration",
)
"""What this version can do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the gateway looks for the parts."""

    embedder: str
    """Target of the embedder."""
    reranker: str
    """Target of the reranker."""
    memory: str
    """Target of memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part, as the gateway sees it now."""

    name: str
    """`embedder`, `reranker` or `memory`."""
    address: str
    """Target that the gateway calls."""
    error: AtlasError | None = None
    """Why it does not serve; None while it does."""
    model: type_pb2.ModelInfo | None = None
    """Its model as it describes it."""
    max_query_tokens: int = 0
    """Word pieces of a query; embedder only."""
    calibration_version: str = ""
    """Version of its calibration; reranker only."""


class ServerState:
    """Asks the parts."""

    def __init__(
        self, *, embedder: EmbedderClient, reranker: RerankerClient, collections: CollectionClient, addresses: Addresses, scope: Scope
    ) -> None:
        self._embedder = embedder
        self._reranker = reranker
        self._collections = collections
        self._addresses = addresses
        self._scope = scope

    async def parts(self, *, deadline: Deadline) -> tuple[Part, Part, Part]:
        """Returns the embedder, the reranker and memory as they are now, asked at the same time."""
        return await asyncio.gather(
            _or_error("embedder", self._addresses.embedder, self._ask_embedder(deadline)),
            _or_error("reranker", self._addresses.reranker, self._ask_reranker(deadline)),
            _or_error("memory", self._addresses.memory, self._ask_memory(deadline)),
        )

    async def check_memory(self, *, deadline: Deadline) -> None:
        """Reads from memory; the gateway is ready once that has worked.

        Raises:
            AtlasError: Memory does not answer.
        """
        await self._collections.page(self._scope, page_size=1, page_token="", deadline=deadline)

    async def _ask_embedder(self, deadline: Deadline) -> Part:
        model = await self._embedder.model(deadline=deadline)
        return Part("embedder", self._addresses.embedder, model=model.described, max_query_tokens=model.max_input_tokens)

    async def _ask_reranker(self, deadline: Deadline) -> Part:
        model = await self._reranker.model(deadline=deadline)
        return Part("reranker", self._addresses.reranker, model=model.described, calibration_version=model.calibration_version)

    async def _ask_memory(self, deadline: Deadline) -> Part:
        await self.check_memory(deadline=deadline)
        return Part("memory", self._addresses.memory)


async def _or_error(name: str, address: str, asked: Awaitable[Part]) -> Part:
    try:
        return await asked
    except AtlasError as error:
        return Part(name, address, error=error)
