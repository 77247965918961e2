"""A two-stage search over 10,000 memories of about 64 tokens: p50 and p99 by stage, idle and while an ingest runs.

python -m bench search [--memories 10000] [--queries 200]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tqdm import tqdm

from atlas.client import AsyncAtlas, SalienceMode, SearchResult
from atlas.evaluation import percentiles

from . import corpus, machine
from .system import running

STAGES = ("embed", "candidates", "rerank", "record", "assemble")


def main(memory_count: int, query_count: int) -> None:
    """Prints the table."""
    print(machine.describe())
    with running() as system:
        asyncio.run(_measure(system.address(), memory_count, query_count))


async def _measure(address: str, memory_count: int, query_count: int) -> None:
    async with AsyncAtlas(address, timeout_s=60.0) as client:
        begin = time.perf_counter()
        await _ingest(client, memory_count, "bench")
        elapsed = time.perf_counter() - begin
        print(f"\ningested  {memory_count} memories in {elapsed:.0f} s ({memory_count / elapsed:.0f} a second)")
        questions = corpus.questions(query_count)
        for mode in (SalienceMode.READ_WRITE, SalienceMode.OFF):
            _print(f"cold token cache, salience {mode.name}", await _search_all(client, questions[: query_count // 2], mode))
            _print(f"warm token cache, salience {mode.name}", await _search_all(client, questions[: query_count // 2], mode))
            questions = questions[query_count // 2 :] + questions[: query_count // 2]
        busy = asyncio.create_task(_ingest(client, memory_count, "busy", prefix="bench://busy", seed=3))
        unseen = corpus.questions(query_count, seed=23)
        _print("while an ingest runs, salience READ_WRITE", await _search_all(client, unseen, SalienceMode.READ_WRITE, until=busy))
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def _ingest(client: AsyncAtlas, count: int, collection: str, *, prefix: str = "bench://window", seed: int = 7) -> None:
    with tqdm(total=count, unit="doc", desc=f"ingest {collection}", disable=None) as bar:
        async for reply in client.ingest(corpus.documents(count, prefix=prefix, seed=seed), collection=collection):
            if reply.error is not None:
                raise reply.error
            bar.update(1)


async def _search_all(
    client: AsyncAtlas, questions: Sequence[str], mode: SalienceMode, *, until: asyncio.Task[None] | None = None
) -> list[SearchResult]:
    answers: list[SearchResult] = []
    for question in questions:
        if until is not None and until.done():
            until.result()
            break
        answer = await client.search(question, collections=["bench"], salience_mode=mode, candidate_count=20, require_complete=True)
        assert answer.hits, "a search that finds nothing measures nothing"
        answers.append(answer)
    return answers


def _print(title: str, answers: Sequence[SearchResult]) -> None:
    hits = sum(answer.cache_hit_count for answer in answers) / max(1, sum(answer.candidate_count for answer in answers))
    print(f"\n{title}: {len(answers)} searches, {hits:.0%} of the passages' token vectors known")
    print(f"  {'stage':<14}{'p50 ms':>9}{'p99 ms':>9}")
    for stage in STAGES:
        samples = [item.total_ms for answer in answers for item in answer.stages if item.stage == stage]
        if samples:
            found = percentiles(samples)
            print(f"  {stage:<14}{found.p50_ms:>9.1f}{found.p99_ms:>9.1f}")
    rest = percentiles([answer.total_ms - sum(item.total_ms for item in answer.stages if item.stage == "rerank") for answer in answers])
    total = percentiles([answer.total_ms for answer in answers])
    print(f"  {'all but rerank':<14}{rest.p50_ms:>9.1f}{rest.p99_ms:>9.1f}")
    print(f"  {'total':<14}{total.p50_ms:>9.1f}{total.p99_ms:>9.1f}")
    worst = min(1.0 - answer.unaccounted_ms / answer.total_ms for answer in answers)
    covered = sum(1.0 - answer.unaccounted_ms / answer.total_ms for answer in answers) / len(answers)
    print(f"  stages cover {covered:.1%} of the wall time on average, {worst:.1%} at worst")
