"""`atlas operations`: lists, shows and cancels long-running work."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Operation, Page

from .following import print_operation
from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, print_json, print_table


def operations(
    operation_id: Annotated[str, typer.Argument(metavar="[ID]", help="Show this one alone.", show_default=False)] = "",
    cancel: Annotated[bool, typer.Option("--cancel", help="End the operation ID; its collection stays as it is.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, metavar="N", help="Operations a page.")] = 20,
    page_token: Annotated[str, typer.Option("--page-token", metavar="TOKEN", help="Go on behind an earlier page.")] = "",
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> int:
    """Lists migrations and rollbacks, newest first, or shows or cancels one."""
    if cancel and not operation_id:
        raise typer.BadParameter("--cancel needs the ID of an operation", param_hint="--cancel")
    if operation_id:
        one = asyncio.run(_one(server, timeout_s, operation_id, cancel=cancel))
        if as_json:
            print_json(one)
        else:
            print_operation(one)
        return ExitStatus.OK
    page = asyncio.run(_page(server, timeout_s, limit, page_token))
    if as_json:
        print_json(page)
        return ExitStatus.OK
    rows = [
        (one.operation_id, one.kind, one.collection, one.state.value, one.phase, f"{one.done}/{one.total}", one.failed, _when(one))
        for one in page.items
    ]
    print_table(("operation", "kind", "collection", "state", "phase", "memories", "failed", "began"), rows, right=("memories", "failed"))
    if page.next_page_token:
        console.print(f"[dim]more: --page-token[/] {page.next_page_token}", soft_wrap=True)
    return ExitStatus.OK


async def _one(server: str, timeout_s: float, operation_id: str, *, cancel: bool) -> Operation:
    async with connect(server, timeout_s) as client:
        if cancel:
            return await client.administration.cancel_operation(operation_id)
        return await client.administration.operation(operation_id)


async def _page(server: str, timeout_s: float, limit: int, page_token: str) -> Page[Operation]:
    async with connect(server, timeout_s) as client:
        return await client.administration.operations(page_size=limit, page_token=page_token)


def _when(operation: Operation) -> str:
    return operation.create_time.isoformat(sep=" ", timespec="seconds")
