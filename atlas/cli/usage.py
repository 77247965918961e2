"""`atlas usage`: measures which hits an answer used."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas.client import Caller, SourceClass, UsageReport

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, PrincipalOption, ServerOption, SourceClassOption, TimeoutOption, connect
from .printing import console, print_error, print_json, print_table


def usage(
    search_id: Annotated[
        str, typer.Argument(metavar="SEARCH_ID", help="Search that the answer was made from, as `atlas search` prints it.")
    ],
    answer: Annotated[str, typer.Option("--answer", metavar="FILE", help="The answer's text; `-` reads standard input.")] = "-",
    query: Annotated[str, typer.Option(metavar="TEXT", help="The question as it was searched: its words prove nothing.")] = "",
    memory_ids: Annotated[
        list[str] | None,
        typer.Option("--memory", metavar="ID", help="Hit that the answerer was given; may be repeated. Default: all results."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only measure, record nothing.")] = False,
    principal: PrincipalOption = "",
    source_class: SourceClassOption = SourceClass.ASSISTANT,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Measures which hits of a search an answer used, and records it as evidence. Exit status 3 if a hit is not there any more."""
    text = sys.stdin.read() if answer == "-" else Path(answer).read_text(encoding="utf-8", errors="replace")
    options: dict[str, Any] = {
        "query": query,
        "memory_ids": memory_ids or (),
        "caller": Caller(principal, source_class),
        "dry_run": dry_run,
    }
    report = asyncio.run(_usage(server, timeout_s, search_id, text, options))
    if as_json:
        print_json(report)
    else:
        print_table(("memory", "overlap", "verdict"), [(u.memory_id, f"{u.overlap:.2f}", u.verdict.value) for u in report.usage])
        console.print(
            f"evidence recorded: {report.accepted_count} new, {report.duplicate_count} known, {report.ignored_count} ignored", markup=False
        )
    for missing in report.missing_ids:
        print_error(f"memory {missing} does not exist any more")
    return ExitStatus.INCOMPLETE if report.missing_ids else ExitStatus.OK


async def _usage(server: str, timeout_s: float, search_id: str, answer: str, options: dict[str, Any]) -> UsageReport:
    async with connect(server, timeout_s) as client:
        return await client.report_usage(search_id, answer, **options)
