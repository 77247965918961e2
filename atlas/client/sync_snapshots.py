"""Snapshots without an event loop: the same methods, blocking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from .snapshots import AsyncSnapshots, Restored, Snapshot

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end and gives what it returns."""


class Snapshots:
    """Snapshots of one gateway's memory; see `AsyncSnapshots` for the options of each method."""

    def __init__(self, calls: AsyncSnapshots, run: Run) -> None:
        """Makes the calls of `calls` through `run`."""
        self._calls = calls
        self._run = run

    def create(self, **options: Any) -> Snapshot:
        """Makes a snapshot of one moment; calls go on meanwhile."""
        made: Snapshot = self._run(self._calls.create(**options))
        return made

    def list(self, **options: Any) -> tuple[Snapshot, ...]:
        """Lists the snapshots that memory keeps, newest first."""
        found: tuple[Snapshot, ...] = self._run(self._calls.list(**options))
        return found

    def delete(self, snapshot_id: str, **options: Any) -> None:
        """Deletes a snapshot that memory keeps."""
        self._run(self._calls.delete(snapshot_id, **options))

    def download(self, snapshot_id: str, **options: Any) -> Iterator[bytes]:
        """Gives the parts of a snapshot's archive."""
        parts = self._calls.download(snapshot_id, **options)

        async def following() -> bytes | None:
            return await anext(parts, None)

        while (part := self._run(following())) is not None:
            yield part

    def upload(self, archive: Path, **options: Any) -> Snapshot:
        """Sends an archive, which memory then keeps; nothing is restored yet."""
        kept: Snapshot = self._run(self._calls.upload(archive, **options))
        return kept

    def restore(self, snapshot_id: str, **options: Any) -> Restored:
        """Puts memory back to a snapshot, in one step."""
        restored: Restored = self._run(self._calls.restore(snapshot_id, **options))
        return restored
