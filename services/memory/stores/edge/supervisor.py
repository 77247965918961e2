"""Keeps an engine process running: starts it, and starts it again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from atlas.errors import AtlasError, DependencyDownError, StartupError

from ...store import StoreState
from ..availability import Availability
from .lanes import Lane
from .process import EngineProcess, NeverSentError
from .protocol import Call

_LOG = logging.getLogger(__name__)

Prepare = Callable[[EngineProcess], Awaitable[None]]
"""Brings a fresh engine to where its predecessor was."""

ATTEMPTS_BEFORE_DOWN = 3
"""Failed starts in a row after which the store calls itself DOWN; it goes on trying."""
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Times of an engine's life, in seconds."""

    start_timeout_s: float
    """Until a starting engine must be ready."""
    lock_wait_s: float
    """Of these, for a predecessor that still holds the lock."""
    stall_limit_s: float
    """After which an engine that does not answer is killed."""
    restart_wait_s: float
    """Most that a call waits for a restart."""
    stop_grace_s: float
    """For the last flush."""


class Supervisor:
    """Owns the engine process of one folder."""

    def __init__(self, folder: Path, limits: EngineLimits, prepare: Prepare) -> None:
        """Starts nothing yet.

        Args:
            folder: The folder of the indexes.
            limits: Times of the engine's life.
            prepare: Called with every engine but the first, before it serves.
        """
        self._folder = folder
        self._limits = limits
        self._prepare = prepare
        self._availability = Availability(wait_s=limits.restart_wait_s)
        self._process: EngineProcess | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def state(self) -> StoreState:
        """Whether the engine answers now."""
        return self._availability.state

    @property
    def engine_pid(self) -> int | None:
        """Process id of the current engine; None between two of them."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts the first engine and the watch over it.

        Raises:
            StartupError: The engine did not start; nothing is left running.
        """
        process = await self._spawn()
        self._serve(process)
        self._watch = asyncio.create_task(self._keep_running(process), name="vector engine watch")

    async def stop(self) -> None:
        """Ends watch and engine; the engine flushes first."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._availability.become(StoreState.DOWN)
        if self._process is not None:
            await self._process.stop(grace_s=self._limits.stop_grace_s)

    async def ask(self, call: Call, lane: Lane, *, timeout_s: float | None) -> msgspec.Raw:
        """Asks the engine, waiting a short while for one that restarts.

        Raises:
            DeadlineError: The answer did not come in time.
            DependencyDownError: The engine is away, or ended before it answered.
        """
        clock = asyncio.get_running_loop().time
        end_s = None if timeout_s is None else clock() + timeout_s
        while True:
            await self._availability.serving(timeout_s=_left(end_s, clock()))
            process = self._process
            if process is None:
                raise DependencyDownError("the vector engine is not running", reason="ENGINE_DOWN")
            with contextlib.suppress(NeverSentError):
                return await process.ask(call, lane, timeout_s=_left(end_s, clock()))

    async def _spawn(self) -> EngineProcess:
        return await EngineProcess.start(
            self._folder,
            start_timeout_s=self._limits.start_timeout_s,
            lock_wait_s=self._limits.lock_wait_s,
            stall_limit_s=self._limits.stall_limit_s,
            on_end=self._note_end,
        )

    def _serve(self, process: EngineProcess) -> None:
        self._process = process
        self._availability.become(StoreState.SERVING)

    async def _keep_running(self, process: EngineProcess) -> None:
        while True:
            reason = await process.ended()
            self._process = None
            _LOG.warning("vector engine ended", extra={"cause": reason, "pid": process.pid})
            process = await self._restarted()
            self._serve(process)
            _LOG.info("vector engine serves again", extra={"pid": process.pid})

    async def _restarted(self) -> EngineProcess:
        attempts = AsyncRetrying(
            # Whatever keeps an engine from coming back is logged and tried again: nobody else can.
            retry=retry_if_exception_type(Exception),
            wait=wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            before_sleep=self._note_failure,
        )
        async for attempt in attempts:
            with attempt:
                return await self._spawn_prepared()
        raise DependencyDownError("the vector engine was given up")  # not reached: no stop rule

    async def _spawn_prepared(self) -> EngineProcess:
        process = await self._spawn()
        try:
            await self._prepare(process)
        except BaseException:
            await process.stop(grace_s=self._limits.stop_grace_s)
            raise
        return process

    def _note_end(self) -> None:
        """Has calls wait from the very moment on, not only once the watch gets its turn."""
        if self.state is StoreState.SERVING:
            self._availability.become(StoreState.RESTARTING)

    def _note_failure(self, state: RetryCallState) -> None:
        if state.attempt_number >= ATTEMPTS_BEFORE_DOWN:
            self._availability.become(StoreState.DOWN)
        error = state.outcome.exception() if state.outcome is not None else None
        _LOG.error(
            "vector engine did not come back",
            exc_info=error,
            # Logs leave out the messages of exceptions; ours never quote a text.
            extra={"attempt": state.attempt_number, "cause": str(error) if isinstance(error, StartupError | AtlasError) else ""},
        )


def _left(end_s: float | None, now_s: float) -> float | None:
    return None if end_s is None else max(0.0, end_s - now_s)
