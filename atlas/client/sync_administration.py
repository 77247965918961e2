"""An operator's calls without an event loop: the same methods, blocking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from .administration import AsyncAdministration, Generation, Moved, Operation, Verification
from .results import Page

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end and gives what it returns."""


class Administration:
    """Changes whole collections while callers go on; see `AsyncAdministration` for the options of each method."""

    def __init__(self, calls: AsyncAdministration, run: Run) -> None:
        """Makes the calls of `calls` through `run`."""
        self._calls = calls
        self._run = run

    def start_migration(self, collection: str, *, embedder: str, **options: Any) -> Operation:
        """Begins to embed a collection anew with the embedder at `HOST:PORT`."""
        started: Operation = self._run(self._calls.start_migration(collection, embedder=embedder, **options))
        return started

    def verify_migration(self, collection: str, **options: Any) -> Verification:
        """Compares the generation that is being filled with the one that serves."""
        found: Verification = self._run(self._calls.verify_migration(collection, **options))
        return found

    def switch_generation(self, collection: str, **options: Any) -> Operation:
        """Lets the filled generation serve, in one step."""
        switched: Operation = self._run(self._calls.switch_generation(collection, **options))
        return switched

    def roll_back(self, collection: str, **options: Any) -> Operation:
        """Goes back to the generation before; nothing is lost."""
        begun: Operation = self._run(self._calls.roll_back(collection, **options))
        return begun

    def generations(self, collection: str, **options: Any) -> tuple[Generation, ...]:
        """Lists a collection's generations, the one that serves first."""
        found: tuple[Generation, ...] = self._run(self._calls.generations(collection, **options))
        return found

    def delete_generation(self, collection: str, generation: str, **options: Any) -> int:
        """Deletes a retired generation and says how many vectors went with it."""
        count: int = self._run(self._calls.delete_generation(collection, generation, **options))
        return count

    def move_source(self, from_source: str, to_source: str, **options: Any) -> Moved:
        """Gives what was ingested from a source, or from everything below it, another source."""
        moved: Moved = self._run(self._calls.move_source(from_source, to_source, **options))
        return moved

    def operation(self, operation_id: str, **options: Any) -> Operation:
        """Describes an operation."""
        found: Operation = self._run(self._calls.operation(operation_id, **options))
        return found

    def operations(self, **options: Any) -> Page[Operation]:
        """Lists operations, newest first."""
        page: Page[Operation] = self._run(self._calls.operations(**options))
        return page

    def cancel_operation(self, operation_id: str, **options: Any) -> Operation:
        """Ends an operation; the collection stays as it is."""
        ended: Operation = self._run(self._calls.cancel_operation(operation_id, **options))
        return ended
