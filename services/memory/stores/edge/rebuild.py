"""Builds an index anew in a second process, on a copy, while the first one serves.

What takes seconds to minutes (graph, vacuum) never happens in the process that answers. The way of
a build, each step of which may be the last one of a crash:

1. writes wait while the index is flushed and its files are copied (reads go on);
2. a second engine builds the copy; what is written meanwhile goes to the index and into the tail;
3. the tail is applied to the copy, its last part while writes wait again; the copy is synced;
4. one atomic replacement of a small file puts the copy in use; the serving engine opens it.

Until step 4 the index in use is the old one, untouched; what a crash leaves of a build is deleted by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from atlas.errors import DependencyDownError, DiskFullError, StartupError
from atlas.failpoints import failpoint

from ...operations import IndexSpec
from ...persistence.syncing import sync
from ..durable import Durable
from . import layout, protocol
from .lanes import Lane
from .layout import Current
from .process import EngineProcess
from .tail import Tail

_LOG = logging.getLogger(__name__)

Ask = Callable[[protocol.Call], Awaitable[msgspec.Raw]]

BUILD_PREFIX = ".build-"
"""Folders of builds, beside the indexes."""
_PASSES = 4
"""How often the tail is applied before writes have to wait for the rest of it."""
_LONGEST_BUILD_S = 24 * 3600.0
_START_TIMEOUT_S = 60.0
_BOOL = msgspec.msgpack.Decoder(bool)


@dataclass(frozen=True, slots=True)
class BuildRule:
    """When an index is built anew, and with what."""

    index_from_points: int | None
    """Points from which on it gets a graph; None = never."""
    vacuum_share: float
    """Share of dead vectors, in (0, 1], from which on they are cleared away."""
    least_dead: int = 5_000
    """Dead vectors below which nothing is cleared away."""
    regrowth: float = 0.3
    """Share of points without a graph from which on an index that has one is built again."""

    def wants_graph(self, points: int) -> bool:
        """Says whether an index of so many points has a graph."""
        return self.index_from_points is not None and points >= self.index_from_points

    def is_due(self, state: protocol.IndexState) -> bool:
        """Says whether an index in this state is to be built anew."""
        vectors = state.points + state.dead
        worn = state.dead >= self.least_dead and state.dead >= self.vacuum_share * vectors
        bare = self.wants_graph(state.points) and state.points - state.graph_points > self.regrowth * state.points
        return worn or bare


class Builder:
    """Builds one index at a time."""

    def __init__(self, folder: Path, ask: Ask, pid: Callable[[], int | None], writing: asyncio.Lock, *, watermark_bytes: int) -> None:
        """Takes what it needs of the store.

        Args:
            folder: The folder of the indexes.
            ask: Asks the serving engine.
            pid: Process id of the serving engine.
            writing: Held by whoever writes to the serving engine or flushes it.
            watermark_bytes: Free space that a build must leave.
        """
        self._folder = folder
        self._ask = ask
        self._pid = pid
        self._writing = writing
        self._watermark_bytes = watermark_bytes
        self._tail: Tail | None = None
        self._torn: OSError | None = None

    def note(self, call: protocol.Call) -> None:
        """Notes a message that the serving engine has applied; to be called by the holder of `writing`."""
        if self._tail is None or self._torn is not None:
            return
        try:
            self._tail.add(call)
        except OSError as error:
            # The write itself is done; only the build has to be given up.
            self._torn = error

    async def build(self, spec: IndexSpec, *, graph: bool, afresh: bool = False) -> None:
        """Builds an index anew and puts the result in use.

        Args:
            spec: The index.
            graph: Whether it gets a graph.
            afresh: Whether all of its files are new, with nothing in them but its points as they are now. A build clears only segments
                that are worn, and goes on with the log of the old ones.

        Raises:
            DiskFullError: The copy would not leave enough space free.
            DependencyDownError: One of the engines went away; the index is as it was.
        """
        home = self._folder / spec.name
        self._check_space(home)
        async with self._copied(home) as work:
            copy = work / spec.name
            failpoint("build.copy.after")
            async with self._second_engine(work) as engine:
                failpoint("build.engine.after")
                await _ask(engine, protocol.Rebuild(spec, graph, afresh))
                failpoint("build.index.after")
                for _ in range(_PASSES):
                    await self._drain(engine)
                async with self._writing:
                    await self._drain(engine)
                    if self._torn is not None:
                        raise DiskFullError(f"what was written during the build could not be kept: {self._torn}")
                    failpoint("build.tail.after")
                    await _ask(engine, protocol.Flush(spec.name))
                    failpoint("build.flush.after")
                    await engine.stop(grace_s=_START_TIMEOUT_S)
                    await self._swap(home, copy)

    @asynccontextmanager
    async def _copied(self, home: Path) -> AsyncIterator[Path]:
        """Gives a folder with a copy of the index, from which on the tail is kept."""
        work = self._folder / f"{BUILD_PREFIX}{home.name}"
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        work.mkdir()
        failpoint("build.copy.before")
        try:
            async with self._writing:
                engine = self._pid()
                await self._ask(protocol.Flush(home.name))
                await _copy(home, work / home.name)
                if engine is None or self._pid() != engine:
                    # A starting engine writes to the files of an index.
                    raise DependencyDownError("the vector engine restarted while its files were copied", reason="ENGINE_DOWN")
                self._tail, self._torn = Tail(home.name, work / "tail"), None
            yield work
        finally:
            if self._tail is not None:
                self._tail.close()
                self._tail = None
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    @asynccontextmanager
    async def _second_engine(self, work: Path) -> AsyncIterator[EngineProcess]:
        try:
            engine = await EngineProcess.start(
                work,
                start_timeout_s=_START_TIMEOUT_S,
                lock_wait_s=0.0,
                stall_limit_s=_LONGEST_BUILD_S,
                on_end=lambda: None,
                background=True,
            )
        except StartupError as error:
            raise DependencyDownError(f"no second engine for a build: {error}", reason="ENGINE_DOWN") from error
        try:
            yield engine
        finally:
            # One that is inside a build would not notice that its input ended.
            await engine.stop(grace_s=0.0)

    async def _drain(self, engine: EngineProcess) -> None:
        for _ in range(len(self._tail or ())):
            call = await self._tail.take() if self._tail is not None else None
            if isinstance(call, protocol.Apply):
                while not _BOOL.decode(await _ask(engine, call)):
                    pass  # each turn deletes a bounded part of a generation
            elif call is not None:
                await _ask(engine, call)

    async def _swap(self, home: Path, copy: Path) -> None:
        built = layout.current(copy)
        old, new = layout.current(home), Current(f"shard-{uuid.uuid4().hex[:12]}", built.scan, built.graph_points)
        (copy / built.shard).rename(home / new.shard)
        failpoint("build.swap.renamed")
        await asyncio.to_thread(Durable(home / new.shard).sync)
        await asyncio.to_thread(layout.make_current, home, new)
        failpoint("build.swap.current")
        await self._ask(protocol.Reopen(home.name))
        failpoint("build.swap.opened")
        await asyncio.to_thread(shutil.rmtree, home / old.shard)
        await asyncio.to_thread(sync, home)
        failpoint("build.swap.cleared")
        _LOG.info("index built anew", extra={"index": home.name, "graph_points": new.graph_points})

    def _check_space(self, home: Path) -> None:
        # The copy, and what the build writes of it anew.
        size = sum(path.stat().st_blocks * 512 for path in home.rglob("*") if path.is_file())
        free = shutil.disk_usage(home).free
        if free < 2 * size + self._watermark_bytes:
            raise DiskFullError(
                f"building index {home.name} anew needs {2 * size} bytes beside the watermark; {free} are free",
                needed_bytes=2 * size,
                free_bytes=free,
                watermark_bytes=self._watermark_bytes,
            )


def discard_builds(folder: Path) -> None:
    """Deletes what builds left behind; to be called before any engine of this folder runs."""
    if not folder.is_dir():
        return
    for work in folder.glob(f"{BUILD_PREFIX}*"):
        shutil.rmtree(work)
    for home in folder.iterdir():
        if (home / layout.SPEC).exists():
            layout.discard_unused(home)


async def _ask(engine: EngineProcess, call: protocol.Call) -> msgspec.Raw:
    return await engine.ask(call, Lane.WRITE, timeout_s=None)


async def _copy(source: Path, target: Path) -> None:
    """Copies a folder with the holes of its files, and by reference where the file system can."""
    process = await asyncio.create_subprocess_exec("cp", "--archive", "--reflink=auto", str(source), str(target))
    try:
        status = await process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if status != 0:
        raise DependencyDownError(f"copying index {source.name} failed (exit status {status})", reason="ENGINE_DOWN")
