"""`atlas salience show`: reads the learnt worth of memories."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import SalienceResult

from ..options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from ..printing import print_error, print_json, print_table

_COLUMNS = ("memory", "salience", "base rate", "log-odds", "from outside", "events", "pinned", "last retrieved")


def show(
    memory_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Memories to read, at most 1,000.")],
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Shows what has been learnt about memories. Exit status 3 if one does not exist."""
    found = asyncio.run(_show(server, timeout_s, memory_ids))
    if as_json:
        print_json(found)
    elif found.salience:
        rows = [
            (
                one.memory_id,
                f"{one.salience:.3f}",
                f"{one.prior:.3f}",
                f"{one.log_odds:+.3f}",
                f"{one.outside_log_odds:+.3f}",
                one.event_count,
                "yes" if one.pinned else "",
                one.last_retrieved.isoformat(timespec="seconds") if one.last_retrieved else "",
            )
            for one in found.salience
        ]
        print_table(_COLUMNS, rows, right=_COLUMNS[1:6])
    for missing in found.missing_ids:
        print_error(f"memory {missing} does not exist")
    return ExitStatus.INCOMPLETE if found.missing_ids else ExitStatus.OK


async def _show(server: str, timeout_s: float, memory_ids: list[str]) -> SalienceResult:
    async with connect(server, timeout_s) as client:
        return await client.salience(*memory_ids)
