"""`atlas status`: shows the services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import psutil
import typer

from atlas.client import ServerInfo
from atlas.errors import AtlasError

from .options import DEFAULT_SERVER, DataOption, ExitStatus, JsonOption, connect
from .parts import DEFAULT_PORT_BASE, Layout, layout_of
from .printing import console, print_json, print_table
from .state import ProcessRecord, alive, read_state


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part, as `status` shows it."""

    name: str
    address: str
    serving: bool
    detail: str
    """Model and runtime, or why it does not serve."""
    pid: int | None
    memory_bytes: int | None
    """Resident memory of the process and its children."""


def status(
    data: DataOption = None,
    as_json: JsonOption = False,
    server: Annotated[
        str | None, typer.Option("--server", envvar="ATLAS_SERVER", metavar="HOST:PORT", help="Show what this gateway sees instead.")
    ] = None,
) -> int:
    """Shows the services, their models and what is away. Exit status 3 if any part does not serve."""
    layout = layout_of(data, DEFAULT_PORT_BASE)
    state = read_state(layout.data_dir)
    address = server or (f"127.0.0.1:{state.port_base}" if state else DEFAULT_SERVER)
    parts = asyncio.run(_part_statuses(layout, address))
    # Services that were started elsewhere keep their data where this command cannot know.
    from_here = any(part.pid for part in parts) or (state is not None and server is None)
    if as_json:
        print_json({"data_dir": str(layout.data_dir) if from_here else None, "parts": parts})
    else:
        rows = [
            (part.name, part.address, "serving" if part.serving else "away", part.pid or "", _megabytes(part.memory_bytes), part.detail)
            for part in parts
        ]
        print_table(("part", "address", "state", "pid", "memory", "model, or what is wrong"), rows, right=("pid", "memory"))
        if from_here:
            console.print(f"[dim]data and logs in {layout.data_dir}[/]")
        else:
            console.print(f"[dim]not started from {layout.data_dir}; --data names the folder of those that were started here[/]")
    return ExitStatus.OK if all(part.serving for part in parts) else ExitStatus.INCOMPLETE


async def _part_statuses(layout: Layout, address: str) -> list[PartStatus]:
    state = read_state(layout.data_dir)
    records = state.parts if state else {}
    try:
        info = await _server_info(address)
    except AtlasError as error:
        known = [PartStatus("gateway", address, False, error.message, *_process(records, "gateway"))]
        return known + [
            PartStatus(name, "", False, "unknown: the gateway does not answer", *_process(records, name))
            for name in records
            if name != "gateway"
        ]
    gateway = PartStatus("gateway", address, True, f"ATLAS {info.version}, profile {info.profile}", *_process(records, "gateway"))
    others = [
        PartStatus(
            part.name,
            part.address,
            part.serving,
            part.error.message if part.error else f"{part.model}  {part.backend}".strip(),
            *_process(records, part.name),
        )
        for part in info.parts
    ]
    return [gateway, *others]


def _process(records: Mapping[str, ProcessRecord], name: str) -> tuple[int | None, int | None]:
    record = records.get(name)
    process = alive(record) if record else None
    if process is None:
        return None, None
    try:
        family = [process, *process.children(recursive=True)]
        return process.pid, sum(member.memory_info().rss for member in family)
    except psutil.NoSuchProcess:
        return None, None


def _megabytes(size: int | None) -> str:
    return f"{size / 2**20:.0f} MB" if size is not None else ""


async def _server_info(address: str) -> ServerInfo:
    async with connect(address, 10.0) as client:
        return await client.server_info()
