"""One service under load, and how to wait for its callers while it dies and comes back."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, TypeVar

import grpc.aio

from services.memory.persistence.locks import hold
from tests.rpc.memory_part import Memory, create, spaces

from ..expected import CALL_S, COLLECTION, OUTAGE, State, ViolationError
from ..oracle import Tally
from ..part import Part
from .keeper import Keeper

T = TypeVar("T")

PATIENCE_S = 60.0
_MOST_ENDS = 2
"""How often a service may end by itself until it serves."""


class Ground:
    """A part, its callers, and what they know."""

    def __init__(self, part: Part, memory: Memory, seed: int, callers: int, clock: Callable[[], float] = time.time) -> None:
        self.part = part
        self.memory = memory
        self.chance = random.Random(f"{seed} matrix")
        self.tally = Tally()
        self.callers = [
            Keeper(memory, self.tally, f"c{number}", random.Random(f"{seed} {number}"), clock, names=60, most=60, search_share=0.15)
            for number in range(callers)
        ]
        self.folded = False
        """Whether events of this folder are in checkpoints, which no repetition of the calls would bring about."""
        self._ended_by_itself = 0
        self._work: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Has the callers call; they stand still until `go_on`."""
        self._work = [asyncio.create_task(caller.work()) for caller in self.callers]

    async def end(self) -> None:
        """Ends the callers."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    @property
    def state(self) -> State:
        """What all callers together had acknowledged."""
        return {name: known for caller in self.callers for name, known in caller.state.items()}

    async def go_on(self, count: int) -> None:
        """Lets the callers call, and waits for some more acknowledgements, and then for a moment that none of them marks."""
        for caller in self.callers:
            caller.running.set()

        async def reached() -> None:
            goal = self.tally.acknowledged + count
            while self.tally.acknowledged < goal:  # noqa: ASYNC110 - an event for each acknowledgement would cost more
                await asyncio.sleep(0.002)

        await self.waited(reached(), "progress")
        await asyncio.sleep(self.chance.uniform(0.0, 0.01))

    async def pause(self, when: str) -> None:
        """Waits until every caller has its answer and stands still."""
        await self.waited(asyncio.gather(*(caller.pause() for caller in self.callers)), f"callers {when}")

    async def waited(self, condition: Awaitable[Any], what: str) -> None:
        """Waits, but not for ever, and for no service whose callers were told something wrong; starts it where a kill ended it."""
        task = asyncio.ensure_future(condition)
        give_up = time.monotonic() + PATIENCE_S
        try:
            while not task.done():
                await asyncio.wait([task, *self._work], timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                self.raise_ended()
                if time.monotonic() > give_up:
                    raise ViolationError(f"{what}: nothing happened for {PATIENCE_S:.0f} s")
                await self.revive()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        task.result()

    def raise_ended(self) -> None:
        """Raises what ended a caller."""
        for task in self._work:
            if task.done():
                task.result()

    async def answered(self, method: Callable[..., Awaitable[Any]], request: Any, *, timeout_s: float = CALL_S) -> Any:
        """Makes a call until it is answered, and starts the service where it is down."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self.tried(method, request, timeout_s=timeout_s)
            except grpc.aio.AioRpcError as error:
                if error.code() not in OUTAGE:
                    raise
                if time.monotonic() > give_up:
                    raise ViolationError(f"{type(request).__name__} was not answered for {PATIENCE_S:.0f} s: {error.details()}") from error
            await asyncio.sleep(0.02)

    async def tried(self, method: Callable[..., Awaitable[Any]], request: Any, *, timeout_s: float = CALL_S) -> Any:
        """Makes a call once, and starts the service before it where it is down."""
        self.raise_ended()
        await self.revive()
        return await method(request, timeout=timeout_s)

    async def looked(self, look: Callable[[], Awaitable[T]]) -> T:
        """Looks at what is there, once more where a kill came in between."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            await self.serving()
            try:
                return await look()
            except grpc.aio.AioRpcError as error:
                if error.code() not in OUTAGE or time.monotonic() > give_up:
                    raise

    async def revive(self) -> None:
        """Starts the service where it is down; does not wait until it serves.

        Raises:
            ViolationError: It ended by itself, and so it did before.
        """
        if self.part.alive:
            return
        status = None if self.part.ended is None else self.part.ended.result()
        if status not in (None, 0, -signal.SIGKILL):
            # One whose engine is killed before it has ever served ends too; whoever supervises it starts it again.
            self._ended_by_itself += 1
            if self._ended_by_itself > _MOST_ENDS:
                raise ViolationError(f"the service ended by itself ({status}): {self.part.log.read_text().splitlines()[-2:]}")
        await self.part.start()

    async def serving(self) -> None:
        """Waits until it serves, and starts it where it is down."""
        give_up = time.monotonic() + PATIENCE_S
        self._ended_by_itself = 0
        while not await self.serves():
            self.raise_ended()
            await self.revive()
            if time.monotonic() > give_up:
                raise ViolationError(f"the service does not serve after {PATIENCE_S:.0f} s: {self.part.log.read_text().splitlines()[-3:]}")

    async def serves(self) -> bool:
        """Says whether it serves now."""
        try:
            await self.part.serving(self.memory.channel, seconds=0.05)
        except Exception:  # noqa: BLE001 - any failure is the same answer
            return False
        return True

    async def clear(self) -> None:
        """Ends the service and empties its folder."""
        if self.part.ended is not None:
            await self.pause("before a fresh start")
            await self.part.kill()
            # An engine whose front died closes its indexes first.
            engine = self.part.folder / "engine"
            with hold(engine / "engine.lock", wait_s=PATIENCE_S) if engine.exists() else nullcontext():
                pass
        for caller in self.callers:
            caller.begin_anew({})
            caller.log.clear()
        self.folded = False
        shutil.rmtree(self.part.folder, ignore_errors=True)

    async def fresh(self) -> None:
        """Begins with an empty folder."""
        await self.clear()
        await self.part.start()
        await self.create(COLLECTION)

    async def create(self, collection: str, **options: Any) -> None:
        """Creates a collection, and starts the service where it is down."""
        while True:
            await self.revive()
            try:
                await create(self.memory, collection, spaces=spaces(**options))
            except grpc.aio.AioRpcError as error:
                if error.code() not in OUTAGE:
                    raise
                await asyncio.sleep(0.02)
            else:
                return
