"""Gathers the items of many calls into batches of a token budget and computes them on a few worker threads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from .batch_queue import BatchQueue, Entry
from .deadlines import Deadline
from .errors import DeadlineError, DependencyDownError, ModelFaultError, OverloadedError
from .lanes import BatchLimits, BatchObserver, Lane

__all__ = ["Answer", "BatchLimits", "BatchObserver", "Lane", "MicroBatcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_FIRST_GUESS_TOKENS_PER_S = 10_000.0
_RATE_MEMORY = 0.8
_MIN_RETRY_MS = 10
_MAX_RETRY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """Results of one call."""

    results: list[Result]
    """One result an item, in the order of the items."""
    queue_s: float
    """Seconds from the call to the start of its first batch."""
    compute_s: float
    """Seconds from there to the end of its last batch."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Result]):
    lane: Lane
    deadline: Deadline | None
    done: asyncio.Future[None]
    results: list[Any]
    pending_count: int
    queued_tokens: int
    submitted_s: float
    started_s: float | None = None
    finished_s: float = 0.0


@dataclass(slots=True)
class _LaneState(Generic[Item, Result]):
    queue: BatchQueue[Item, _Job[Result]] = field(default_factory=BatchQueue)
    tokens: int = 0
    busy: int = 0
    waiters: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)


class MicroBatcher(Generic[Item, Result]):
    """Batches across calls, in two lanes. An async context manager; all methods belong to its event loop.

    Interactive items go strictly before bulk items, except that bulk work older than `max_bulk_wait_ms` gets one batch. While there is
    interactive work, and shortly after, bulk work has one batch in flight at most, so that a worker stays free for queries.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        cost: Callable[[Item], int],
        workers: int,
        limits: BatchLimits | None = None,
        observer: BatchObserver | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates a batcher that is not yet running.

        Args:
            compute: Called in a worker thread with items, the most expensive first; returns one result an item, in that order. It may
                raise `ModelFaultError`: then each call's items are computed alone, so that only the call with the bad item fails.
            cost: Tokens of an item, at least 1.
            workers: Batches computed at the same time, each in its own thread.
            limits: Bounds; the defaults suit the `cpu` profile.
            observer: Is told of queues and batches.
            monotonic: Clock in seconds.
        """
        self._compute = compute
        self._cost = cost
        self._workers = workers
        self._limits = limits or BatchLimits()
        self._observer = observer or BatchObserver()
        self._monotonic = monotonic
        self._lanes: dict[Lane, _LaneState[Item, Result]] = {lane: _LaneState() for lane in Lane}
        self._tokens_per_s = _FIRST_GUESS_TOKENS_PER_S
        self._interactive_until_s = float("-inf")
        self._running: set[asyncio.Future[Any]] = set()
        self._closed = True
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="inference")
        self._closed = False
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        for state in self._lanes.values():
            for _, waiter in state.waiters:
                if not waiter.done():
                    waiter.set_exception(_closed())
            for entry in state.queue.take_all():
                self._fail(entry.owner, _closed())
        if self._running:
            await asyncio.wait(self._running)
        self._pool.shutdown()

    def queued_tokens(self, lane: Lane) -> int:
        """Returns how many tokens wait in a lane."""
        return self._lanes[lane].tokens

    @asynccontextmanager
    async def preparing(self, lane: Lane, tokens: int) -> AsyncIterator[None]:
        """Lets calls make their items one after the other, and refuses what `submit` would refuse before anything is spent on it.

        Args:
            lane: Queue of the items.
            tokens: The least that they may cost.

        Raises:
            OverloadedError: The queue is full; carries a delay after which there should be room.
        """
        self._check_room(lane, tokens)
        async with self._turn:
            # Those in front have taken their room by now.
            self._check_room(lane, tokens)
            yield

    async def submit(
        self, items: Sequence[Item], *, lane: Lane = Lane.INTERACTIVE, deadline: Deadline | None = None, wait: bool = False
    ) -> Answer[Result]:
        """Computes the items of one call, all or nothing.

        Cancelling the call drops what is still queued.

        Args:
            items: What to compute.
            lane: Queue.
            deadline: Items that are still queued then are dropped.
            wait: Whether to wait for room where the queue is full, instead of failing.

        Raises:
            OverloadedError: The queue is full; carries a delay after which there should be room.
            DeadlineError: The deadline passed before everything was computed.
            ModelFaultError: The model failed on one of these items.
            DependencyDownError: The batcher closes.
        """
        if self._closed:
            raise _closed()
        if not items:
            return Answer([], 0.0, 0.0)
        submitted_s = self._monotonic()
        costs = [self._cost(item) for item in items]
        await self._reserve(lane, sum(costs), deadline, wait=wait)
        job = self._enqueue(items, costs, lane, deadline, submitted_s)
        self._dispatch()
        try:
            await job.done
        finally:
            # Without effect on a finished job; a cancelled one leaves the queue here.
            self._forget(job)
        started = job.started_s if job.started_s is not None else job.finished_s
        return Answer(job.results, started - job.submitted_s, job.finished_s - started)

    def _check_room(self, lane: Lane, tokens: int) -> None:
        if not self._fits(lane, tokens):
            self._observer.refused(lane)
            raise self._overloaded(lane, tokens)

    async def _reserve(self, lane: Lane, tokens: int, deadline: Deadline | None, *, wait: bool) -> None:
        """Takes room in the queue, which `_start` or `_forget` gives back."""
        if self._fits(lane, tokens) and not self._lanes[lane].waiters:
            self._add_tokens(lane, tokens)
        elif wait:
            await self._wait_for_room(lane, tokens, deadline)
        else:
            self._observer.refused(lane)
            raise self._overloaded(lane, tokens)

    async def _wait_for_room(self, lane: Lane, tokens: int, deadline: Deadline | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes[lane].waiters.append((tokens, waiter))
        try:
            async with asyncio.timeout(None if deadline is None else deadline.remaining_s):
                await waiter
        except TimeoutError as error:
            self._stop_waiting(lane, tokens, waiter)
            raise DeadlineError(f"the deadline passed before the {lane.value} queue had room for {tokens} tokens", tokens=tokens) from error
        except asyncio.CancelledError:
            self._stop_waiting(lane, tokens, waiter)
            raise

    def _stop_waiting(self, lane: Lane, tokens: int, waiter: asyncio.Future[None]) -> None:
        state = self._lanes[lane]
        state.waiters = deque(entry for entry in state.waiters if entry[1] is not waiter)
        woken = waiter.done() and not waiter.cancelled() and waiter.exception() is None
        self._add_tokens(lane, -tokens if woken else 0)

    def _fits(self, lane: Lane, tokens: int) -> bool:
        waiting = self._lanes[lane].tokens
        return waiting == 0 or waiting + tokens <= self._limits.max_queue_tokens

    def _overloaded(self, lane: Lane, tokens: int) -> OverloadedError:
        waiting, limit = self._lanes[lane].tokens, self._limits.max_queue_tokens
        delay_ms = waiting / (self._tokens_per_s * self._workers) * 1000
        return OverloadedError(
            f"the {lane.value} queue holds {waiting} tokens and cannot take {tokens} more; {limit} are allowed",
            retry_after_ms=round(min(max(delay_ms, _MIN_RETRY_MS), _MAX_RETRY_MS)),
            queued_tokens=waiting,
            tokens=tokens,
            max_queue_tokens=limit,
        )

    def _enqueue(
        self, items: Sequence[Item], costs: Sequence[int], lane: Lane, deadline: Deadline | None, submitted_s: float
    ) -> _Job[Result]:
        job: _Job[Result] = _Job(
            lane=lane,
            deadline=deadline,
            done=asyncio.get_running_loop().create_future(),
            results=[None] * len(items),
            pending_count=len(items),
            queued_tokens=sum(costs),
            submitted_s=submitted_s,
        )
        if lane is Lane.INTERACTIVE:
            self._hold(submitted_s)
        self._lanes[lane].queue.push(Entry(item, cost, job, index) for index, (item, cost) in enumerate(zip(items, costs, strict=True)))
        return job

    def _dispatch(self) -> None:
        while not self._closed and len(self._running) < self._workers:
            lane = self._next_lane()
            if lane is None:
                return
            batch = self._lanes[lane].queue.take(self._budget(lane), self._dead)
            # A deadline may have passed between two items of one call.
            alive = [entry for entry in batch if not entry.owner.done.done()]
            if alive:
                self._start(lane, alive)

    def _next_lane(self) -> Lane | None:
        for state in self._lanes.values():
            state.queue.drop_head(self._dead)
        interactive, bulk = self._lanes[Lane.INTERACTIVE], self._lanes[Lane.BULK]
        head = bulk.queue.head
        now = self._monotonic()
        overdue = head is not None and bulk.busy == 0 and (now - head.owner.submitted_s) * 1000 >= self._limits.max_bulk_wait_ms
        if len(interactive.queue) and not overdue:
            return Lane.INTERACTIVE
        held = len(interactive.queue) > 0 or interactive.busy > 0 or now < self._interactive_until_s
        if head is None or (held and bulk.busy > 0):
            return None
        return Lane.BULK

    def _budget(self, lane: Lane) -> int:
        if lane is Lane.BULK:
            return self._limits.max_batch_tokens
        share = -(-self._lanes[lane].tokens // self._workers)
        return min(max(share, self._limits.min_batch_tokens), self._limits.max_batch_tokens)

    def _start(self, lane: Lane, batch: list[Entry[Item, _Job[Result]]]) -> None:
        now = self._monotonic()
        for entry in batch:
            entry.owner.queued_tokens -= entry.cost
            if entry.owner.started_s is None:
                entry.owner.started_s = now
        self._lanes[lane].busy += 1
        self._add_tokens(lane, -sum(entry.cost for entry in batch))
        future = asyncio.wrap_future(self._pool.submit(self._compute, [entry.item for entry in batch]))
        self._running.add(future)
        future.add_done_callback(partial(self._finished, lane, batch, now))

    def _finished(
        self, lane: Lane, batch: list[Entry[Item, _Job[Result]]], started_s: float, future: asyncio.Future[Sequence[Result]]
    ) -> None:
        self._running.discard(future)
        now = self._monotonic()
        self._lanes[lane].busy -= 1
        if lane is Lane.INTERACTIVE:
            self._hold(now)
        error = future.exception()
        if error is None:
            self._measure(lane, batch, now - started_s)
            for entry, result in zip(batch, future.result(), strict=True):
                self._settle(entry, result, now)
        elif isinstance(error, ModelFaultError) and len({id(entry.owner) for entry in batch}) > 1:
            self._compute_apart(lane, batch)
        else:
            for entry in batch:
                self._fail(entry.owner, error)
        self._dispatch()

    def _compute_apart(self, lane: Lane, batch: list[Entry[Item, _Job[Result]]]) -> None:
        """Computes the items of each call alone; beyond `workers` for this rare moment, the pool queues them."""
        jobs = {id(entry.owner): entry.owner for entry in batch if not entry.owner.done.done()}
        for job in jobs.values():
            own = [entry for entry in batch if entry.owner is job]
            self._add_tokens(lane, sum(entry.cost for entry in own))
            job.queued_tokens += sum(entry.cost for entry in own)
            self._start(lane, own)

    def _settle(self, entry: Entry[Item, _Job[Result]], result: Result, now: float) -> None:
        job = entry.owner
        job.results[entry.index] = result
        job.pending_count -= 1
        job.finished_s = now
        if job.pending_count == 0 and not job.done.done():
            job.done.set_result(None)

    def _dead(self, entry: Entry[Item, _Job[Result]]) -> bool:
        job = entry.owner
        if not job.done.done() and job.deadline is not None and job.deadline.expired:
            self._fail(job, DeadlineError("the deadline passed while the request waited for a worker"))
        if job.done.done():
            self._observer.dropped(job.lane, 1)
        return job.done.done()

    def _fail(self, job: _Job[Result], error: BaseException) -> None:
        if not job.done.done():
            job.done.set_exception(error)
        self._forget(job)

    def _forget(self, job: _Job[Result]) -> None:
        """Gives the queue room of a finished job back; its queued items are skipped when their turn comes."""
        if job.queued_tokens:
            tokens, job.queued_tokens = job.queued_tokens, 0
            self._add_tokens(job.lane, -tokens)

    def _add_tokens(self, lane: Lane, tokens: int) -> None:
        self._lanes[lane].tokens += tokens
        self._observer.queued(lane, self._lanes[lane].tokens)
        if tokens <= 0:
            self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        state = self._lanes[lane]
        while state.waiters and self._fits(lane, state.waiters[0][0]):
            tokens, waiter = state.waiters.popleft()
            if not waiter.done():
                self._add_tokens(lane, tokens)
                waiter.set_result(None)

    def _hold(self, now: float) -> None:
        self._interactive_until_s = now + self._limits.interactive_hold_ms / 1000

    def _measure(self, lane: Lane, batch: list[Entry[Item, _Job[Result]]], seconds: float) -> None:
        tokens = sum(entry.cost for entry in batch)
        self._observer.computed(lane, len(batch), tokens, seconds)
        if seconds > 0:
            self._tokens_per_s = _RATE_MEMORY * self._tokens_per_s + (1 - _RATE_MEMORY) * tokens / seconds


def _closed() -> DependencyDownError:
    return DependencyDownError("the service is stopping", reason="DRAINING", retry_after_ms=1000)
