"""`atlas mv`: tells the memories of a renamed file or folder where they come from now."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from atlas.client import Moved
from atlas.documents import source_uri

from .options import DEFAULT_SERVER, CollectionOption, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, print_json


def mv(
    from_source: Annotated[str, typer.Argument(metavar="FROM", help="Path or URI as it was called when it was ingested.")],
    to_source: Annotated[str, typer.Argument(metavar="TO", help="Path or URI as it is called now.")],
    collection: CollectionOption = "",
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Moves the memories of a file or folder that you renamed: they keep their ids and what was learnt about them.

    Run it before you ingest the new place; no file is touched. Refused if there are memories of the new place already.
    """
    old, new = _source(from_source), _source(to_source)
    moved = asyncio.run(_move(server, timeout_s, collection, old, new))
    if as_json:
        print_json({"from": old, "to": new, "source_count": moved.source_count, "memory_count": moved.memory_count})
    else:
        console.print(f"moved {moved.memory_count} memories of {moved.source_count} sources")
    return ExitStatus.OK


async def _move(server: str, timeout_s: float, collection: str, old: str, new: str) -> Moved:
    async with connect(server, timeout_s) as client:
        return await client.administration.move_source(old, new, collection=collection)


def _source(text: str) -> str:
    if "://" in text:
        return text
    # The place need not exist any more, so that links in it cannot be followed.
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - `resolve` would follow links
    return source_uri(path, root=path, host=socket.gethostname())
