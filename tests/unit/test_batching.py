"""Batches across calls: budgets, lanes, bounds, and work that is dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from atlas.batching import Answer, BatchLimits, BatchObserver, Lane, MicroBatcher
from atlas.clock import FakeClock
from atlas.deadlines import Deadline
from atlas.errors import DeadlineError, DependencyDownError, ModelFaultError, OverloadedError


class FakeModel:
    """Doubles numbers; computes only when it is told to, and remembers every batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.bad: set[int] = set()
        self._permits = threading.Semaphore(0)
        self._begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def compute(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self._loop.call_soon_threadsafe(self._begun.set)
        self._permits.acquire()
        if self.bad & set(items):
            raise ModelFaultError("a bad item")
        return [2 * item for item in items]

    async def until_batches(self, count: int) -> None:
        while len(self.batches) < count:
            await self._begun.wait()
            self._begun.clear()

    def allow(self, count: int) -> None:
        self._permits.release(count)


class Recorder(BatchObserver):
    def __init__(self) -> None:
        self.drops = 0
        self.refusals = 0

    def dropped(self, lane: Lane, item_count: int) -> None:
        self.drops += item_count

    def refused(self, lane: Lane) -> None:
        self.refusals += 1


@asynccontextmanager
async def running(
    *, workers: int = 1, clock: FakeClock | None = None, observer: BatchObserver | None = None, **limits: int
) -> AsyncIterator[tuple[MicroBatcher[int, int], FakeModel]]:
    model = FakeModel()
    batcher = MicroBatcher(
        model.compute,
        cost=abs,
        workers=workers,
        limits=BatchLimits(**limits),
        observer=observer,
        monotonic=(clock or FakeClock()).monotonic,
    )
    async with batcher:
        try:
            yield batcher, model
        finally:
            model.allow(1000)


def start(
    batcher: MicroBatcher[int, int], items: Sequence[int], lane: Lane = Lane.INTERACTIVE, **options: object
) -> asyncio.Task[Answer[int]]:
    return asyncio.create_task(batcher.submit(items, lane=lane, **options))  # type: ignore[arg-type]


async def settled() -> None:
    """Lets every task run until it waits for something else."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_results_come_back_in_the_order_of_the_items() -> None:
    async with running() as (batcher, model):
        model.allow(9)
        answer = await batcher.submit([3, 300, 20])
        assert answer.results == [6, 600, 40]
        assert model.batches == [[300], [20, 3]]


async def test_no_items_are_answered_at_once() -> None:
    async with running() as (batcher, _):
        assert (await batcher.submit([])).results == []


async def test_calls_that_wait_are_computed_in_one_batch() -> None:
    async with running() as (batcher, model):
        first = start(batcher, [1])
        await model.until_batches(1)
        others = [start(batcher, [item]) for item in (5, 4, 3)]
        await settled()
        model.allow(2)
        assert [(await other).results for other in others] == [[10], [8], [6]]
        assert (await first).results == [2]
        assert model.batches == [[1], [5, 4, 3]]


async def test_one_interactive_call_is_spread_over_all_workers() -> None:
    async with running(workers=2, max_batch_tokens=1000, min_batch_tokens=100) as (batcher, model):
        call = start(batcher, [64] * 10)
        await model.until_batches(2)
        assert [len(batch) for batch in model.batches[:2]] == [5, 2]
        model.allow(100)
        assert (await call).results == [128] * 10


async def test_interactive_work_goes_before_bulk_work_that_came_earlier() -> None:
    async with running() as (batcher, model):
        blocker = start(batcher, [1])
        await model.until_batches(1)
        bulk = start(batcher, [7], Lane.BULK)
        await settled()
        interactive = start(batcher, [8])
        await settled()
        model.allow(3)
        await asyncio.gather(blocker, bulk, interactive)
        assert model.batches == [[1], [8], [7]]


async def test_overdue_bulk_work_goes_before_interactive_work() -> None:
    clock = FakeClock()
    async with running(clock=clock, max_bulk_wait_ms=1000) as (batcher, model):
        blocker = start(batcher, [1])
        await model.until_batches(1)
        bulk = start(batcher, [7], Lane.BULK)
        await settled()
        clock.advance(1.0)
        interactive = start(batcher, [8])
        await settled()
        model.allow(3)
        await asyncio.gather(blocker, bulk, interactive)
        assert model.batches == [[1], [7], [8]]


async def test_bulk_work_takes_all_workers_when_nobody_searches() -> None:
    async with running(workers=2, max_batch_tokens=100) as (batcher, model):
        bulk = start(batcher, [100, 100, 100], Lane.BULK)
        await model.until_batches(2)
        model.allow(3)
        await bulk


async def test_bulk_work_leaves_a_worker_free_for_a_while_after_a_search() -> None:
    clock = FakeClock()
    async with running(workers=2, clock=clock, max_batch_tokens=100, interactive_hold_ms=250) as (batcher, model):
        model.allow(1)
        await batcher.submit([1])
        bulk = start(batcher, [100] * 4, Lane.BULK)
        await model.until_batches(2)
        await settled()
        assert len(model.batches) == 2
        search = start(batcher, [2])
        await model.until_batches(3)
        assert model.batches[2] == [2]
        clock.advance(0.3)
        model.allow(100)
        await asyncio.gather(bulk, search)


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    observer = Recorder()
    async with running(max_queue_tokens=100, observer=observer) as (batcher, model):
        calls = [start(batcher, [1])]
        await model.until_batches(1)
        calls.append(start(batcher, [90]))
        await settled()
        with pytest.raises(OverloadedError) as refused:
            await batcher.submit([20])
        with pytest.raises(OverloadedError, match="cannot take 11 more"):
            async with batcher.preparing(Lane.INTERACTIVE, 11):
                pass
        async with batcher.preparing(Lane.INTERACTIVE, 10):
            pass
        async with batcher.preparing(Lane.BULK, 100):
            pass
        assert refused.value.values == {"queued_tokens": 90, "tokens": 20, "max_queue_tokens": 100}
        assert refused.value.retry_after_ms is not None
        assert refused.value.retry_after_ms >= 10
        assert observer.refusals == 2
        # The other lane has room of its own.
        calls.append(start(batcher, [20], Lane.BULK))
        await settled()
        model.allow(10)
        await asyncio.gather(*calls)


async def test_an_empty_queue_takes_a_call_of_any_size() -> None:
    async with running(max_queue_tokens=100) as (batcher, model):
        model.allow(9)
        assert (await batcher.submit([500])).results == [1000]


async def test_a_call_that_may_wait_is_taken_when_there_is_room() -> None:
    async with running(max_queue_tokens=100) as (batcher, model):
        calls = [start(batcher, [1], Lane.BULK)]
        await model.until_batches(1)
        calls += [start(batcher, [60], Lane.BULK, wait=True) for _ in range(3)]
        await settled()
        assert batcher.queued_tokens(Lane.BULK) == 60
        model.allow(10)
        assert [call.results for call in await asyncio.gather(*calls)] == [[2], [120], [120], [120]]
        assert batcher.queued_tokens(Lane.BULK) == 0


async def test_a_call_that_waits_for_room_ends_with_its_deadline() -> None:
    async with running(max_queue_tokens=100) as (batcher, model):
        calls = [start(batcher, [1]), start(batcher, [90])]
        await model.until_batches(1)
        await settled()
        with pytest.raises(DeadlineError):
            await batcher.submit([90], deadline=Deadline.after(0.01), wait=True)
        model.allow(10)
        await asyncio.gather(*calls)
        assert batcher.queued_tokens(Lane.INTERACTIVE) == 0


async def test_a_cancelled_call_costs_no_compute_and_gives_its_room_back() -> None:
    observer = Recorder()
    async with running(observer=observer) as (batcher, model):
        blocker = start(batcher, [1])
        await model.until_batches(1)
        left = start(batcher, [50, 60])
        await settled()
        left.cancel()
        await settled()
        assert batcher.queued_tokens(Lane.INTERACTIVE) == 0
        model.allow(5)
        await blocker
        await batcher.submit([3])
        assert model.batches == [[1], [3]]
        assert observer.drops == 2


async def test_a_call_cancelled_while_it_waits_for_room_leaves_nothing_behind() -> None:
    async with running(max_queue_tokens=100) as (batcher, model):
        calls = [start(batcher, [1]), start(batcher, [90])]
        await model.until_batches(1)
        waiting = start(batcher, [50], wait=True)
        behind = start(batcher, [5], wait=True)
        await settled()
        waiting.cancel()
        await settled()
        model.allow(10)
        await asyncio.gather(*calls, behind)
        assert batcher.queued_tokens(Lane.INTERACTIVE) == 0
        assert all(50 not in batch for batch in model.batches)


async def test_expired_work_is_dropped_before_it_costs_compute() -> None:
    clock = FakeClock()
    async with running(clock=clock) as (batcher, model):
        blocker = start(batcher, [1])
        await model.until_batches(1)
        late = start(batcher, [50], deadline=Deadline.after(1.0, monotonic=clock.monotonic))
        await settled()
        clock.advance(2.0)
        model.allow(5)
        await blocker
        with pytest.raises(DeadlineError):
            await late
        assert model.batches == [[1]]
        assert batcher.queued_tokens(Lane.INTERACTIVE) == 0


async def test_a_bad_item_fails_its_own_call_alone() -> None:
    async with running() as (batcher, model):
        model.bad = {13}
        blocker = start(batcher, [1])
        await model.until_batches(1)
        good, bad = start(batcher, [12, 11]), start(batcher, [13])
        await settled()
        model.allow(10)
        assert (await good).results == [24, 22]
        with pytest.raises(ModelFaultError):
            await bad
        await blocker


async def test_queue_and_compute_time_are_told_apart() -> None:
    clock = FakeClock()
    async with running(clock=clock) as (batcher, model):
        blocker = start(batcher, [1])
        await model.until_batches(1)
        call = start(batcher, [2])
        await settled()
        clock.advance(3.0)
        model.allow(1)
        await model.until_batches(2)
        clock.advance(0.5)
        model.allow(1)
        answer = await call
        assert (answer.queue_s, answer.compute_s) == (3.0, 0.5)
        await blocker


async def test_closing_ends_what_waits_and_finishes_what_runs() -> None:
    model = FakeModel()
    batcher = MicroBatcher(model.compute, cost=abs, workers=1, limits=BatchLimits(max_queue_tokens=10))
    async with batcher:
        running_call = start(batcher, [1])
        await model.until_batches(1)
        queued, waiting = start(batcher, [9]), start(batcher, [8], wait=True)
        await settled()
        model.allow(1)
    assert (await running_call).results == [2]
    for call in (queued, waiting):
        with pytest.raises(DependencyDownError):
            await call
    with pytest.raises(DependencyDownError):
        await batcher.submit([1])
