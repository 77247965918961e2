"""`atlas get`: shows one memory."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Memory

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, memory_line, print_json


def get(
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the memory.")],
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Shows one memory with all its fields."""
    memory = asyncio.run(_get(server, timeout_s, memory_id))
    if as_json:
        print_json(memory)
        return ExitStatus.OK
    salience = f"  salience {memory.salience:.3f}" if memory.salience is not None else ""
    console.print(f"{memory.memory_id}  {memory.collection}  {memory.content_kind.value}{salience}", markup=False)
    console.print(memory_line(memory), markup=False)
    console.print(memory.text, markup=False)
    return ExitStatus.OK


async def _get(server: str, timeout_s: float, memory_id: str) -> Memory:
    async with connect(server, timeout_s) as client:
        return await client.get(memory_id)
