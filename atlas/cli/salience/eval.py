"""`atlas salience eval`: replays a stream of use with and without learnt worth, and says whether it helps."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import platformdirs
import typer
from tqdm import tqdm

from atlas.client import AsyncAtlas
from atlas.errors import AtlasError, DependencyDownError, InvalidInputError, SchemaMismatchError
from atlas.evaluation import EvaluationSet, read_set
from atlas.evaluation.salience.fetching import fetch_pools, pools_key
from atlas.evaluation.salience.findings import Evaluation, evaluation_of
from atlas.evaluation.salience.judgements import Part, grades_of, part_of
from atlas.evaluation.salience.live import LiveCheck, check_live
from atlas.evaluation.salience.placing import Lever
from atlas.evaluation.salience.plot import write_plot
from atlas.evaluation.salience.pools import Pools, read_pools, write_pools
from atlas.evaluation.salience.replay import Settings
from atlas.evaluation.salience.report import Table, markdown_of, tables_of
from atlas.evaluation.salience.runs import Experiment, run_all, run_count
from atlas.evaluation.salience.streams import FOLDER, Stream, read_stream
from atlas.evaluation.salience.users import User
from atlas.evaluation.salience.verdict import Outcome
from atlas.influence import Influence

from ..eval import QUERY_TIMEOUT_S, collection_name, ingest_set
from ..options import DEFAULT_SERVER, JsonOption, ServerOption, connect
from ..printing import console, print_failure, print_json, print_table

LEAST_SEEDS = 5
LIVE_MARK_RATE = 0.8
"""Share of marks in the live check: many, so that few searches move much."""
_DEPTH = 100
_SHIPPED = Influence()
LiveOption = Annotated[
    int,
    typer.Option(min=0, max=100_000, metavar="N", help="Searches that the running system must answer as the replay says; 0: do not check."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where fetched pools are kept. Default: this user's cache folder.", show_default=False),
]
EmbedderOption = Annotated[
    str,
    typer.Option(metavar="HOST:PORT", help="Embedder to ask for query vectors. Default: the one the gateway uses.", show_default=False),
]


class EvaluationStatus(IntEnum):
    """What the exit status says."""

    HELPS = 0
    NO_EFFECT = 1
    """No effect that helps, or harm."""
    NOT_MEASURED = 2
    """It could not be measured; the reason is on standard error."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was asked and found."""

    set_name: str
    stream: str
    part: str
    event_count: int
    question_count: int
    models: str
    lever: Lever
    user: User
    seeds: int
    found: Evaluation
    live: LiveCheck | None
    """Whether the running system does what the replay says; None if that was not asked."""


def evaluate_salience(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder with corpus.jsonl(.gz), queries.jsonl, qrels.tsv and stream/.")],
    stream: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with events.jsonl; default SET/stream.")] = None,
    influence: Annotated[
        float, typer.Option(min=0.0, max=10.0, metavar="X", help="Logits a unit of outside log-odds, put to the test.")
    ] = 0.2,
    fallback: Annotated[
        float, typer.Option(min=0.0, max=10.0, metavar="X", help="Logits a unit of all log-odds while the reranker is away.")
    ] = _SHIPPED.fallback,
    extended: Annotated[int, typer.Option(min=0, max=50, metavar="N", help="Candidates that worth brings in.")] = 0,
    explore: Annotated[int, typer.Option(min=0, max=50, metavar="N", help="Candidates that chance brings in.")] = 0,
    candidates: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Candidates that content brings in.")] = 20,
    mark_rate: Annotated[float, typer.Option(min=0.0, max=1.0, metavar="P", help="Share of the results looked at that get a mark.")] = 0.2,
    error_rate: Annotated[float, typer.Option(min=0.0, max=0.5, metavar="P", help="Share of the marks that are wrong.")] = 0.1,
    seeds: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Runs with other chance; a verdict needs 5.")] = LEAST_SEEDS,
    part: Annotated[Part, typer.Option(help="Questions about one half of the documents, to choose or to confirm constants.")] = Part.ALL,
    live: LiveOption = 40,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the picture (SVG).")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables (Markdown).")] = None,
    cache: CacheOption = None,
    embedder: EmbedderOption = "",
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> int:
    """Replays a stream of use with learnt worth, without it, and with a placebo; prints tables and one verdict.

    The pool of each question comes once from the running system and is kept. Then the first searches are played in the running system, in a
    collection that is erased afterwards, and must agree. Exit status 0: it helps; 1: no effect, or harm; 2: it could not be measured.
    """
    asked = _Asked(
        folder=folder,
        stream=stream or folder / FOLDER,
        settings=Settings(
            Lever(Influence(influence, fallback, _SHIPPED.pool, _SHIPPED.log_odds_limit), candidates, extended, explore),
            user=User(mark_rate, error_rate),
        ),
        seeds=seeds,
        part=part,
        live=live,
        cache=cache or platformdirs.user_cache_path("atlas") / "salience-eval",
        server=server,
        embedder=embedder,
        quiet=as_json,
    )
    try:
        report = asyncio.run(_report(asked))
        _write(report, plot, markdown)
    except AtlasError as error:
        print_failure(error, server=server, timeout_s=None, as_json=as_json)
        return EvaluationStatus.NOT_MEASURED
    if as_json:
        print_json(report)
    else:
        _print(report)
    return EvaluationStatus.HELPS if report.found.verdict.outcome is Outcome.HELPS else EvaluationStatus.NO_EFFECT


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line asks for."""

    folder: Path
    stream: Path
    settings: Settings
    seeds: int
    part: Part
    live: int
    cache: Path
    server: str
    embedder: str
    quiet: bool

    @property
    def bar(self) -> dict[str, Any]:
        """Options of a progress bar: none in scripts and files."""
        return {"disable": True if self.quiet else None, "dynamic_ncols": True}


async def _report(asked: _Asked) -> Report:
    labelled, stream = read_set(asked.folder), read_stream(asked.stream)
    async with connect(asked.server, QUERY_TIMEOUT_S) as client:
        pools = await _pools(client, labelled, asked)
        live = await _checked(client, labelled, stream, asked) if asked.live else None
    kept = part_of(pools, labelled.qrels, asked.part)
    experiment = Experiment(kept, stream, grades_of(kept, labelled.qrels), asked.settings, tuple(range(asked.seeds)))
    with tqdm(total=run_count(experiment), unit="run", desc="replay", **asked.bar) as bar:
        found = evaluation_of(run_all(experiment, progress=bar.update))
    return Report(
        set_name=labelled.name,
        stream="recorded marks" if stream.recorded else "simulated user",
        part=asked.part.value,
        event_count=len(stream.events),
        question_count=len(kept.query_ids),
        models=kept.models,
        lever=asked.settings.lever,
        user=asked.settings.user,
        seeds=asked.seeds,
        found=found,
        live=live,
    )


def _write(report: Report, plot: Path | None, markdown: Path | None) -> None:
    if plot is not None:
        influence = report.lever.influence.final
        write_plot(plot, report.found, title=f"{report.set_name}: does learnt worth help? Influence {influence:g} under test")
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(markdown_of(tables_of(report.found, report.live)), encoding="utf-8")


async def _pools(client: AsyncAtlas, labelled: EvaluationSet, asked: _Asked) -> Pools:
    queries = [query for query, _ in labelled.judged(within_domain=False)]
    if not queries:
        raise InvalidInputError(f"{labelled.name} has no query with a relevant document", field="SET")
    models, address = await _parts(client)
    path = asked.cache / f"{labelled.name}-{pools_key(labelled, queries, depth=_DEPTH, models=models)}.npz"
    pools = read_pools(path)
    if pools is None:
        collection = collection_name(labelled)
        await ingest_set(client, labelled, collection, quiet=asked.quiet)
        with tqdm(total=len(queries), unit="query", desc="fetch pools", **asked.bar) as bar:
            pools = await fetch_pools(
                client,
                queries,
                collection=collection,
                embedder=asked.embedder or address,
                depth=_DEPTH,
                concurrency=2,
                timeout_s=QUERY_TIMEOUT_S,
                progress=bar.update,
            )
        write_pools(path, pools)
    return pools


async def _parts(client: AsyncAtlas) -> tuple[str, str]:
    info = await client.server_info()
    away = [part.name for part in info.parts if not part.serving]
    if away:
        raise DependencyDownError(f"{', '.join(away)} does not serve; nothing was measured")
    models = ", ".join(f"{part.name} {part.model}" for part in info.parts if part.model)
    return models, next(part.address for part in info.parts if part.name == "embedder")


async def _checked(client: AsyncAtlas, labelled: EvaluationSet, stream: Stream, asked: _Asked) -> LiveCheck:
    _, address = await _parts(client)
    with tqdm(total=asked.live, unit="search", desc="live check", **asked.bar) as bar:
        checked = await check_live(
            client,
            labelled,
            stream,
            name=f"salience-eval-{uuid4()}",
            search_count=asked.live,
            embedder=asked.embedder or address,
            user=replace(asked.settings.user, mark_rate=LIVE_MARK_RATE),
            rule=asked.settings.rule,
            timeout_s=QUERY_TIMEOUT_S,
            now=time.time,
            progress=bar.update,
        )
    if not checked.agrees:
        raise SchemaMismatchError(
            f"the running system does not do what the replay says: {checked.rank_mismatches} of {checked.search_count} orders differ,"
            f" log-odds by up to {max(checked.worst_log_odds, checked.worst_outside_log_odds):.4f}; does it have other salience settings?",
            rank_mismatches=checked.rank_mismatches,
            search_count=checked.search_count,
        )
    return checked


def _print(report: Report) -> None:
    lever, user = report.lever, report.user
    console.print(
        f"[bold]{report.set_name}[/]: {report.event_count} events, {report.question_count} questions ({report.part}), {report.seeds} seeds,"
        f" {report.stream}"
    )
    console.print(
        f"[dim]influence {lever.influence.final:g} (bound {lever.influence.final_bound:g} logits), fallback {lever.influence.fallback:g},"
        f" {lever.candidate_count} + {lever.extended_count} + {lever.explore_count} candidates;"
        f" marks {user.mark_rate:g} of what is looked at, {user.error_rate:g} of them wrong[/]"
    )
    for table in tables_of(report.found, report.live):
        _print_table(table)
    for condition in report.found.verdict.conditions:
        console.print(f"{'[green]met[/]    ' if condition.met else '[yellow]not met[/]'} {condition.text}", soft_wrap=True)
    if report.seeds < LEAST_SEEDS:
        console.print(f"[yellow]note[/] {report.seeds} seeds: a quick look, a verdict to rely on needs {LEAST_SEEDS}")
    console.print(f"\n[bold]{report.found.verdict.line}[/]", soft_wrap=True)


def _print_table(table: Table) -> None:
    console.print(f"\n[bold]{table.title}[/]")
    print_table(table.columns, table.rows, right=table.columns[1:])
