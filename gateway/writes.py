"""Embeds and stores memories: what `Remember` and `Ingest` share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from atlas.errors import ConflictError, NotFoundError, SchemaMismatchError

from .clients import Collection, CollectionClient, EmbedderModel, Write
from .clients.embedder import Float32Array
from .clients.renaming import renamed_items
from .embedders import FOREIGN, Encoder
from .memories import Memory, Scope
from .steps import Steps

_BYTES_PER_PIECE = 4


@dataclass(frozen=True, slots=True)
class Embedded:
    """A memory with its vector."""

    vector: Float32Array
    """[D], L2 norm 1."""
    fingerprint: str
    """Fingerprint of its space."""
    token_count: int
    """Word pieces read."""


class Writer:
    """Embeds memories and keeps the collections they go to."""

    def __init__(self, collections: CollectionClient, *, batch_piece_count: int) -> None:
        """Embeds about `batch_piece_count` word pieces a call, so that searches between the calls wait little."""
        self._collections = collections
        self._batch_piece_count = batch_piece_count
        self._creating = asyncio.Lock()

    async def embed(
        self, memories: Sequence[Memory], encoder: Encoder, steps: Steps, *, bulk: bool, path_of: Callable[[Memory], str]
    ) -> dict[str, Embedded]:
        """Embeds memories; by id.

        Args:
            memories: What to embed.
            encoder: Who does it.
            steps: Of the call that it is a part of.
            bulk: Whether it may wait for others.
            path_of: Where a memory comes from in the caller's request, for errors; such as `memories[3]`.

        Raises:
            InvalidInputError: The embedder does not read one of the texts.
            SchemaMismatchError: The embedder's model is not that of `encoder` any more.
        """
        model = encoder.model
        embedded: dict[str, Embedded] = {}
        for batch in self._batches(memories, model.max_input_count):
            texts = [memory.indexed for memory in batch]
            with renamed_items("inputs", [path_of(memory) for memory in batch]):
                reply = await steps.run(
                    lambda deadline, texts=texts: encoder.client.embed_passages(  # type: ignore[misc]
                        texts, bulk=bulk, expected_fingerprint=model.fingerprint, deadline=deadline
                    )
                )
            for memory, vector, count in zip(batch, reply.vectors, reply.token_counts, strict=True):
                embedded[memory.memory_id] = Embedded(vector, reply.fingerprint, count)
        return embedded

    async def find_collection(self, scope: Scope, name: str, model: EmbedderModel, steps: Steps) -> Collection | None:
        """Finds a collection that takes the vectors of `model`; None if there is none of that name.

        Raises:
            SchemaMismatchError: Its DENSE space is that of another model.
        """
        try:
            collection = await steps.run(lambda deadline: self._collections.get(scope, name, deadline=deadline))
        except NotFoundError:
            return None
        if collection.dense_fingerprint != model.fingerprint:
            raise SchemaMismatchError(
                f"collection {name} holds vectors of {collection.dense_fingerprint}; the embedder makes {model.fingerprint}",
                reason=FOREIGN,
                collection=name,
                collection_fingerprint=collection.dense_fingerprint,
                embedder_fingerprint=model.fingerprint,
            )
        return collection

    async def ensure_collection(self, scope: Scope, name: str, model: EmbedderModel, steps: Steps, *, in_search_all: bool = True) -> None:
        """Creates a collection for the vectors of `model` where there is none of that name.

        Raises:
            SchemaMismatchError: There is one for the vectors of another model.
        """
        async with self._creating:
            if await self.find_collection(scope, name, model, steps) is not None:
                return
            try:
                await steps.run(
                    lambda deadline: self._collections.create(
                        scope, name, model.dense_space, in_search_all=in_search_all, deadline=deadline
                    )
                )
            except ConflictError:
                # Somebody else was faster and chose other options; its vectors must still fit.
                if await self.find_collection(scope, name, model, steps) is None:
                    raise

    def _batches(self, memories: Sequence[Memory], max_count: int) -> Iterator[list[Memory]]:
        batch: list[Memory] = []
        pieces = 0
        # One long text pads its whole batch: neighbours of like length cost least.
        for memory in sorted(memories, key=lambda memory: len(memory.text)):
            pieces_here = len(memory.indexed.encode()) // _BYTES_PER_PIECE + 2
            if batch and (pieces + pieces_here > self._batch_piece_count or len(batch) >= max_count):
                yield batch
                batch, pieces = [], 0
            batch.append(memory)
            pieces += pieces_here
        if batch:
            yield batch


def write_of(memory: Memory, embedded: Embedded | None, *, if_match: str = "") -> Write:
    """Returns the write of a memory; without a vector, that of unchanged text."""
    if embedded is None:
        return Write(memory, if_match=if_match)
    return Write(memory, embedded.vector, embedded.fingerprint, if_match)
