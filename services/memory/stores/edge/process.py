"""One engine process as its parent sees it: started, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from atlas.errors import AtlasError, DeadlineError, DependencyDownError, StartupError

from ..availability import RETRY_AFTER_MS
from . import protocol
from .conversation import Conversation
from .lanes import Lane


class NeverSentError(DependencyDownError):
    """The engine ended before it was sent the question, so another engine can be asked."""


ENGINE_MODULE = f"{__package__}.engine"
"""What the child process runs."""
_EXIT_WAIT_S = 5.0
"""Longest wait for a killed child; one that hangs in its disk ends only when the disk lets go of it."""


class EngineProcess:
    """A running engine; once it has ended, every call fails and a new one has to be started."""

    def __init__(self, conversation: Conversation, *, on_end: Callable[[], None]) -> None:
        """Takes over a child that has said that it is ready; `start` is the way to one."""
        self._conversation = conversation
        self._on_end = on_end
        self._end: str | None = None
        self._life = asyncio.create_task(self._live(), name="vector engine")

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        start_timeout_s: float,
        lock_wait_s: float,
        stall_limit_s: float,
        on_end: Callable[[], None],
        background: bool = False,
    ) -> EngineProcess:
        """Starts a child and waits until it holds its lock.

        Args:
            folder: The folder of the indexes.
            start_timeout_s: Seconds until it must be ready.
            lock_wait_s: Seconds of these that it may wait for a predecessor's lock.
            stall_limit_s: Seconds after which a child that does not answer is killed.
            on_end: Called once, at the moment from which on every call fails.
            background: Whether it dies with this process, even in mid-call.

        Raises:
            StartupError: It ended, or was not ready in time.
        """
        command = [sys.executable, "-P", "-m", ENGINE_MODULE, str(folder), "--lock-wait-ms", str(round(lock_wait_s * 1000))]
        conversation = await Conversation.begin([*command, *(["--background"] if background else [])], stall_limit_s=stall_limit_s)
        try:
            await _ready(conversation, start_timeout_s)
        except BaseException:
            await _kill(conversation)
            raise
        return cls(conversation, on_end=on_end)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._conversation.pid

    async def ask(self, call: protocol.Call, lane: Lane, *, timeout_s: float | None) -> msgspec.Raw:
        """Asks the engine and returns the bytes of its result.

        A question whose caller has left before it was sent is never sent.

        Raises:
            DeadlineError: The answer did not come in `timeout_s` seconds.
            NeverSentError: The engine ended before it was asked.
            DependencyDownError: The engine ended first; a write may have been applied.
            AtlasError: The engine refused the call.
        """
        if self._end is not None:
            raise _gone(NeverSentError, self._end)
        question = self._conversation.ask(lane, protocol.encode(call))
        try:
            async with asyncio.timeout(timeout_s):
                return protocol.result_of(await question.answer)
        except TimeoutError:
            raise DeadlineError(
                f"the vector engine did not answer within {(timeout_s or 0) * 1000:.0f} ms",
                wait_ms=round((timeout_s or 0) * 1000),
            ) from None
        finally:
            question.answer.cancel()

    async def ended(self) -> str:
        """Waits until the child has ended, for whatever reason, and returns the reason."""
        await asyncio.wait({self._life})
        return self._end or "it was stopped"

    async def stop(self, *, grace_s: float) -> None:
        """Lets the child flush and end by itself, then kills it; safe to call twice."""
        self._conversation.finish()
        await asyncio.wait({self._conversation.exited}, timeout=grace_s)
        await _kill(self._conversation)
        await asyncio.wait({self._life})

    async def _live(self) -> None:
        """Waits until the child can answer nothing any more, then ends it and fails what is unanswered."""
        conversation = self._conversation
        reason = "it was given up"
        try:
            reason = await asyncio.shield(conversation.broken)
            await _kill(conversation)
        finally:
            # Whatever went wrong before: nobody may wait for an answer that cannot come.
            self._end = end = f"{reason} (exit status {conversation.exit_status})"
            conversation.fail(lambda sent: _gone(DependencyDownError if sent else NeverSentError, end))
            self._on_end()


def _gone(kind: type[DependencyDownError], reason: str) -> DependencyDownError:
    return kind(
        f"the vector engine is away: {reason}",
        reason="ENGINE_DOWN",
        retry_after_ms=RETRY_AFTER_MS,
        cause=reason,
    )


async def _ready(conversation: Conversation, timeout_s: float) -> None:
    answer = conversation.ready.answer
    ends: set[asyncio.Future[Any]] = {answer, conversation.broken}
    await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        try:
            protocol.result_of(answer.result())
        except AtlasError as error:
            raise StartupError(error.message) from None
    elif conversation.broken.done():
        await asyncio.wait({conversation.exited}, timeout=_EXIT_WAIT_S)
        raise StartupError(f"the vector engine ended while starting (exit status {conversation.exit_status}); its reason is above")
    else:
        raise StartupError(f"the vector engine was not ready within {timeout_s:g} s (engine_start_timeout_ms)")


async def _kill(conversation: Conversation) -> None:
    with contextlib.suppress(ProcessLookupError):
        conversation.kill()
    await asyncio.wait({conversation.exited}, timeout=_EXIT_WAIT_S)
