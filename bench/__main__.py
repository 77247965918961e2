"""Runs a measurement: `python -m bench [search|writes|embedder|migration]`, or all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from . import embedder, migration, search, writes

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False)
Memories = Annotated[int, typer.Option("--memories", min=100, max=30_000, help="Memories stored.")]


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Runs all measurements if none is named."""
    if context.invoked_subcommand is None:
        embedder.main()
        search.main(10_000, 200)
        writes.main(10_000, 150)


@app.command("search")
def measure_search(memories: Memories = 10_000, queries: Annotated[int, typer.Option(min=10, max=5_000)] = 200) -> None:
    """Measures a two-stage search by stage, idle and while an ingest runs."""
    search.main(memories, queries)


@app.command("writes")
def measure_writes(memories: Memories = 10_000, writes_each: Annotated[int, typer.Option("--writes", min=10, max=5_000)] = 150) -> None:
    """Measures `Remember` beside a bare fsync."""
    writes.main(memories, writes_each)


@app.command("migration")
def measure_migration(memories: Memories = 10_000, searchers: Annotated[int, typer.Option(min=1, max=64)] = 4) -> None:
    """Migrates a collection to another space and back while it is searched and written to."""
    migration.main(memories, searchers)


@app.command("embedder")
def measure_embedder() -> None:
    """Measures one short query over gRPC, and the embedder's memory."""
    embedder.main()


app()
