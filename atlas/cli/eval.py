"""`atlas eval`: measures retrieval on a labelled set, through the same gateway that answers users."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from atlas.client import AsyncAtlas, SalienceMode, SearchResult
from atlas.documents import Document, Skipped
from atlas.errors import DependencyDownError, InvalidInputError, NotFoundError
from atlas.evaluation import (
    MEASURES,
    EvaluationSet,
    Interval,
    Percentiles,
    Query,
    average,
    interval,
    measures,
    percentiles,
    rank_documents,
    read_set,
    write_run,
)

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, connect
from .printing import console, print_json, print_table

QUERY_TIMEOUT_S = 60.0
"""Long enough that quality is measured, never a deadline."""


class Within(Enum):
    """Values of --within."""

    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on one set."""

    name: str
    collection: str
    query_count: int
    candidate_count: int
    within: str
    measures: Mapping[str, float]
    ndcg_interval: Interval
    latency: Mapping[str, Percentiles]
    """By stage and `total`, in milliseconds, one search at a time."""
    models: Mapping[str, str]


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder with corpus.jsonl(.gz), queries.jsonl and qrels.tsv.")],
    within: Annotated[Within | None, typer.Option("--within", help="Search each query only inside its own domain.")] = None,
    candidates: Annotated[int, typer.Option(min=1, max=200, metavar="N", help="Candidates to rerank.")] = 20,
    run_file: Annotated[Path | None, typer.Option("--run-file", metavar="FILE", help="Write the ranking: query_id, doc_id, rank.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N queries: a quick look, not a figure to publish.")
    ] = None,
    server: ServerOption = DEFAULT_SERVER,
    as_json: JsonOption = False,
) -> int:
    """Ingests a labelled set into a collection of its own and measures the answers, with salience off.

    A second run uses what is ingested. It fails rather than measure a degraded answer.
    """
    labelled = read_set(folder)
    judged = labelled.judged(within_domain=within is Within.DOMAIN)[:limit]
    result, run = asyncio.run(_evaluate(labelled, judged, server=server, candidates=candidates, within=within, quiet=as_json))
    if run_file is not None:
        write_run(run_file, run)
    if as_json:
        print_json(result)
    else:
        _print(result, limit)
    return ExitStatus.OK


async def _evaluate(
    labelled: EvaluationSet,
    judged: Sequence[tuple[Query, Mapping[str, int]]],
    *,
    server: str,
    candidates: int,
    within: Within | None,
    quiet: bool,
) -> tuple[Evaluation, dict[str, list[str]]]:
    if not judged:
        raise InvalidInputError(f"{labelled.name} has no query with a relevant document", field="SET")
    collection = collection_name(labelled)
    async with connect(server, QUERY_TIMEOUT_S) as client:
        await ingest_set(client, labelled, collection, quiet=quiet)
        rows: list[dict[str, float]] = []
        run: dict[str, list[str]] = {}
        answers: list[SearchResult] = []
        for query, grades in tqdm(
            judged, unit="query", desc=f"search {labelled.name}", disable=True if quiet else None, dynamic_ncols=True
        ):
            answer = await _search(client, query, collection, candidates, within)
            run[query.query_id] = rank_documents((hit.memory.document_id, float(-hit.rank)) for hit in answer.hits)
            rows.append(measures(run[query.query_id], grades))
            answers.append(answer)
    result = Evaluation(
        name=labelled.name,
        collection=collection,
        query_count=len(rows),
        candidate_count=candidates,
        within=within.value if within else "",
        measures=average(rows),
        ndcg_interval=interval([row["nDCG@10"] for row in rows]),
        latency=_latency(answers),
        models=answers[-1].models,
    )
    return result, run


def collection_name(labelled: EvaluationSet) -> str:
    """Names the collection of a set after its corpus, so that another corpus of the same name gets its own."""
    digest = hashlib.sha256(labelled.corpus_path.read_bytes()).hexdigest()[:8]
    return f"eval-{re.sub(r'[^a-z0-9_-]+', '-', labelled.name.lower())[:40]}-{digest}"


async def ingest_set(client: AsyncAtlas, labelled: EvaluationSet, collection: str, *, quiet: bool) -> None:
    """Ingests what a collection does not hold yet of a set."""
    known = await _known_documents(client, collection)
    missing = [item for item in labelled.documents(host="evaluation", as_uri=f"evaluation://{labelled.name}") if not _known(item, known)]
    documents = [item for item in missing if isinstance(item, Document)]
    with tqdm(
        total=len(documents),
        unit="doc",
        desc=f"ingest {labelled.name}",
        disable=True if quiet or not documents else None,
        dynamic_ncols=True,
    ) as bar:
        async for reply in client.ingest(_each(documents), collection=collection, in_search_all=False):
            if reply.error is not None:
                raise reply.error
            bar.update(1)
    if not known and not documents:
        raise InvalidInputError(f"{labelled.corpus_path} holds no document with a text", field="SET")


def _known(item: Document | Skipped, known: set[str]) -> bool:
    if isinstance(item, Skipped):
        if item.fault:
            console.print(f"[yellow]skipped[/] {item}", highlight=False)
        return True
    return item.document_id in known


async def _known_documents(client: AsyncAtlas, collection: str) -> set[str]:
    known: set[str] = set()
    token = ""
    try:
        while True:
            page = await client.list(collection=collection, page_size=1_000, page_token=token, without_text=True)
            known.update(memory.document_id for memory in page.items)
            token = page.next_page_token
            if not token:
                return known
    except NotFoundError:
        return known


async def _each(documents: Sequence[Document]) -> AsyncIterator[Document]:
    for document in documents:
        yield document


async def _search(client: AsyncAtlas, query: Query, collection: str, candidates: int, within: Within | None) -> SearchResult:
    answer = await client.search(
        query.text,
        collections=[collection],
        domain=query.domain if within is Within.DOMAIN else "",
        candidate_count=candidates,
        result_count=candidates,
        salience_mode=SalienceMode.OFF,
        require_complete=True,
    )
    if answer.degraded:
        raise DependencyDownError(f"the answer to query {query.query_id} is degraded: {answer.degraded[0].reason}; nothing was measured")
    return answer


def _latency(answers: Sequence[SearchResult]) -> dict[str, Percentiles]:
    stages: dict[str, list[float]] = {}
    for answer in answers:
        for stage in answer.stages:
            stages.setdefault(stage.stage, []).append(stage.total_ms)
        stages.setdefault("unaccounted", []).append(answer.unaccounted_ms)
        stages.setdefault("total", []).append(answer.total_ms)
    return {stage: percentiles(samples) for stage, samples in stages.items()}


def _print(result: Evaluation, limit: int | None) -> None:
    scope = f" within {result.within}" if result.within else ""
    console.print(f"[bold]{result.name}[/]: {result.query_count} queries, {result.candidate_count} candidates{scope}, salience off")
    if limit is not None:
        console.print(f"[yellow]note[/] only the first {result.query_count} queries were run")
    print_table(MEASURES, [[f"{result.measures[name]:.4f}" for name in MEASURES]], right=MEASURES)
    bounds = result.ndcg_interval
    console.print(f"nDCG@10 {bounds.mean:.4f}, 95 % bootstrap interval over queries {bounds.low:.4f} to {bounds.high:.4f}")
    rows = [
        (stage, f"{item.p50_ms:.1f}", f"{item.p90_ms:.1f}", f"{item.p99_ms:.1f}", f"{item.mean_ms:.1f}")
        for stage, item in result.latency.items()
    ]
    print_table(("stage", "p50 ms", "p90 ms", "p99 ms", "mean ms"), rows, right=("p50 ms", "p90 ms", "p99 ms", "mean ms"))
    console.print(f"[dim]{', '.join(f'{part} {model}' for part, model in result.models.items())}[/]")
