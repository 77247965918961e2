"""The database of a simulated process: the real code over SQLite in memory, and what of it a crash leaves."""

from __future__ import annotations

import asyncio
import queue
import random
import sqlite3
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from services.memory.catalog import collections as catalog
from services.memory.persistence import database, database_file
from services.memory.persistence.database import Database, Work
from services.memory.persistence.durability import Durability

T = TypeVar("T")


class Medium:
    """What the disk holds: the last state that was synced, and those committed since, in order."""

    def __init__(self, content: bytes = b"") -> None:
        self.states = [content]

    def committed(self, content: bytes, *, synced: bool) -> None:
        self.states = [content] if synced else [*self.states, content]

    def after_a_cut(self, chance: random.Random) -> bytes:
        """A commit is a place in one log, so what is left is a first part of them."""
        return chance.choice(self.states)


def template() -> bytes:
    """Returns an empty database as the program makes it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    database_file.brought_up(connection, Path("memory.sqlite3"))
    content = connection.serialize()
    connection.close()
    return content


class SimulatedDatabase(Database):
    """`Database` without threads: a task of the loop commits, whenever the seed says."""

    def __init__(self, content: bytes, medium: Medium, chance: random.Random) -> None:  # no super: that opens files and threads
        self._path = Path("memory.sqlite3")
        self.unclean = True
        self._medium = medium
        self._chance = chance
        # A crash closes nothing; Python 3.13 warns of what nobody closes. The thread that finds it to be garbage may be any.
        self._writing = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._writing.close)
        self._writing.deserialize(content)
        # Opening brings to disk what was there.
        medium.committed(content, synced=True)
        self._reading = self._writing
        self._groups = queue.SimpleQueue()
        self._synchronous: Durability | None = None
        self.commit_count = 0
        self._broken: Future[object] = Future()
        self._unsynced = False
        self._catalog_version = 0
        self._catalog_changed = False
        catalog.watch(self._writing, self._note_catalog_change)
        self._woken = asyncio.Event()

    def submit(self, works: Sequence[Work[T]], *, durability: Durability) -> list[asyncio.Future[T]]:
        self._woken.set()
        return super().submit(works, durability=durability)

    async def read(self, work: Work[T]) -> T:
        await asyncio.sleep(self._chance.expovariate(2000))
        return self._read(work)

    async def checkpoint(self) -> None:
        await asyncio.sleep(self._chance.expovariate(200))

    async def write_for_ever(self) -> None:
        """What the writing thread does."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._chance.expovariate(1000))
            self._woken.clear()
            # It ends behind what is queued now.
            self._groups.put(database._STOP)
            self._write_groups()

    def note_commit(self) -> None:
        """Has the medium know of a commit; called at the failpoint behind it."""
        self._medium.committed(self._writing.serialize(), synced=self._synchronous is Durability.POWER_LOSS)

    def content(self) -> bytes:
        """Returns what is committed."""
        if self._writing.in_transaction:
            self._writing.execute("ROLLBACK")
        return self._writing.serialize()

    def abandon(self) -> None:
        self._writing.close()
