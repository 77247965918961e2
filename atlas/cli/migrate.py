"""`atlas migrate`: embeds a collection anew with another model, while it is searched and written to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

import typer

from atlas.client import AsyncAtlas, Operation, OperationState, Verification
from atlas.errors import SchemaMismatchError

from .following import follow, print_operation
from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, connect
from .printing import console, print_error, print_json

_SWITCH_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a migration."""

    operation: Operation
    verification: Verification | None
    switched: bool


def migrate(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection to embed anew.")],
    embedder: Annotated[
        str, typer.Option("--embedder", metavar="HOST:PORT", help="Embedder of the new model, as the gateway reaches it.")
    ] = "",
    no_switch: Annotated[bool, typer.Option("--no-switch", help="Stop once everything is embedded and verified.")] = False,
    switch_only: Annotated[bool, typer.Option("--switch", help="Verify and switch what was embedded before.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the model before, without losing what was written since.")
    ] = False,
    truncate: Annotated[bool, typer.Option("--truncate", help="Cut texts that are longer than the new model reads.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Switch although the verification found something.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=1, max=1_000, metavar="N", help="Memories that have to find themselves.")] = 100,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> int:
    """Moves a collection to the vectors of another embedder: embed, verify, switch. Searches and writes go on all the time.

    The gateway does the work and keeps it up without this command: interrupt it, kill any part, run it again, and it goes on where it was.
    The vectors before are kept, and `--rollback` goes back to them.
    """
    if sum(map(bool, (embedder and not rollback, switch_only, rollback))) != 1:
        raise typer.BadParameter("give --embedder HOST:PORT, --switch or --rollback: exactly one of them")
    if rollback:
        operation = asyncio.run(_roll_back(server, collection, embedder, quiet=as_json))
        return _report(Outcome(operation, None, operation.state is OperationState.DONE), as_json=as_json, expected=True)
    outcome = asyncio.run(
        _migrate(server, collection, embedder, truncate=truncate, switch=not no_switch, force=force, sample=sample, quiet=as_json)
    )
    return _report(outcome, as_json=as_json, expected=not no_switch)


async def _migrate(
    server: str, collection: str, embedder: str, *, truncate: bool, switch: bool, force: bool, sample: int, quiet: bool
) -> Outcome:
    async with connect(server, 60.0) as client:
        admin = client.administration
        if embedder:
            operation = await admin.start_migration(collection, embedder=embedder, truncate=truncate)
        else:
            operation = await _running(client, collection)
        operation = await follow(client, operation, quiet=quiet, until=lambda one: one.phase == "ready")
        if not operation.runs or operation.failed:
            return Outcome(operation, None, operation.state is OperationState.DONE)
        verification = await admin.verify_migration(collection, sample_count=sample)
        # Writes that came since are embedded by the switch itself.
        if not switch or not (verification.verified or force):
            return Outcome(operation, verification, switched=False)
        operation = await admin.switch_generation(collection, force=force, timeout_s=_SWITCH_TIMEOUT_S)
        return Outcome(operation, verification, switched=True)


async def _roll_back(server: str, collection: str, embedder: str, *, quiet: bool) -> Operation:
    async with connect(server, 60.0) as client:
        operation = await client.administration.roll_back(collection, embedder=embedder, request_id=str(uuid4()))
        return await follow(client, operation, quiet=quiet, until=lambda one: bool(one.failed) and one.done + one.failed >= one.total)


async def _running(client: AsyncAtlas, collection: str) -> Operation:
    page = await client.administration.operations(page_size=1_000)
    for operation in page.items:
        if operation.collection == collection and operation.runs:
            return operation
    raise SchemaMismatchError(
        f"no migration of collection {collection!r} runs; begin one with --embedder HOST:PORT", reason="NO_MIGRATION", collection=collection
    )


def _report(outcome: Outcome, *, as_json: bool, expected: bool) -> int:
    complete = outcome.switched if expected else outcome.operation.runs and not outcome.operation.failed
    if as_json:
        print_json(outcome)
    else:
        print_operation(outcome.operation)
        if outcome.verification is not None:
            _print_verification(outcome.verification)
        console.print("[bold]switched[/]" if outcome.switched else "[yellow]not switched[/]; `atlas migrate COLLECTION --switch` does it")
    return ExitStatus.OK if complete else ExitStatus.INCOMPLETE


def _print_verification(verification: Verification) -> None:
    console.print(
        f"from {verification.source.fingerprint} ({verification.source_count})\n"
        f"to   {verification.target.fingerprint} ({verification.target_count})\n"
        f"{verification.sample_count} looked up: {verification.sample_recall:.1%} find themselves, "
        f"{verification.neighbour_overlap:.1%} of the ten nearest are the same"
    )
    for finding in verification.findings:
        print_error(finding)
