"""A two-stage search over 10,000 memories of about 64 tokens: each stage as the gateway and as its own part saw it, and CPU time.

Idle with a cold and a warm token cache, and while an ingest runs.

python -m bench search [--memories 10000] [--queries 200]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from atlas.client import AsyncAtlas, SalienceMode, SearchResult
from atlas.evaluation import percentiles

from . import corpus, machine, processes
from .bare import BareCalls, bare_server
from .forward_pass import ForwardPass
from .system import System, running

STAGES = ("embed", "candidates", "rerank", "record", "assemble")


def main(memory_count: int, query_count: int) -> None:
    """Prints the table."""
    print(machine.describe())
    with running() as system:
        asyncio.run(_measure(system, memory_count, query_count))


async def _measure(system: System, memory_count: int, query_count: int) -> None:
    async with AsyncAtlas(system.address(), timeout_s=60.0) as client, bare_server() as bare:
        begin = time.perf_counter()
        await _ingest(client, memory_count, "bench")
        elapsed = time.perf_counter() - begin
        print(f"\ningested  {memory_count} memories in {elapsed:.0f} s ({memory_count / elapsed:.0f} a second)")
        questions, forward_pass = corpus.questions(query_count), ForwardPass()
        for mode in (SalienceMode.READ_WRITE, SalienceMode.OFF):
            for cache in ("cold", "warm"):
                before = forward_pass.describe()
                with _cpu_of(system) as spent:
                    answers, bare_ms = await _search_all(client, questions[: query_count // 2], mode, bare)
                _print(f"{cache} token cache, salience {mode.name}", answers, spent, bare_ms)
                print(f"  before: {before}\n  after:  {forward_pass.describe()}")
            questions = questions[query_count // 2 :] + questions[: query_count // 2]
        busy = asyncio.create_task(_ingest(client, memory_count, "busy", prefix="bench://busy", seed=3))
        unseen = corpus.questions(query_count, seed=23)
        answers, bare_ms = await _search_all(client, unseen, SalienceMode.READ_WRITE, bare, until=busy)
        _print("while an ingest runs, salience READ_WRITE", answers, {}, bare_ms)
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def _ingest(client: AsyncAtlas, count: int, collection: str, *, prefix: str = "bench://window", seed: int = 7) -> None:
    with tqdm(total=count, unit="doc", desc=f"ingest {collection}", disable=None) as bar:
        async for reply in client.ingest(corpus.documents(count, prefix=prefix, seed=seed), collection=collection):
            if reply.error is not None:
                raise reply.error
            bar.update(1)


async def _search_all(
    client: AsyncAtlas, questions: Sequence[str], mode: SalienceMode, bare: BareCalls, *, until: asyncio.Task[None] | None = None
) -> tuple[list[SearchResult], list[float]]:
    """Searches, with a bare call after each search: it finds the caches as a search leaves them, as each call inside one does."""
    answers: list[SearchResult] = []
    bare_ms: list[float] = []
    for question in questions:
        if until is not None and until.done():
            until.result()
            break
        answer = await client.search(question, collections=["bench"], salience_mode=mode, candidate_count=20, require_complete=True)
        assert answer.hits, "a search that finds nothing measures nothing"
        answers.append(answer)
        begin = time.perf_counter()
        await bare.call()
        bare_ms.append((time.perf_counter() - begin) * 1e3)
    return answers, bare_ms


@contextmanager
def _cpu_of(system: System) -> Iterator[dict[str, float]]:
    """Gives the CPU time, by process and in milliseconds, that the block took; filled in at its end."""
    found, spent = processes.of(system), dict[str, float]()
    before = processes.cpu_ms(found)
    yield spent
    spent.update((name, used - before[name]) for name, used in processes.cpu_ms(found).items())


def _print(title: str, answers: Sequence[SearchResult], spent_ms: Mapping[str, float], bare_ms: Sequence[float]) -> None:
    hits = sum(answer.cache_hit_count for answer in answers) / max(1, sum(answer.candidate_count for answer in answers))
    print(f"\n{title}: {len(answers)} searches, {hits:.0%} of the passages' token vectors known")
    print(f"  {'stage':<16}{'min ms':>9}{'p25 ms':>9}{'p50 ms':>9}{'p99 ms':>9}   p50 in the part itself")
    for stage in STAGES:
        found = [item for answer in answers for item in answer.stages if item.stage == stage]
        if found:
            inside = percentiles([item.queue_ms + item.compute_ms for item in found]).p50_ms
            print(_row(stage, [item.total_ms for item in found]) + (f"{inside:>9.1f}" if stage != "assemble" else ""))
    rest = [answer.total_ms - sum(item.total_ms for item in answer.stages if item.stage == "rerank") for answer in answers]
    print(_row("everything else", rest) + "   (the sum without rerank)")
    print(_row("total", [answer.total_ms for answer in answers]))
    calls = sum(item.stage in ("embed", "candidates", "record") for item in answers[0].stages)
    print(_row("a bare call", bare_ms) + f"   (gRPC to a server that computes nothing; everything else makes {calls})")
    if spent_ms:
        by_process = ", ".join(f"{name} {spent / len(answers):.1f}" for name, spent in spent_ms.items())
        print(f"  CPU ms a search: {by_process}; in all {sum(spent_ms.values()) / len(answers):.1f}")
    worst = min(1.0 - answer.unaccounted_ms / answer.total_ms for answer in answers)
    covered = sum(1.0 - answer.unaccounted_ms / answer.total_ms for answer in answers) / len(answers)
    print(f"  stages cover {covered:.1%} of the wall time on average, {worst:.1%} at worst")


def _row(name: str, samples_ms: Sequence[float]) -> str:
    found, ascending = percentiles(samples_ms), sorted(samples_ms)
    return f"  {name:<16}{ascending[0]:>9.1f}{ascending[len(ascending) // 4]:>9.1f}{found.p50_ms:>9.1f}{found.p99_ms:>9.1f}"
