"""Answers the frames of a stream a few at a time, each as soon as it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

Frame = TypeVar("Frame")
Answer = TypeVar("Answer")


async def pipelined(
    frames: AsyncIterator[Frame], answer: Callable[[Frame], Awaitable[Answer]], *, in_flight_count: int
) -> AsyncIterator[Answer]:
    """Yields the answers in order of completion.

    At most `in_flight_count` frames are in work; no further one is read before one of them is done, so that flow control reaches the
    sender. Leaving early cancels what is in work.
    """
    working: set[asyncio.Task[Answer]] = set()
    reading: asyncio.Task[Frame | None] | None = None
    more = True
    try:
        while more or working:
            if more and reading is None and len(working) < in_flight_count:
                reading = asyncio.create_task(_next(frames))
            await asyncio.wait({*working, *([reading] if reading else [])}, return_when=asyncio.FIRST_COMPLETED)
            if reading and reading.done():
                frame, reading = reading.result(), None
                if frame is None:
                    more = False
                else:
                    working.add(asyncio.create_task(_answered(answer, frame)))
            for task in [task for task in working if task.done()]:
                working.discard(task)
                yield task.result()
    finally:
        left = [*working, *([reading] if reading else [])]
        for unfinished in left:
            unfinished.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(frames: AsyncIterator[Frame]) -> Frame | None:
    return await anext(frames, None)


async def _answered(answer: Callable[[Frame], Awaitable[Answer]], frame: Frame) -> Answer:
    return await answer(frame)
