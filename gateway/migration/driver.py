"""Works on operations beside the calls: one at a time, from where they are, until nothing is left to do."""

from __future__ import annotations

import asyncio
import logging

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, ConflictError, InvalidInputError, ModelFaultError, NotFoundError

from ..clients.generations import GenerationClient, Task
from ..embedders import Embedders
from ..memories import Scope
from .filling import GenerationFiller
from .switching import Switcher

_PAGE = 64
_LEASE_S = 15.0
_STEP_S = 30.0
"""Longest that one page may take."""
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


class MigrationDriver:
    """Keeps asking memory for work. Memory keeps how far it is, so a driver may end at any point and another one goes on."""

    def __init__(
        self,
        generations: GenerationClient,
        filler: GenerationFiller,
        switcher: Switcher,
        embedders: Embedders,
        *,
        scope: Scope,
        driver: str,
        poll_s: float,
    ) -> None:
        """Works for the tenant of `scope` under the name `driver`, and looks for work every `poll_s` seconds."""
        self._generations = generations
        self._filler = filler
        self._switcher = switcher
        self._embedders = embedders
        self._scope = scope
        self._driver = driver
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._failure = ""

    def wake(self) -> None:
        """Has the driver look for work now."""
        self._woken.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        pause_s = _FIRST_PAUSE_S
        learned = False
        while True:
            try:
                if not learned:
                    await self._embedders.learn_migrated(self._scope, deadline=Deadline.after(_STEP_S))
                    learned = True
                idle = not await self._step()
            except AtlasError as error:
                self._note(error)
                await self._rest(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._failure, pause_s = "", _FIRST_PAUSE_S
                if idle:
                    await self._rest(self._poll_s)

    async def _step(self) -> bool:
        """Does a page of work; returns whether there was any."""
        deadline = Deadline.after(_STEP_S)
        task = await self._generations.claim(self._scope, self._driver, lease_s=_LEASE_S, deadline=deadline)
        if task is None:
            return False
        try:
            return await self._work(task, deadline)
        except (NotFoundError, ConflictError):
            return False  # it has ended meanwhile, or writes left no gap: the next look tells
        except (InvalidInputError, ModelFaultError) as error:
            # The model gives what no generation can hold: trying again cannot help.
            await self._generations.report(self._scope, task.operation_id, error, final=True, deadline=deadline)
            return True
        except AtlasError as error:
            await self._generations.report(self._scope, task.operation_id, error, final=False, deadline=Deadline.after(_STEP_S))
            raise

    async def _work(self, task: Task, deadline: Deadline) -> bool:
        due = await self._generations.due(self._scope, task.operation_id, count=_PAGE, deadline=deadline)
        if due.memories:
            await self._filler.fill(self._scope, due.task, due.memories, deadline=deadline)
            return True
        if due.due_count == 0 and task.switch_when_filled:
            await self._switcher.switch(self._scope, task.collection, force=False, deadline=deadline)
            return True
        return False

    def _note(self, error: AtlasError) -> None:
        # Once a reason: a part that is away for an hour is one line, not thousands.
        if error.reason != self._failure:
            self._failure = error.reason
            logger.warning("an operation does not get on; it is tried again", extra={"reason": error.reason})

    async def _rest(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
