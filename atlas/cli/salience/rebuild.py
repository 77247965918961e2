"""`atlas salience rebuild`: folds all sums anew from the ledger."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Rebuilt

from ..options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from ..printing import console, print_json


def rebuild(
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Read raw scores with the current calibration instead of what was reported.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 600.0,
    as_json: JsonOption = False,
) -> int:
    """Folds all sums anew from the ledger, and says how many were not exactly what the ledger says."""
    rebuilt = asyncio.run(_rebuild(server, timeout_s, recalibrate=recalibrate))
    if as_json:
        print_json(rebuilt)
    else:
        console.print(
            f"{rebuilt.event_count} events folded into {rebuilt.state_count} sums; {rebuilt.changed_count} were different", markup=False
        )
    return ExitStatus.OK


async def _rebuild(server: str, timeout_s: float, *, recalibrate: bool) -> Rebuilt:
    async with connect(server, timeout_s) as client:
        return await client.rebuild_salience(recalibrate=recalibrate)
