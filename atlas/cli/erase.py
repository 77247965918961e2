"""`atlas erase`: erases memories or a principal's traces for good."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any

import typer

from atlas.client import ErasureReceipt

from .options import DEFAULT_SERVER, CollectionOption, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from .printing import console, print_error, print_json


def erase(
    memory_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Memories to erase, with all that is known of them.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(metavar="URI", help="Erase all memories of this source; needs --collection.")] = "",
    collection: CollectionOption = "",
    principal: Annotated[str, typer.Option(metavar="NAME", help="Erase all evidence and searches of this principal; memories stay.")] = "",
    domain: Annotated[str, typer.Option(metavar="NAME", help="Erase all memories of this domain, in every collection.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    request_id: Annotated[
        str, typer.Option("--request-id", metavar="ID", help="Your id of this request; a repeated call gives its receipt as it is by then.")
    ] = "",
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Erases for good: text, vectors, evidence, searches, kept answers, cached passages. Exit status 1 if anything is left."""
    if sum(map(bool, (memory_ids, source, principal, domain))) != 1:
        raise typer.BadParameter("give ids, --source, --principal or --domain: exactly one of them")
    if bool(source) != bool(collection):
        raise typer.BadParameter("--source and --collection go together", param_hint="--collection")
    if not yes:
        typer.confirm("Erase this for good? There is no way back.", abort=True, err=True)
    selection: dict[str, Any] = {
        "memory_ids": memory_ids or (),
        "source": source,
        "collection": collection,
        "principal": principal,
        "domain": domain,
        # With a name, so that the receipt can be asked for again.
        "request_id": request_id or str(uuid.uuid4()),
    }
    receipt = asyncio.run(_erase(server, timeout_s, selection))
    if as_json:
        print_json(receipt)
    else:
        _print(receipt, str(selection["request_id"]))
    if not receipt.verified and receipt.state != "pending":
        print_error("something of it is left, or nobody could read again whether it is; ask again with the same --request-id")
        return ExitStatus.FAILED
    return ExitStatus.OK


def _print(receipt: ErasureReceipt, request_id: str) -> None:
    console.print(
        f"erased {receipt.memory_count} memories, {receipt.event_count} events, {receipt.checkpoint_count} checkpointed sums,"
        f" {receipt.impression_count} searches, {receipt.replay_count} kept answers, {receipt.cached_passage_count} cached passages",
        markup=False,
    )
    console.print(f"receipt {receipt.receipt_id}: {_states(request_id)[receipt.state]}", markup=False)
    if receipt.copy_count:
        console.print(
            f"{receipt.copy_count} copies in the data folder were made before and may hold it until they are deleted:"
            " snapshots (atlas snapshots) and what repairs put aside; so may backups elsewhere",
            markup=False,
        )


def _states(request_id: str) -> dict[str, str]:
    return {
        "done": "no file of the data folder holds the bytes any more",
        "pending": "its bytes are still being taken out of the engine's files; memory goes on by itself"
        f" (the same with --request-id {request_id} looks again)",
        "left_to_server": "the Qdrant server was told to take the bytes out of its files, and does so in its own time",
        "unspecified": "of a memory service that does not say whether files hold the bytes",
    }


async def _erase(server: str, timeout_s: float, selection: dict[str, Any]) -> ErasureReceipt:
    async with connect(server, timeout_s) as client:
        return await client.erase(**selection)
