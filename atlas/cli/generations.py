"""`atlas generations`: lists a collection's generations, or deletes one that was kept for a rollback."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Generation

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, print_json, print_table


def generations(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection whose generations to list.")],
    delete: Annotated[str, typer.Option("--delete", metavar="GENERATION", help="Delete this retired one; no rollback to it then.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Lists what a collection's vectors are made by: the generation that serves, one that is being filled, those kept for a rollback."""
    if delete:
        if not yes:
            typer.confirm(f"Delete generation {delete}? There is no way back to it.", abort=True, err=True)
        count = asyncio.run(_delete(server, timeout_s, collection, delete))
        if as_json:
            print_json({"deleted_count": count})
        else:
            console.print(f"deleted {count} vectors")
        return ExitStatus.OK
    found = asyncio.run(_generations(server, timeout_s, collection))
    if as_json:
        print_json(found)
        return ExitStatus.OK
    rows = [(one.generation, one.role.value, one.fingerprint, one.due_count, one.embedder_address) for one in found]
    print_table(("generation", "role", "dense space", "due", "embedder"), rows, right=("due",))
    return ExitStatus.OK


async def _generations(server: str, timeout_s: float, collection: str) -> tuple[Generation, ...]:
    async with connect(server, timeout_s) as client:
        return await client.administration.generations(collection)


async def _delete(server: str, timeout_s: float, collection: str, generation: str) -> int:
    async with connect(server, timeout_s) as client:
        return await client.administration.delete_generation(collection, generation)
