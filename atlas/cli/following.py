"""Follows an operation with a progress bar, also over a gateway that goes away and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed
from tqdm import tqdm

from atlas.client import AsyncAtlas, Operation
from atlas.errors import DeadlineError, DependencyDownError

from .printing import console, print_error

_POLL_S = 0.5
_PATIENCE_S = 120.0


async def follow(client: AsyncAtlas, operation: Operation, *, quiet: bool, until: Callable[[Operation], bool]) -> Operation:
    """Waits until `until` holds of an operation, or it has ended; returns it as it is then.

    Raises:
        DependencyDownError: The gateway, or memory behind it, was away for two minutes.
    """
    with tqdm(
        total=operation.total or None, unit="memory", desc=operation.kind, disable=True if quiet else None, dynamic_ncols=True
    ) as bar:
        while operation.runs and not until(operation):
            await asyncio.sleep(_POLL_S)
            operation = await _operation(client, operation.operation_id)
            bar.total = operation.total
            bar.n = operation.done
            bar.set_postfix(phase=operation.phase, failed=operation.failed, refresh=True)
    return operation


async def _operation(client: AsyncAtlas, operation_id: str) -> Operation:
    attempts = AsyncRetrying(
        retry=retry_if_exception_type((DependencyDownError, DeadlineError)),
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_fixed(_POLL_S),
        reraise=True,
    )

    async def ask() -> Operation:
        return await client.administration.operation(operation_id)

    return await attempts(ask)


def print_operation(operation: Operation) -> None:
    """Prints how an operation stands, for people."""
    console.print(
        f"{operation.kind} {operation.operation_id} of {operation.collection}: {operation.state.value}"
        f"{f' ({operation.phase})' if operation.phase else ''}, {operation.done} of {operation.total} memories, {operation.failed} failed"
    )
    for error in operation.last_errors:
        print_error(error.message)
    if operation.error is not None:
        print_error(f"it failed: {operation.error.message}")
