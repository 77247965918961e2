"""Groups a stream, and handles several groups at a time in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class GroupRule(Generic[T]):
    """What may go together."""

    max_count: int
    """Items of a group."""
    max_size: int
    """Size of a group; a larger item is a group of its own."""
    size_of: Callable[[T], int]
    """Size of an item."""
    key_of: Callable[[T], str]
    """What must not come twice in a group; items of one key are handled in order."""
    linger_s: float
    """How long an incomplete group waits for the next item."""


async def handled_in_groups(
    items: AsyncIterator[T], rule: GroupRule[T], work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, flight_count: int
) -> AsyncGenerator[R]:
    """Gives what `work` makes of the items, in their order.

    Reads ahead no further than `flight_count` groups under way and one that waits. When reading fails, what was read before is
    still handled and given, and then the error raised.
    """
    started: asyncio.Queue[asyncio.Task[Sequence[R]] | None] = asyncio.Queue()
    free = asyncio.Semaphore(flight_count)
    running: set[asyncio.Task[Sequence[R]]] = set()

    async def start_all() -> None:
        order = _Order[T, R](rule.key_of, work)
        try:
            async with aclosing(_groups(items, rule)) as groups:
                async for group in groups:
                    await free.acquire()
                    task = asyncio.create_task(order.in_turn(group))
                    running.add(task)
                    started.put_nowait(task)
        finally:
            started.put_nowait(None)

    starter = asyncio.create_task(start_all())
    try:
        while (task := await started.get()) is not None:
            for result in await task:
                yield result
            running.discard(task)
            free.release()
        await starter
    finally:
        starter.cancel()
        for unfinished in running:
            unfinished.cancel()
        await asyncio.gather(starter, *running, return_exceptions=True)


class _Order(Generic[T, R]):
    """Lets a group wait for earlier ones that share a key with it."""

    def __init__(self, key_of: Callable[[T], str], work: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._key_of = key_of
        self._work = work
        self._last: dict[str, asyncio.Event] = {}

    def in_turn(self, group: Sequence[T]) -> Coroutine[None, None, Sequence[R]]:
        """Registers the group now and handles it when its turn has come."""
        keys = {self._key_of(item) for item in group}
        earlier = {self._last[key] for key in keys if key in self._last}
        finished = asyncio.Event()
        self._last.update(dict.fromkeys(keys, finished))
        return self._handle(group, keys, earlier, finished)

    async def _handle(self, group: Sequence[T], keys: set[str], earlier: set[asyncio.Event], finished: asyncio.Event) -> Sequence[R]:
        try:
            for event in earlier:
                await event.wait()
            return await self._work(group)
        finally:
            finished.set()
            for key in keys:
                if self._last.get(key) is finished:
                    del self._last[key]


async def _groups(items: AsyncIterator[T], rule: GroupRule[T]) -> AsyncGenerator[list[T]]:
    """Cuts a stream into groups; an error of the stream is raised after the group before it."""
    group: list[T] = []
    size, keys = 0, set[str]()
    upcoming = asyncio.ensure_future(_next(items))
    try:
        while True:
            await asyncio.wait((upcoming,), timeout=rule.linger_s if group else None)
            # Looked at once: the next item may come while the group before it is handed over.
            arrived, item = upcoming.done(), _item_of(upcoming)
            if group and (item is None or not _fits(rule, item, len(group), size, keys)):
                yield group
                group, size, keys = [], 0, set()
            if item is not None:
                group.append(item)
                size += rule.size_of(item)
                keys.add(rule.key_of(item))
                upcoming = asyncio.ensure_future(_next(items))
            elif arrived:
                upcoming.result()  # raises the error of the stream, if that is how it ended
                return
    finally:
        upcoming.cancel()


async def _next(items: AsyncIterator[T]) -> T | None:
    # None instead of StopAsyncIteration, which a task cannot raise.
    return await anext(items, None)


def _item_of(upcoming: asyncio.Future[T | None]) -> T | None:
    """Returns the next item if it is there; None while it is not, and at the end."""
    if not upcoming.done() or upcoming.exception() is not None:
        return None
    return upcoming.result()


def _fits(rule: GroupRule[T], item: T, count: int, size: int, keys: set[str]) -> bool:
    return count < rule.max_count and size + rule.size_of(item) <= rule.max_size and rule.key_of(item) not in keys
