"""Embeds what a generation lacks, in small batches of the bulk lane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, InvalidInputError, SchemaMismatchError

from ..clients.embedder import Float32Array
from ..clients.generations import DueMemory, GenerationClient, Task
from ..embedders import Embedders, Encoder
from ..memories import Scope

_BYTES_PER_PIECE = 4


@dataclass(slots=True)
class _Embedded:
    """Vectors of a page, and what has none."""

    memories: list[DueMemory] = field(default_factory=list)
    vectors: list[Float32Array] = field(default_factory=list)
    failures: list[tuple[DueMemory, AtlasError]] = field(default_factory=list)


class GenerationFiller:
    """Makes the vectors that operations ask for."""

    def __init__(self, generations: GenerationClient, embedders: Embedders, *, batch_piece_count: int) -> None:
        """Embeds about `batch_piece_count` word pieces a call, so that searches between the calls wait little."""
        self._generations = generations
        self._embedders = embedders
        self._batch_piece_count = batch_piece_count

    async def fill(self, scope: Scope, task: Task, memories: Sequence[DueMemory], *, deadline: Deadline) -> None:
        """Embeds memories and writes their vectors; what cannot be embedded is noted, and the others go on.

        Raises:
            AtlasError: The embedder or memory does not answer, or the operation has ended.
        """
        encoder = await self._embedders.find(task.fingerprint, task.embedder_address, deadline=deadline)
        embedded = _Embedded()
        for batch in self._batches(memories, encoder.model.max_input_count):
            await self._embed(encoder, task, batch, embedded, deadline)
        await self._generations.fill(
            scope,
            task.operation_id,
            embedded.memories,
            np.concatenate(embedded.vectors) if embedded.vectors else None,
            task.fingerprint,
            embedded.failures,
            deadline=deadline,
        )

    async def _embed(self, encoder: Encoder, task: Task, batch: Sequence[DueMemory], into: _Embedded, deadline: Deadline) -> None:
        try:
            reply = await encoder.client.embed_passages(
                [one.text for one in batch],
                bulk=True,
                expected_fingerprint=task.fingerprint,
                truncate=task.truncate,
                deadline=deadline,
            )
        except InvalidInputError as error:
            # One text spoils its whole call: halves find out which.
            if len(batch) == 1:
                into.failures.append((batch[0], error))
                return
            middle = len(batch) // 2
            await self._embed(encoder, task, batch[:middle], into, deadline)
            await self._embed(encoder, task, batch[middle:], into, deadline)
        except SchemaMismatchError:
            # Another model has taken the embedder's place: the next try looks for the one that is wanted.
            self._embedders.forget()
            raise
        else:
            into.memories.extend(batch)
            into.vectors.append(reply.vectors)

    def _batches(self, memories: Sequence[DueMemory], max_count: int) -> Iterator[list[DueMemory]]:
        batch: list[DueMemory] = []
        pieces = 0
        # One long text pads its whole batch: neighbours of like length cost least.
        for memory in sorted(memories, key=lambda one: len(one.text)):
            pieces_here = len(memory.text.encode()) // _BYTES_PER_PIECE + 2
            if batch and (pieces + pieces_here > self._batch_piece_count or len(batch) >= max_count):
                yield batch
                batch, pieces = [], 0
            batch.append(memory)
            pieces += pieces_here
        if batch:
            yield batch
