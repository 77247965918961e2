"""Switches a collection to the generation that was filled, without a call that fails."""

from __future__ import annotations

from atlas.deadlines import Deadline
from atlas.errors import ConflictError, SchemaMismatchError
from atlas.type.v1 import type_pb2

from ..clients.generations import GenerationClient, Generations
from ..embedders import Embedders
from ..memories import Scope
from .filling import GenerationFiller

_PAGE = 128
_HOLD_S = 4.0
"""How long writes to the collection may wait for the last vectors."""
_LAST_COUNT = 64
"""Memories that may be left for the time of the hold."""
_ATTEMPTS = 8
_DUE = "DUE"


class Switcher:
    """Fills what is left, lets writes wait for the last of it, and switches."""

    def __init__(self, generations: GenerationClient, filler: GenerationFiller, embedders: Embedders) -> None:
        self._generations = generations
        self._filler = filler
        self._embedders = embedders

    async def switch(self, scope: Scope, collection: str, *, force: bool, deadline: Deadline) -> tuple[type_pb2.Operation, Generations]:
        """Switches a collection.

        Raises:
            NotFoundError: There is no such collection.
            SchemaMismatchError: Nothing is being filled, it was not verified, or memories could not be embedded.
            ConflictError: Writes came faster than they could be embedded.
        """
        for _ in range(_ATTEMPTS):
            found = await self._generations.generations(scope, collection, deadline=deadline)
            if found.operation is not None:
                await self._fill_up(scope, found.operation.operation_id, deadline)
            try:
                switched = await self._generations.switch(scope, collection, force=force, deadline=deadline)
            except SchemaMismatchError as error:
                if error.reason != _DUE or error.values.get("due_count") == error.values.get("failed_count"):
                    raise
            else:
                # Callers that embed for the space before learn of it from memory; this gateway need not be told.
                await self._embedders.learn(scope, deadline=deadline)
                return switched
        raise ConflictError(
            f"writes to collection {collection!r} came faster than they could be embedded; switch when there are fewer",
            reason="WRITES_WENT_ON",
            collection=collection,
        )

    async def _fill_up(self, scope: Scope, operation_id: str, deadline: Deadline) -> None:
        while True:
            due = await self._generations.due(scope, operation_id, count=_PAGE, deadline=deadline)
            if due.due_count - due.failed_count <= _LAST_COUNT:
                break
            await self._filler.fill(scope, due.task, due.memories, deadline=deadline)
        due = await self._generations.due(scope, operation_id, count=_PAGE, hold_s=_HOLD_S, deadline=deadline)
        if due.memories:
            await self._filler.fill(scope, due.task, due.memories, deadline=deadline)
