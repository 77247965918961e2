"""One engine process as its parent sees it: started, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from atlas.errors import AtlasError, DeadlineError, DependencyDownError, StartupError

from ..availability import RETRY_AFTER_MS
from . import protocol
from .lanes import Lane, Lanes


class NeverSentError(DependencyDownError):
    """The engine ended before it was sent the question, so another engine can be asked."""


ENGINE_MODULE = f"{__package__}.engine"
"""What the child process runs."""
_READ_BUFFER_BYTES = 1 << 20
_EXIT_WAIT_S = 5.0
"""Longest wait for a killed child; one that hangs in its disk ends only when the disk lets go of it."""

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Question:
    body: bytes
    sent: bool = False
    answer: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class EngineProcess:
    """A running engine; once it has ended, every call fails and a new one has to be started."""

    def __init__(self, process: asyncio.subprocess.Process, *, stall_limit_s: float, on_end: Callable[[], None]) -> None:
        """Takes over a child that has said that it is ready; `start` is the way to one."""
        self._process = process
        self._stdin, self._stdout = _pipes(process)
        self._stall_limit_s = stall_limit_s
        self._on_end = on_end
        self._lanes: Lanes[_Question] = Lanes()
        self._unanswered: set[_Question] = set()
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
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", ENGINE_MODULE, str(folder)),
            *("--lock-wait-ms", str(round(lock_wait_s * 1000))),
            *(["--background"] if background else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_READ_BUFFER_BYTES,
        )
        try:
            await _ready(process, start_timeout_s)
        except BaseException:
            await _kill(process)
            raise
        return cls(process, stall_limit_s=stall_limit_s, on_end=on_end)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

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
        question = _Question(protocol.encode(call))
        self._unanswered.add(question)
        self._lanes.put(lane, question)
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
            self._unanswered.discard(question)

    async def ended(self) -> str:
        """Waits until the child has ended, for whatever reason, and returns the reason."""
        await asyncio.wait({self._life})
        return self._end or "it was stopped"

    async def stop(self, *, grace_s: float) -> None:
        """Lets the child flush and end by itself, then kills it; safe to call twice."""
        self._stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        await _kill(self._process)
        await asyncio.wait({self._life})

    async def _live(self) -> None:
        """Talks with the child until either of them ends, then fails what is unanswered."""
        talk = asyncio.create_task(self._talk(), name="vector engine pipe")
        exited = asyncio.create_task(self._process.wait(), name="vector engine exit")
        try:
            await asyncio.wait({talk, exited}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reason = _why_ended(talk)
            talk.cancel()
            try:
                await _kill(self._process)
            finally:
                # Whatever went wrong before: nobody may wait for an answer that cannot come.
                self._fail(f"{reason} (exit status {self._process.returncode})")
            exited.cancel()
            await asyncio.wait({talk, exited})

    async def _talk(self) -> str:
        """Asks one question after the other; returns why it could not go on."""
        try:
            while True:
                question = await self._lanes.next()
                if question.answer.done():
                    continue
                async with asyncio.timeout(self._stall_limit_s):
                    question.sent = True
                    body = await self._exchange(question.body)
                if not question.answer.done():
                    question.answer.set_result(body)
        except TimeoutError:
            return f"it did not answer within {self._stall_limit_s:g} s and was killed"
        except (OSError, EOFError, ValueError, RuntimeError) as error:  # uvloop has RuntimeError for a pipe that was closed
            return f"its pipe failed: {error or type(error).__name__}"

    async def _exchange(self, body: bytes) -> bytes:
        self._stdin.writelines(protocol.framed(body))
        await self._stdin.drain()
        return await _frame(self._stdout)

    def _fail(self, reason: str) -> None:
        self._end = reason
        for question in self._unanswered:
            if not question.answer.done():
                kind = DependencyDownError if question.sent else NeverSentError
                question.answer.set_exception(_gone(kind, reason))
        self._on_end()


def _why_ended(talk: asyncio.Task[str]) -> str:
    if not talk.done() or talk.cancelled():
        return "it ended"
    error = talk.exception()
    if error is None:
        return talk.result()
    _LOG.error("talking to the vector engine failed", exc_info=error)
    return f"talking to it failed: {error or type(error).__name__}"


def _gone(kind: type[DependencyDownError], reason: str) -> DependencyDownError:
    return kind(
        f"the vector engine is away: {reason}",
        reason="ENGINE_DOWN",
        retry_after_ms=RETRY_AFTER_MS,
        cause=reason,
    )


def _pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the engine has to be started with pipes")
    return process.stdin, process.stdout


async def _frame(stream: asyncio.StreamReader) -> bytes:
    header = await stream.readexactly(protocol.HEADER.size)
    return await stream.readexactly(protocol.body_length(header))


async def _ready(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    _, stdout = _pipes(process)
    try:
        async with asyncio.timeout(timeout_s):
            protocol.result_of(await _frame(stdout))
    except TimeoutError:
        raise StartupError(f"the vector engine was not ready within {timeout_s:g} s (engine_start_timeout_ms)") from None
    except EOFError:
        status = await process.wait()
        raise StartupError(f"the vector engine ended while starting (exit status {status}); its reason is above") from None
    except AtlasError as error:
        raise StartupError(error.message) from None


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_EXIT_WAIT_S):
            await process.wait()
