"""Frames of a stream, answered a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.embedder.pipeline import pipelined


class Frames:
    """Gives numbers and counts how many were read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(self.count):
            self.read += 1
            yield number


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_answers_come_in_order_of_completion() -> None:
    gates = [asyncio.Event() for _ in range(3)]

    async def answer(number: int) -> int:
        await gates[number].wait()
        return number

    answers = pipelined(aiter(Frames(3)), answer, in_flight_count=3)
    found = []
    for number in (2, 0, 1):
        gates[number].set()
        found.append(await anext(answers))
    assert found == [2, 0, 1]
    assert [number async for number in answers] == []


async def test_no_frames_give_no_answers() -> None:
    async def answer(number: int) -> int:
        return number

    assert [one async for one in pipelined(aiter(Frames(0)), answer, in_flight_count=2)] == []


async def test_reading_stops_while_enough_frames_are_in_work() -> None:
    gate = asyncio.Event()
    working = 0

    async def answer(number: int) -> int:
        nonlocal working
        working += 1
        await gate.wait()
        return number

    frames = Frames(10)
    answers = pipelined(aiter(frames), answer, in_flight_count=3)
    first = asyncio.ensure_future(anext(answers))
    await settled()
    assert working == 3
    assert frames.read == 3
    gate.set()
    assert sorted([await first, *[number async for number in answers]]) == list(range(10))


async def test_a_bug_in_an_answer_ends_the_stream_and_cancels_the_rest() -> None:
    cancelled = asyncio.Event()

    async def answer(number: int) -> int:
        if number == 1:
            raise RuntimeError("a bug")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return number

    with pytest.raises(RuntimeError, match="a bug"):
        async for _ in pipelined(aiter(Frames(2)), answer, in_flight_count=2):
            pass
    assert cancelled.is_set()


async def test_leaving_early_cancels_what_is_in_work() -> None:
    cancelled = asyncio.Event()

    async def answer(number: int) -> int:
        if number == 0:
            return number
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return number

    answers = pipelined(aiter(Frames(2)), answer, in_flight_count=2)
    assert await anext(answers) == 0
    await settled()
    await answers.aclose()  # type: ignore[attr-defined]
    assert cancelled.is_set()
