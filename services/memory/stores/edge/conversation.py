"""The pipes to a child process: questions go in one at a time, in the order of their lanes, and each waits for its answer.

Callbacks, not tasks: a search has the engine's answer in the very turn of the event loop in which it arrives.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from . import protocol
from .lanes import Lane, Lanes

_STDIN, _STDOUT = 0, 1


@dataclass(slots=True, eq=False)
class Question:
    """What is asked, and the answer as it comes."""

    body: bytes
    sent: bool = False
    answer: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Conversation(asyncio.SubprocessProtocol):
    """One child process: what is asked of it, and how it ended."""

    def __init__(self, *, stall_limit_s: float) -> None:
        """Made by `begin`; a child that does not answer a question for `stall_limit_s` seconds breaks the conversation."""
        loop = asyncio.get_running_loop()
        self.ready = Question(b"", sent=True)
        """The first frame, which the child sends unasked."""
        self._finished = False
        self.broken: asyncio.Future[str] = loop.create_future()
        """Done, with the reason, as soon as no further answer can come."""
        self.exited: asyncio.Future[None] = loop.create_future()
        """Done when the child has ended."""
        self._loop = loop
        self._stall_limit_s = stall_limit_s
        self._lanes: Lanes[Question] = Lanes()
        self._asked: Question | None = self.ready
        self._stall: asyncio.TimerHandle | None = None
        self._received = bytearray()
        self._open_pipes = {_STDIN, _STDOUT}
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def begin(cls, command: Sequence[str], *, stall_limit_s: float) -> Conversation:
        """Starts a child; it is ready once `ready` is answered."""
        make: Callable[[], Conversation] = lambda: cls(stall_limit_s=stall_limit_s)  # noqa: E731 - typed, for the call below is not
        _, conversation = await asyncio.get_running_loop().subprocess_exec(
            make, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
        )
        return conversation

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.get_pid()

    @property
    def exit_status(self) -> int | None:
        """How the child ended; None while it runs."""
        return self._child.get_returncode()

    def ask(self, lane: Lane, body: bytes) -> Question:
        """Puts a question into its lane. One whose answer is cancelled before it was sent is never sent."""
        question = Question(body)
        self._lanes.put(lane, question)
        self._go_on()
        return question

    def finish(self) -> None:
        """Closes the child's standard input, which asks it to end."""
        self._finished = True
        self._pipe(_STDIN).close()

    def kill(self) -> None:
        """Ends the child at once."""
        if self._child.get_returncode() is None:
            self._child.kill()

    def fail(self, error_of: Callable[[bool], Exception]) -> None:
        """Fails every question that waits; `error_of` says how, given whether it had been sent."""
        waiting = [] if self._asked is None else [self._asked]
        while (question := self._lanes.take()) is not None:
            waiting.append(question)
        for question in waiting:
            if not question.answer.done():
                question.answer.set_exception(error_of(question.sent))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes over a child that was just started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - only standard output is read
        """Takes what the child wrote, and answers with it when it is whole."""
        understood = False
        try:
            self._take(data)
            understood = True
        finally:
            # Whatever went wrong, which the loop logs: nobody may wait for an answer that cannot come.
            if not understood:
                self._break("talking to it failed")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Notes that a pipe was closed."""
        # After `finish` that is no failure: the child flushes and ends by itself.
        if not self._finished or exc is not None:
            self._break(f"its pipe failed: {exc or 'it was closed'}")
        self._open_pipes.discard(fd)
        self._close_when_over()

    def process_exited(self) -> None:
        """Notes that the child has ended."""
        self._break("it ended")
        if not self.exited.done():
            self.exited.set_result(None)
        self._close_when_over()

    @property
    def _child(self) -> asyncio.SubprocessTransport:
        assert self._transport is not None, "`begin` returns a child that was started"  # noqa: S101 (narrows the type)
        return self._transport

    def _pipe(self, fd: int) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self._child.get_pipe_transport(fd))

    def _go_on(self) -> None:
        while self._asked is None and not self.broken.done():
            question = self._lanes.take()
            if question is None:
                return
            if not question.answer.done():
                self._send(question)

    def _send(self, question: Question) -> None:
        question.sent, self._asked = True, question
        self._stall = self._loop.call_later(self._stall_limit_s, self._stalled)
        try:
            self._pipe(_STDIN).writelines(protocol.framed(question.body))
        except (OSError, ValueError, RuntimeError) as error:  # uvloop has RuntimeError for a pipe that was closed
            self._break(f"its pipe failed: {error or type(error).__name__}")

    def _take(self, data: bytes) -> None:
        self._received += data
        size = protocol.HEADER.size
        while len(self._received) >= size:
            try:
                end = size + protocol.body_length(bytes(self._received[:size]))
            except ValueError as error:
                self._break(f"its pipe failed: {error}")
                return
            if len(self._received) < end:
                return
            body = bytes(memoryview(self._received)[size:end])
            del self._received[:end]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        question, self._asked = self._asked, None
        if self._stall is not None:
            self._stall.cancel()
        if question is None:
            self._break("its pipe failed: it answered what nobody had asked")
        elif not question.answer.done():
            question.answer.set_result(body)
        self._go_on()

    def _stalled(self) -> None:
        self._break(f"it did not answer within {self._stall_limit_s:g} s and was killed")

    def _break(self, reason: str) -> None:
        if self._stall is not None:
            self._stall.cancel()
        if not self.broken.done():
            self.broken.set_result(reason)

    def _close_when_over(self) -> None:
        if self.exited.done() and not self._open_pipes:
            self._child.close()
