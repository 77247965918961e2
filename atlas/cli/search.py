"""`atlas search`: answers a query."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Annotated, Any

import typer

from atlas.client import Caller, SalienceMode, SearchPool, SearchResult, SearchResults, SearchSummary, SourceClass

from .options import (
    DEFAULT_SERVER,
    DomainOption,
    ExitStatus,
    JsonOption,
    PrincipalOption,
    ServerOption,
    SourceClassOption,
    TimeoutOption,
    WhereOption,
    conditions,
    connect,
    moment,
)
from .printing import print_json, print_json_line, print_pool, print_results, print_search, print_summary


class Salience(Enum):
    """Values of --salience."""

    OFF = "off"
    READ = "read"
    READ_WRITE = "read-write"


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")],
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", metavar="NAME", help='Where to look; may be repeated. Default: all that "search all" includes.'),
    ] = None,
    domain: DomainOption = "",
    where: WhereOption = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Earliest event time, inclusive, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Latest event time, exclusive, ISO 8601.")] = None,
    results: Annotated[
        int | None, typer.Option("--results", "-n", min=1, max=200, metavar="N", help="Results to show; the server's default is 5.")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, max=200, metavar="N", help="Candidates to rerank; the server's default is 20.")
    ] = None,
    min_relevance: Annotated[float | None, typer.Option(min=0.0, max=1.0, metavar="P", help="Relevance that a hit must have.")] = None,
    salience: Annotated[Salience, typer.Option(help="Whether what was worth finding is read, and written back.")] = Salience.READ_WRITE,
    group_by_source: Annotated[bool, typer.Option("--group-by-source", help="At most one hit a source.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show the parts of each rank.")] = False,
    require_complete: Annotated[bool, typer.Option("--require-complete", help="Fail rather than answer without a part.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Show the pool at once, then the hits; with --json a line for each of the three steps.")
    ] = False,
    principal: PrincipalOption = "",
    source_class: SourceClassOption = SourceClass.USER,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Answers a query with the best memories, and shows the evidence. Exit status 3 if a part was away."""
    options: dict[str, Any] = {
        "collections": collection or (),
        "domain": domain,
        "where": conditions(where),
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
        "result_count": results,
        "candidate_count": candidates,
        "min_relevance": min_relevance,
        "salience_mode": SalienceMode[salience.name],
        "group_by_source": group_by_source,
        "explain": explain,
        "require_complete": require_complete,
        "caller": Caller(principal, source_class),
    }
    if stream:
        return asyncio.run(_search_in_steps(server, timeout_s, query, options, as_json=as_json))
    result = asyncio.run(_search(server, timeout_s, query, options))
    if as_json:
        print_json(result)
    else:
        print_search(result, explain=explain)
    return ExitStatus.INCOMPLETE if result.degraded else ExitStatus.OK


async def _search(server: str, timeout_s: float, query: str, options: dict[str, Any]) -> SearchResult:
    async with connect(server, timeout_s) as client:
        return await client.search(query, **options)


async def _search_in_steps(server: str, timeout_s: float, query: str, options: dict[str, Any], *, as_json: bool) -> int:
    search_id, results, degraded = "", None, False
    async with connect(server, timeout_s) as client:
        async for step in client.search_stream(query, **options):
            match step:
                case SearchPool():
                    search_id = step.search_id
                    print_json_line({"pool": step}) if as_json else print_pool(step)
                case SearchResults():
                    results, degraded = step, bool(step.degraded)
                    print_json_line({"results": step}) if as_json else print_results(step, explain=bool(options["explain"]))
                case SearchSummary():
                    hits = () if results is None else results.hits
                    print_json_line({"summary": step}) if as_json else print_summary(step, search_id=search_id, hits=hits)
    return ExitStatus.INCOMPLETE if degraded else ExitStatus.OK
