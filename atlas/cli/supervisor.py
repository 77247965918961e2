"""Starts the parts, brings back what dies, and ends all of them together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas.channel import open_channel
from atlas.deadlines import Deadline
from atlas.errors import DependencyDownError
from atlas.health import wait_until_serving

from .log_files import rotate, rotate_regularly
from .parts import HOST, PARTS, Layout, PartSpec
from .state import ProcessRecord, RunState, end_processes, read_state, record_of, remove_state, supervising, write_state

START_TIMEOUT_S = 120.0
"""Longest that a first start may take: loading models on a slow disk."""
STOP_TIMEOUT_S = 75.0
"""Longest that a part may drain before it is killed: more than its own grace, which covers the longest deadline."""
_BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits before restarts in a row; the last one repeats."""
_STEADY_S = 60.0
"""A part that lived so long starts again at the first backoff."""

logger = logging.getLogger(__name__)


class StartFailedError(Exception):
    """A part ended, or did not serve in time, at the first start."""


class Supervisor:
    """Runs the four parts of one copy."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Runs until SIGINT or SIGTERM; calls `on_ready` once all parts serve.

        Raises:
            BlockingIOError: Another supervisor has this data folder.
            StartFailedError: A part could not be started.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ending.set)
        with supervising(self._layout.data_dir):
            end_leftovers(self._layout.data_dir)
            check_ports(self._layout)
            try:
                await self._serve(on_ready)
            finally:
                await self._stop()
                remove_state(self._layout.data_dir)

    async def _serve(self, on_ready: Callable[[], None]) -> None:
        self._layout.log_path("x").parent.mkdir(exist_ok=True)
        for part in PARTS:
            await self._start(part)
        await self._wait_first_start()
        if self._ending.is_set():
            return
        on_ready()
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(part)) for part in PARTS]
            keepers.append(group.create_task(rotate_regularly([self._layout.log_path(part.name) for part in PARTS])))
            await self._ending.wait()
            for keeper in keepers:
                keeper.cancel()

    async def _start(self, part: PartSpec) -> None:
        path = self._layout.log_path(part.name)
        rotate(path)
        with path.open("ab") as log:
            self._processes[part.name] = await asyncio.create_subprocess_exec(
                *self._layout.command(part),
                env=dict(self._layout.environment(part)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C of the terminal reaches the supervisor alone, which ends the parts in order.
                start_new_session=True,
            )
        self._write_state()

    def _write_state(self) -> None:
        living = {name: process for name, process in self._processes.items() if process.returncode is None}
        parts: dict[str, ProcessRecord] = {name: record_of(process.pid) for name, process in living.items()}
        write_state(self._layout.data_dir, RunState(self._layout.port_base, record_of(os.getpid()), parts))

    async def _wait_first_start(self) -> None:
        serving = asyncio.ensure_future(asyncio.gather(*(wait_until_part_serves(self._layout, part, START_TIMEOUT_S) for part in PARTS)))
        exits = [asyncio.ensure_future(self._first_exit(part)) for part in PARTS]
        waiting: list[asyncio.Future[Any]] = [serving, asyncio.ensure_future(self._ending.wait()), *exits]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for ended in exits:
                if ended.done():
                    raise StartFailedError(ended.result())
            if serving.done():
                serving.result()
        except DependencyDownError as error:
            raise StartFailedError(str(error)) from error
        finally:
            for future in waiting:
                future.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _first_exit(self, part: PartSpec) -> str:
        status = await self._processes[part.name].wait()
        return f"{part.name} ended with status {status} before it served:\n{last_lines(self._layout.log_path(part.name))}"

    async def _keep(self, part: PartSpec) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            status = await self._processes[part.name].wait()
            failures = 0 if loop.time() - begin > _STEADY_S else failures
            wait_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            logger.warning("part ended and is started again", extra={"part": part.name, "status": status, "wait_s": wait_s})
            failures += 1
            await asyncio.sleep(wait_s)
            await self._start(part)

    async def _stop(self) -> None:
        # The gateway goes first: it is the one that calls the others.
        await self._end("gateway")
        await asyncio.gather(*(self._end(part.name) for part in PARTS if part.name != "gateway"))

    async def _end(self, name: str) -> None:
        process = self._processes.get(name)
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            logger.warning("part did not drain and is killed", extra={"part": name, "timeout_s": STOP_TIMEOUT_S})
            process.kill()
            await process.wait()


def check_ports(layout: Layout) -> None:
    """Checks that the ports are free: a part of another copy on them would look as if it were ours.

    Raises:
        StartFailedError: A port is in use.
    """
    for part in PARTS:
        port = layout.port_base + part.offset
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                message = f"port {port} for the {part.name} cannot be used: {error.strerror}; choose other ports with --port-base"
                raise StartFailedError(message) from error


async def wait_until_part_serves(layout: Layout, part: PartSpec, timeout_s: float) -> None:
    """Waits until the health of a part says SERVING.

    Raises:
        DependencyDownError: It did not in time.
    """
    async with open_channel(layout.address(part), service_names=[part.service]) as channel:
        await wait_until_serving(channel, part.service, deadline=Deadline.after(timeout_s))


def end_leftovers(data_dir: Path) -> int:
    """Ends parts whose supervisor died, and says how many there were."""
    state = read_state(data_dir)
    ended = end_processes(list(state.parts.values())) if state else 0
    remove_state(data_dir)
    return ended


def last_lines(path: Path, count: int = 12) -> str:
    """Gives the end of a log file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return "\n".join(f"  {line}" for line in lines[-count:])
