"""Groups of a stream, handled at the same time and given in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest

from gateway.grouping import GroupRule, handled_in_groups


def rule(*, max_count: int = 64, max_size: int = 1_000, linger_s: float = 0.0) -> GroupRule[str]:
    return GroupRule(max_count=max_count, max_size=max_size, size_of=len, key_of=lambda item: item[:1], linger_s=linger_s)


async def stream(items: Iterable[str]) -> AsyncIterator[str]:
    for item in items:
        yield item


class Recorder:
    """Works on groups and remembers them."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.running = 0
        self.most_running = 0

    async def __call__(self, group: Sequence[str]) -> Sequence[str]:
        self.groups.append(list(group))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        return [item.upper() for item in group]


async def given(items: AsyncIterator[str], of: GroupRule[str], work: Recorder, flight_count: int = 2) -> list[str]:
    return [result async for result in handled_in_groups(items, of, work, flight_count=flight_count)]


async def test_everything_is_given_in_order() -> None:
    items = [chr(ord("a") + number % 26) + str(number) for number in range(200)]
    assert await given(stream(items), rule(max_count=7), Recorder(), 3) == [item.upper() for item in items]


async def test_an_empty_stream_gives_nothing() -> None:
    assert await given(stream([]), rule(), Recorder()) == []


async def test_a_group_holds_no_more_than_its_count_and_size() -> None:
    work = Recorder()
    await given(stream(["a", "b", "c", "dddd", "e"]), rule(max_count=2, max_size=4, linger_s=1.0), work)
    assert work.groups == [["a", "b"], ["c"], ["dddd"], ["e"]]


async def test_what_is_too_large_is_a_group_of_its_own() -> None:
    work = Recorder()
    await given(stream(["a", "bbbbbbbb", "c"]), rule(max_size=4, linger_s=1.0), work)
    assert work.groups == [["a"], ["bbbbbbbb"], ["c"]]


async def test_one_key_never_comes_twice_in_a_group() -> None:
    work = Recorder()
    await given(stream(["a1", "b1", "a2"]), rule(linger_s=1.0), work)
    assert work.groups == [["a1", "b1"], ["a2"]]


async def test_an_incomplete_group_does_not_wait_for_the_end_of_the_stream() -> None:
    more = asyncio.Event()

    async def halting() -> AsyncIterator[str]:
        yield "a"
        await more.wait()
        yield "b"

    results = handled_in_groups(halting(), rule(), Recorder(), flight_count=2)
    assert await anext(results) == "A"
    more.set()
    assert [result async for result in results] == ["B"]


async def test_an_item_that_comes_while_a_group_is_handed_over_is_not_the_end() -> None:
    third_comes = asyncio.Event()

    async def turns() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def items() -> AsyncIterator[str]:
        yield "a"
        await turns()  # "a" is under way
        yield "b"
        await turns()  # the group of "b" waits for that of "a"
        third_comes.set()
        yield "c"

    async def work(group: Sequence[str]) -> Sequence[str]:
        await third_comes.wait()
        await turns()
        return group

    assert [item async for item in handled_in_groups(items(), rule(), work, flight_count=1)] == ["a", "b", "c"]


async def test_groups_of_one_key_are_handled_one_after_another() -> None:
    first_may_end = asyncio.Event()
    order: list[str] = []

    async def work(group: Sequence[str]) -> Sequence[str]:
        if group[0] == "a1":
            await first_may_end.wait()
        else:
            first_may_end.set() if group[0] == "b1" else None
        order.extend(group)
        return group

    items = handled_in_groups(stream(["a1", "a2", "b1"]), rule(max_count=1), work, flight_count=3)
    assert [item async for item in items] == ["a1", "a2", "b1"]
    assert order == ["b1", "a1", "a2"]


async def test_no_more_groups_are_under_way_than_allowed() -> None:
    work = Recorder()
    read = 0

    async def counted() -> AsyncIterator[str]:
        nonlocal read
        for number in range(50):
            read += 1
            yield chr(ord("a") + number % 26)

    results = handled_in_groups(counted(), rule(max_count=1), work, flight_count=2)
    await anext(results)
    for _ in range(100):
        await asyncio.sleep(0)
    assert read <= 5  # one given, two under way, one that waits, one that was looked at
    await results.aclose()
    assert work.most_running <= 2


async def test_what_was_read_before_a_broken_stream_is_still_given() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        raise ValueError("broken")

    results = handled_in_groups(broken(), rule(linger_s=1.0), Recorder(), flight_count=2)
    assert [await anext(results), await anext(results)] == ["A", "B"]
    with pytest.raises(ValueError, match="broken"):
        await anext(results)


async def test_leaving_early_cancels_what_is_under_way() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work(group: Sequence[str]) -> Sequence[str]:
        if group == ["a"]:
            return group
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return group

    results = handled_in_groups(stream(["a", "b", "c"]), rule(max_count=1), work, flight_count=2)
    assert await anext(results) == "a"
    await begun.wait()
    await results.aclose()
    assert cancelled.is_set()
