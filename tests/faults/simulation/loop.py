"""An event loop whose time is a number: it never waits, so a simulated hour costs nothing and a seed gives one order of events."""

from __future__ import annotations

import asyncio
from typing import Any


class StuckError(AssertionError):
    """Everybody waits and nothing is going to happen."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Jumps to the next timer instead of waiting for it. One thread; no sockets, no processes."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self.failure: BaseException | None = None
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise StuckError("everybody waits and nothing is going to happen")
        self._now += max(0.0, timeout)
        return ()

    def abandon(self) -> None:
        """Drops what runs. What it does on its way out must reach nothing any more: the caller sees to that."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False
            _close(task.get_coro())
        self._ready.clear()
        self._scheduled.clear()
        self.close()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failure = self.failure or context.get("exception")

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _close(coroutine: Any) -> None:
    """Ends a coroutine, also one that waits again on its way out."""
    for _ in range(100):
        try:
            coroutine.close()
        except Exception:  # noqa: BLE001 - a process that is gone has nobody to tell
            continue
        return
