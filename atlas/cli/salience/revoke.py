"""`atlas salience revoke`: takes evidence back."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from atlas.client import EventKind, Revocation, SourceClass

from ..options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect, moment
from ..printing import console, print_json, print_table


def revoke(
    principals: Annotated[list[str] | None, typer.Option("--principal", metavar="NAME", help="Of this principal; may be repeated.")] = None,
    source_classes: Annotated[
        list[SourceClass] | None, typer.Option("--source-class", help="Of this class of callers; may be repeated.")
    ] = None,
    search_ids: Annotated[list[str] | None, typer.Option("--search", metavar="ID", help="Of this search; may be repeated.")] = None,
    memory_ids: Annotated[list[str] | None, typer.Option("--memory", metavar="ID", help="About this memory; may be repeated.")] = None,
    kinds: Annotated[list[EventKind] | None, typer.Option("--kind", help="Of this kind; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Earliest event, inclusive, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Latest event, exclusive, ISO 8601.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be taken back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Takes evidence back: afterwards everything is as if it had never been reported. All conditions must hold; one is needed."""
    selection: dict[str, Any] = {
        "principals": principals or (),
        "source_classes": source_classes or (),
        "search_ids": search_ids or (),
        "memory_ids": memory_ids or (),
        "kinds": kinds or (),
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
    }
    if not any(selection.values()):
        raise typer.BadParameter(
            "say which evidence: at least one of --principal, --source-class, --search, --memory, --kind, --since, --until"
        )
    if not (dry_run or yes):
        typer.confirm("Take this evidence back? Reporting it again will change nothing.", abort=True, err=True)
    revocation = asyncio.run(_revoke(server, timeout_s, selection, dry_run=dry_run))
    if as_json:
        print_json(revocation)
    else:
        _print(revocation, dry_run=dry_run)
    return ExitStatus.OK


def _print(revocation: Revocation, *, dry_run: bool) -> None:
    done = "would be taken back" if dry_run else "taken back"
    older = f", {revocation.checkpointed_count} of them in checkpoints" if revocation.checkpointed_count else ""
    console.print(f"{done}: {revocation.event_count} events{older}; {revocation.memory_count} memories change", markup=False)
    if revocation.changes:
        rows = [(change.memory_id, f"{change.old_log_odds:+.3f}", f"{change.new_log_odds:+.3f}") for change in revocation.changes]
        print_table(("memory", "log-odds before", "after"), rows, right=("log-odds before", "after"))


async def _revoke(server: str, timeout_s: float, selection: dict[str, Any], *, dry_run: bool) -> Revocation:
    async with connect(server, timeout_s) as client:
        return await client.revoke(**selection, dry_run=dry_run)
