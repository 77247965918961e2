"""`atlas salience digest`: digests what is stored and learnt."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import StateDigest

from ..options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from ..printing import print_error, print_json, print_table


def digest(
    verify: Annotated[bool, typer.Option("--verify", help="Also fold the whole ledger and compare.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 600.0,
    as_json: JsonOption = False,
) -> int:
    """Shows digests of what is stored and learnt: equal content has equal digests. Exit status 1 if --verify finds a difference."""
    found = asyncio.run(_digest(server, timeout_s, verify=verify))
    if as_json:
        print_json(found)
    else:
        rows = [
            ("memories", found.memory_count, found.memory_sha256),
            ("events", found.event_count, found.ledger_sha256),
            ("sums", found.state_count, found.state_sha256),
            ("searches", found.impression_count, found.impression_sha256),
        ]
        print_table(("what", "count", "sha256"), rows, right=("count",))
    if found.consistent is False:
        print_error("the sums are not those that the ledger gives; `atlas salience rebuild` folds them anew")
        return ExitStatus.FAILED
    return ExitStatus.OK


async def _digest(server: str, timeout_s: float, *, verify: bool) -> StateDigest:
    async with connect(server, timeout_s) as client:
        return await client.digest(verify=verify)
