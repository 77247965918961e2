"""`atlas list`: lists memories of a collection."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Memory, Page

from .options import (
    DEFAULT_SERVER,
    CollectionOption,
    DomainOption,
    ExitStatus,
    JsonOption,
    ServerOption,
    TimeoutOption,
    WhereOption,
    conditions,
    connect,
)
from .printing import console, memory_line, print_json, print_table


def list_memories(
    collection: CollectionOption = "",
    domain: DomainOption = "",
    where: WhereOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, metavar="N", help="Memories a page.")] = 20,
    page_token: Annotated[str, typer.Option("--page-token", metavar="TOKEN", help="Go on behind an earlier page.")] = "",
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Lists memories of a collection in a stable order that says nothing about worth."""
    page = asyncio.run(_list(server, timeout_s, collection, domain, where, limit, page_token))
    if as_json:
        print_json(page)
        return ExitStatus.OK
    rows = [(memory.memory_id, memory_line(memory), memory.text.replace("\n", " ")[:60]) for memory in page.items]
    print_table(("memory", "where from", "text"), rows)
    if page.next_page_token:
        console.print(f"[dim]more: --page-token[/] {page.next_page_token}", soft_wrap=True)
    return ExitStatus.OK


async def _list(
    server: str, timeout_s: float, collection: str, domain: str, where: list[str] | None, limit: int, page_token: str
) -> Page[Memory]:
    async with connect(server, timeout_s) as client:
        return await client.list(collection=collection, domain=domain, where=conditions(where), page_size=limit, page_token=page_token)
