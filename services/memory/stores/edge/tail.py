"""What was written to an index while a copy of it is being built anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from . import protocol
from .protocol import Apply, Call, Project


class Tail:
    """Messages in their order, kept in a file: a bulk load during a build is larger than the memory that it should take.

    The file need not survive a crash, which ends the build too.
    """

    def __init__(self, index: str, path: Path) -> None:
        """Starts empty, in a file that is made now."""
        self._index = index
        self._file = path.open("wb")
        self._reading = path.open("rb")
        self._held = 0

    def __len__(self) -> int:
        """Messages that were not taken yet."""
        return self._held

    def add(self, call: Call) -> None:
        """Appends what a message writes to this index, if it writes to it at all."""
        mine: Call | None = None
        match call:
            case Apply(operations):
                kept = tuple(each for each in operations if each.index == self._index)
                mine = Apply(kept) if kept else None
            case Project(projections):
                wanted = tuple(each for each in projections if each.index == self._index)
                mine = Project(wanted) if wanted else None
        if mine is not None:
            self._file.writelines(protocol.framed(protocol.encode(mine)))
            self._file.flush()
            self._held += 1

    async def take(self) -> Call | None:
        """Removes and returns the first message; None where there is none."""
        if not self._held:
            return None
        call = await asyncio.to_thread(self._next)
        self._held -= 1
        return call

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._reading.close()

    def _next(self) -> Call:
        body = protocol.read_frame(self._reading.read)
        if body is None:
            raise EOFError("the tail of a build ended inside a message")
        return protocol.decode_call(body)
