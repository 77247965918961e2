"""Runs a measurement: `python -m bench [search|memory|writes|embedder|migration|stores|alive|vectors]`, or the first four."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import alive, embedder, memory, migration, search, vectors, writes

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False)
Memories = Annotated[int, typer.Option("--memories", min=100, max=30_000, help="Memories stored.")]


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Runs all measurements if none is named."""
    if context.invoked_subcommand is None:
        embedder.main()
        search.main(10_000, 200)
        memory.main(10_000, 300)
        writes.main(10_000, 150)


@app.command("search")
def measure_search(memories: Memories = 10_000, queries: Annotated[int, typer.Option(min=10, max=5_000)] = 200) -> None:
    """Measures a two-stage search by stage, idle and while an ingest runs."""
    search.main(memories, queries)


@app.command("memory")
def measure_memory(
    memories: Memories = 10_000, calls: Annotated[int, typer.Option(min=10, max=5_000, help="Calls of each kind.")] = 300
) -> None:
    """Measures searches and write-backs at the memory service alone, beside bare gRPC calls and a bare fsync."""
    memory.main(memories, calls)


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


@app.command("alive")
def measure_alive(count: Annotated[int, typer.Option(min=2_000, max=2_000_000, help="Memories of the bulk load.")] = 100_000) -> None:
    """Measures health and searches during a bulk load and an index build."""
    alive.main(count)


@app.command("vectors")
def make_vectors(
    data: Annotated[Path, typer.Argument(help="Folder with one folder per evaluation set.")],
    out: Annotated[Path, typer.Argument(help="File to write, .npz.")],
    count: Annotated[int, typer.Option(min=100)] = 100_000,
    query_count: Annotated[int, typer.Option("--queries", min=10)] = 400,
) -> None:
    """Encodes real texts, for `stores --vectors`."""
    vectors.write(data, out, count, query_count)


@app.command("stores")
def compare_stores(
    count: Annotated[int, typer.Option(min=1_000, max=2_000_000, help="Vectors stored.")] = 100_000,
    query_count: Annotated[int, typer.Option("--queries", min=10, max=5_000)] = 200,
    file: Annotated[Path | None, typer.Option("--vectors", help="What `vectors` wrote; without it, random directions.")] = None,
    graph: Annotated[bool, typer.Option("--graph", help="Builds a graph at the end and searches again.")] = False,
    server: Annotated[str | None, typer.Option("--qdrant", help="HOST:GRPC_PORT of a running Qdrant server to compare as well.")] = None,
) -> None:
    """Compares memory's stores and LanceDB's flat search, in turn."""
    from . import stores  # LanceDB warns of every process that is started beside it

    stores.main(count, query_count, file, graph=graph, server=server)


app()
