"""`atlas up`: starts the services."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Annotated

import typer

from atlas.client import ServerInfo
from atlas.folders import make_private

from .options import DataOption, ExitStatus, PortBaseOption, connect
from .parts import DEFAULT_PORT_BASE, PARTS, Layout, layout_of
from .printing import console, print_error, print_table
from .state import read_state, supervised
from .supervisor import START_TIMEOUT_S, StartFailedError, Supervisor, last_lines, wait_until_part_serves


def up(
    data: DataOption = None,
    port_base: PortBaseOption = DEFAULT_PORT_BASE,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all services serve, and leave them running.")] = False,
) -> int:
    """Starts the four services, brings back what dies, and waits until they really serve.

    Runs until Ctrl-C; with --detach it returns. Services that run already on this data folder are used.
    """
    layout = layout_of(data, port_base)
    if supervised(layout.data_dir):
        return _use_running(layout, detach=detach)
    if detach:
        return _detach(layout)
    try:
        asyncio.run(Supervisor(layout).run(lambda: _announce(layout)))
    except StartFailedError as error:
        print_error(str(error))
        return ExitStatus.FAILED
    return ExitStatus.OK


def _use_running(layout: Layout, *, detach: bool) -> int:
    state = read_state(layout.data_dir)
    if state is None or state.port_base != layout.port_base or not detach:
        where = f" on port base {state.port_base}" if state else ""
        print_error(
            f"services already run in {layout.data_dir}{where}; `atlas down --data {layout.data_dir}` stops them,"
            " or choose another --data and --port-base"
        )
        return ExitStatus.FAILED
    asyncio.run(_wait_all(layout))
    _announce(layout, "already running")
    return ExitStatus.OK


def _detach(layout: Layout) -> int:
    log_path = layout.log_path("supervisor")
    make_private(layout.data_dir)
    log_path.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-P", "-m", "atlas.cli", "up", "--data", str(layout.data_dir), "--port-base", str(layout.port_base)]
    with log_path.open("wb") as log:
        supervisor = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    if not asyncio.run(_started(layout, supervisor)):
        print_error(f"the services could not be started:\n{last_lines(log_path, 20)}\n  logs: {log_path.parent}")
        return ExitStatus.FAILED
    _announce(layout)
    return ExitStatus.OK


async def _started(layout: Layout, supervisor: subprocess.Popen[bytes]) -> bool:
    ready = asyncio.create_task(_wait_own(layout, supervisor.pid))
    while not ready.done():
        if supervisor.poll() is not None:
            ready.cancel()
            return False
        await asyncio.wait({ready}, timeout=0.1)
    await ready
    return True


async def _wait_own(layout: Layout, supervisor_pid: int) -> None:
    # The supervisor checks the ports before it starts parts: only then is what answers there ours.
    while (state := read_state(layout.data_dir)) is None or state.supervisor.pid != supervisor_pid or len(state.parts) < len(PARTS):  # noqa: ASYNC110 - a file that another process writes has no event
        await asyncio.sleep(0.05)
    await _wait_all(layout)


async def _wait_all(layout: Layout) -> None:
    await asyncio.gather(*(wait_until_part_serves(layout, part, START_TIMEOUT_S) for part in PARTS))


def _announce(layout: Layout, how: str = "serving") -> None:
    info = asyncio.run(_server_info(layout.address(PARTS[0]))) if not _in_loop() else None
    models = {part.name: f"{part.model}  {part.backend}" for part in info.parts} if info else {}
    console.print(f"[bold]ATLAS is {how}[/]")
    print_table(("part", "address", "model"), [(part.name, layout.address(part), models.get(part.name, "")) for part in PARTS])
    console.print(f"[dim]data and logs in {layout.data_dir}[/]\n")


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _server_info(address: str) -> ServerInfo:
    async with connect(address, 10.0) as client:
        return await client.server_info()
