"""`atlas remember`: stores one text."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from atlas.client import MemoryInput, Remembered
from atlas.errors import InvalidInputError

from .options import (
    DEFAULT_SERVER,
    CollectionOption,
    DomainOption,
    ExitStatus,
    JsonOption,
    ServerOption,
    TimeoutOption,
    conditions,
    connect,
    moment,
)
from .printing import console, print_json


def remember(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember; - reads standard input.")],
    collection: CollectionOption = "",
    domain: DomainOption = "",
    speaker: Annotated[str, typer.Option(metavar="NAME", help="Who said it; makes it a chat message.")] = "",
    title: Annotated[str, typer.Option(metavar="TEXT", help="Title, indexed with the text.")] = "",
    source: Annotated[str, typer.Option(metavar="URI", help="Where it came from.")] = "",
    when: Annotated[str | None, typer.Option("--when", metavar="TIME", help="When it happened, ISO 8601; UTC if it has no zone.")] = None,
    memory_id: Annotated[str | None, typer.Option("--id", metavar="UUID", help="Memory to edit.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="A field of your own; may be repeated.")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 30.0,
    as_json: JsonOption = False,
) -> int:
    """Stores a text; it is findable, and on disk, when the command returns."""
    item = MemoryInput(
        _standard_input() if text == "-" else text,
        memory_id=memory_id,
        collection=collection,
        domain=domain,
        speaker=speaker,
        title=title,
        source=source,
        event_time=moment(when, "--when"),
        metadata=conditions(metadata, option="--metadata"),
    )
    (stored,) = asyncio.run(_remember(server, timeout_s, item))
    if as_json:
        print_json(stored)
    else:
        for stored_id in stored.memory_ids:
            console.print(f"{stored_id}  {stored.outcome.value} in {stored.collection}", markup=False)
    return ExitStatus.OK


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"standard input is no UTF-8: {error.reason} at byte {error.start}", offset=error.start) from error


async def _remember(server: str, timeout_s: float, item: MemoryInput) -> tuple[Remembered, ...]:
    async with connect(server, timeout_s) as client:
        return await client.remember(item)
