"""Tasks that run beside a block, and never fail unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def background(**coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs coroutines by name for the length of the block and cancels them at its end.

    One that fails ends the block at once, which then raises the coroutine's own error.
    """
    host = asyncio.current_task()
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in coroutines.items()]

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and host is not None:
            host.cancel()

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        for task in tasks:
            task.remove_done_callback(ended)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
