"""`atlas delete`: deletes memories, or a collection."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from .options import DEFAULT_SERVER, CollectionOption, ExitStatus, JsonOption, ServerOption, TimeoutOption, WhereOption, conditions, connect
from .printing import console, print_json


def delete(
    memory_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Memories to delete.", show_default=False)] = None,
    source: Annotated[str, typer.Option(metavar="URI", help="Delete all memories of this source.")] = "",
    where: WhereOption = None,
    collection: CollectionOption = "",
    whole_collection: Annotated[
        bool, typer.Option("--whole-collection", help="Delete the collection itself, with everything in it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Deletes memories by ids, by source or by fields (exactly one of the three), or a whole collection."""
    if sum(map(bool, (memory_ids, source, where, whole_collection))) != 1:
        raise typer.BadParameter("give ids, --source, --where or --whole-collection: exactly one of them")
    if whole_collection and not collection:
        raise typer.BadParameter("--whole-collection needs --collection NAME", param_hint="--collection")
    what = f"collection {collection} with everything in it" if whole_collection else "these memories"
    if not yes:
        typer.confirm(f"Delete {what}? There is no way back.", abort=True, err=True)
    count = asyncio.run(_delete(server, timeout_s, memory_ids or [], source, where, collection, whole_collection=whole_collection))
    if as_json:
        print_json({"deleted_count": count})
    else:
        console.print(f"deleted {count} {'memory' if count == 1 else 'memories'}")
    return ExitStatus.OK


async def _delete(
    server: str, timeout_s: float, memory_ids: list[str], source: str, where: list[str] | None, collection: str, *, whole_collection: bool
) -> int:
    async with connect(server, timeout_s) as client:
        if whole_collection:
            return await client.delete_collection(collection, confirm_name=collection)
        return await client.delete(memory_ids=memory_ids, source=source, where=conditions(where), collection=collection)
