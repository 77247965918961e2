"""One simulated memory service: the program's own wiring over a simulated disk, engine, clock and order of events."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from atlas import deadlines, failpoints
from atlas.deadlines import Deadline
from atlas.metrics import new_registry
from services.memory import __main__ as program
from services.memory import startup
from services.memory.erasure.clearing import Clearer
from services.memory.ledger.metrics import LedgerMetrics
from services.memory.ledger.projection import SalienceProjector
from services.memory.persistence.writer import Writer
from services.memory.search.analyzer import Analyzer
from services.memory.search.contents import ContentCache
from services.memory.settings import MemorySettings
from services.memory.snapshots.manifest import Shelf as SnapshotShelf
from services.memory.upkeep import flush_regularly
from tests.rpc.memory_part import Memory

from .disk import Medium, SimulatedDatabase
from .engine import ModelEngine, Shelf
from .loop import VirtualLoop

T = TypeVar("T")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class ProcessEndedError(SystemExit):
    """The process is killed here; passes through everything, the loop included."""


class SimulatedClock:
    """The wall clock of a simulated machine: runs with the loop, and is set now and then."""

    def __init__(self) -> None:
        self.offset_s = 0.0
        self.loop: VirtualLoop | None = None
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.monotonic() + self.offset_s)

    def monotonic(self) -> float:
        return self._elapsed_s + (self.loop.time() if self.loop is not None else 0.0)

    def restarted(self) -> None:
        """Keeps the time that an abandoned loop had reached."""
        self._elapsed_s, self.loop = self.monotonic(), None


class _Inline(Executor):
    """Runs at once what is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(None)
        try:
            result = fn(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            done = Future()
            done.set_exception(error)
        else:
            done = Future()
            done.set_result(result)
        return done


class _Stub:
    """A servicer that is called as its stub is."""

    def __init__(self, servicer: object) -> None:
        self._servicer = servicer

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._servicer, name)

        async def call(request: Any, timeout: float = 0.0, wait_for_ready: bool = False) -> Any:  # noqa: ASYNC109 - the signature is the stub's
            return await method(request, None)

        return call


NOT_COUNTED = ("ledger.", "projection.")
"""Begin names that no process ends at here: inside a transaction each is as good as `database.work.after`, and seeds keep their meaning."""


@dataclass
class Watch:
    """Passes failpoints: notes commits and ends the process at the n-th of them."""

    left: int
    database: SimulatedDatabase | None = None
    engine: ModelEngine | None = None
    names: set[str] = field(default_factory=set)

    def passed(self, name: str) -> None:
        self.names.add(name)
        if name == "database.commit.after" and self.database is not None:
            self.database.note_commit()
        if name.startswith(NOT_COUNTED):
            return
        self.left -= 1
        if self.left == 0:
            raise ProcessEndedError


@dataclass
class Machine:
    """What outlives a process."""

    content: bytes
    """The database."""
    chance: random.Random
    settings: MemorySettings
    analyzer: Analyzer
    shelf: Shelf = field(default_factory=Shelf)
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    medium: Medium = field(default_factory=Medium)
    death: float = 0.0
    engine_deaths: int = 0

    def live(self, main: Callable[[Memory], Coroutine[Any, Any, None]], *, end_at: int) -> bool:
        """Starts a process, runs `main` against it, and lets it end at failpoint `end_at`, if it gets there; says if it did."""
        loop, watch = VirtualLoop(), Watch(end_at)
        self.clock.loop = loop
        failpoints._watch = watch
        try:
            loop.run_until_complete(self._process(main, watch))
            if loop.failure is not None:
                raise loop.failure
        except ProcessEndedError:
            return True
        finally:
            failpoints._watch = None
            if watch.database is not None:
                self.content = watch.database.content()
                watch.database.abandon()
            if watch.engine is not None:
                self.engine_deaths += watch.engine.deaths
                watch.engine.abandon()
            self.clock.restarted()
            loop.abandon()
        return False

    def cut(self) -> None:
        """Loses power after a process has ended."""
        self.content = self.medium.after_a_cut(self.chance)
        self.shelf.cut(self.chance)

    async def _process(self, main: Callable[[Memory], Coroutine[Any, Any, None]], watch: Watch) -> None:
        deadlines.set_current(Deadline.after(1e12))
        database = watch.database = SimulatedDatabase(self.content, self.medium, self.chance)
        engine = watch.engine = ModelEngine(self.shelf, self.chance, death=self.death)
        contents = ContentCache(max_bytes=self.settings.content_cache_bytes, registry=new_registry())
        writer = Writer(database, engine, changing=contents.changing)
        tasks = [asyncio.ensure_future(database.write_for_ever())]
        try:
            await startup.check_fingerprints(database, self.analyzer)
            await startup.fit_ledger(database, self.clock, self.settings.ledger_policy)
            await startup.recover(writer, database, engine)
            metrics = LedgerMetrics(new_registry(), commit_count=lambda: database.commit_count)
            projector = SalienceProjector(database, engine, writer, rule=self.settings.salience_rule, clock=self.clock, metrics=metrics)
            projector.attach()
            # Nothing is erased here, and no snapshot made.
            shelf = SnapshotShelf(self.settings.data_dir / "snapshots")
            clearer = Clearer(database, writer, engine, count_copies=shelf.count, clock=self.clock)  # type: ignore[arg-type]
            opened = program.Opened(
                self.settings,
                database,
                engine,
                writer,
                self.analyzer,
                contents,
                _Inline(),
                projector,
                metrics,
                self.clock,
                shelf,
                clearer,  # type: ignore[arg-type]
            )
            with patch.object(program, "new_id", lambda: str(uuid.UUID(int=self.chance.getrandbits(128), version=4))):
                registrations = program.build_services(opened)
            stubs = {each.name.rpartition(".")[2]: _Stub(each.servicer) for each in registrations}
            memory = Memory(None, stubs["CollectionService"], stubs["MemoryService"], stubs["SalienceService"], None)  # type: ignore[arg-type]
            async with writer.running():
                tasks.append(asyncio.ensure_future(flush_regularly(writer, database, interval_s=self.chance.uniform(0.005, 0.1))))
                tasks.append(asyncio.ensure_future(projector.run(interval_s=self.chance.uniform(0.005, 0.1), flush_interval_s=300.0)))
                await main(memory)
        finally:
            for task in tasks:
                task.cancel()


def new_machine(content: bytes, seed: int, analyzer: Analyzer, settings: MemorySettings) -> Machine:
    """Returns a machine with an empty database."""
    chance = random.Random(f"{seed} machine")
    return Machine(content, chance, settings, analyzer, death=chance.choice((0.0, 0.0, 0.02, 0.1)))


def settings_for(folder: Path) -> MemorySettings:
    """Returns settings of a service whose folder is only looked at for free space."""
    return MemorySettings(data_dir=folder, free_space_watermark_bytes=128 << 20)
