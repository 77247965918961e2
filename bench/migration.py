"""A live migration to another space and back, under load: failed calls, mixed generations, salience, what was written meanwhile.

python -m bench migration [--memories 10000] [--searchers 4]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from atlas.client import AsyncAtlas, Operation, SalienceMode, Verification
from atlas.evaluation import percentiles

from . import corpus, machine
from .migration_load import LIVE, STILL, Load, Noticed
from .second_embedder import second_embedder
from .system import running

_STILL_COUNT = 50
_SALIENT = 40
_SWITCH_S = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a live migration and its rollback did."""

    noticed: Noticed
    verification: Verification
    fill_s: float
    switch_s: float
    rollback_s: float
    rollback_count: int
    """Memories that were embedded again for the rollback."""
    salience_checked: int
    salience_shift: float
    """Largest change of a memory's salience over both switches."""
    lost: tuple[str, ...]
    """What was acknowledged and is not found."""


def main(memory_count: int, searcher_count: int) -> None:
    """Prints the table; ends with an error if a call failed or anything was lost."""
    print(machine.describe())
    with running() as system:
        report = asyncio.run(measure(system.address(), system.port_base + 5, memory_count, searcher_count, calm_s=5.0))
    _print(report)
    check(report)


def check(report: Report) -> None:
    """Asserts what a live migration promises."""
    assert not report.noticed.failures, report.noticed.failures[:5]
    assert report.noticed.mixed == 0, f"{report.noticed.mixed} answers mix generations"
    assert len(report.noticed.generations) == 2, "the load did not see both generations"
    assert report.verification.sample_recall >= 0.99, report.verification
    assert report.salience_checked > 0, "nothing was learnt, so nothing was carried over"
    assert report.salience_shift < 1e-3, f"salience moved by {report.salience_shift}"
    assert not report.lost, report.lost[:5]


async def measure(address: str, port: int, memory_count: int, searcher_count: int, *, calm_s: float, seed: int = 5) -> Report:
    """Migrates and rolls back a collection of `memory_count` memories while callers search and write.

    Args:
        address: The gateway.
        port: Free port for the second embedder.
        memory_count: Memories to migrate.
        searcher_count: Callers that search without pause.
        calm_s: Seconds of load before, between and after, in which nothing is migrated.
        seed: Decides what the writer writes.
    """
    async with second_embedder(port) as embedder, AsyncAtlas(address, timeout_s=60.0) as client:
        await _ingest(client, memory_count, LIVE)
        await _ingest(client, _STILL_COUNT, STILL)
        questions = corpus.questions(min(200, memory_count))
        learnt = await _learn(client, questions[:_SALIENT])
        load = Load(client, questions, seed=seed)
        task = asyncio.create_task(load.run(searcher_count))
        try:
            return await _migrated(client, embedder, load, learnt, calm_s)
        finally:
            load.noticed.stopping = True
            await task


async def _migrated(client: AsyncAtlas, embedder: str, load: Load, learnt: dict[str, float], calm_s: float) -> Report:
    admin, noticed = client.administration, load.noticed
    await asyncio.sleep(calm_s)
    noticed.phase = "while it is filled"
    begin_s = time.perf_counter()
    operation = await admin.start_migration(LIVE, embedder=embedder)
    operation = await _until_ready(client, operation)
    filled_s = time.perf_counter()
    verification = await admin.verify_migration(LIVE)
    switching_s = time.perf_counter()
    await admin.switch_generation(LIVE, timeout_s=_SWITCH_S)
    switched_s = time.perf_counter()
    noticed.phase = "after the switch"
    await asyncio.sleep(calm_s)
    lost = await _lost(client, noticed)
    rollback_s = time.perf_counter()
    operation = await admin.roll_back(LIVE)
    due = (await admin.generations(LIVE))[1].due_count
    while operation.runs:
        await asyncio.sleep(0.05)
        operation = await admin.operation(operation.operation_id)
    assert operation.error is None, operation
    rolled_back_s = time.perf_counter()
    noticed.phase = "after the rollback"
    await asyncio.sleep(calm_s)
    noticed.stopping = True
    lost = (*lost, *await _lost(client, noticed))
    now = {memory_id: (await client.get(memory_id)).salience or 0.0 for memory_id in learnt}
    shift = max((abs(now[memory_id] - before) for memory_id, before in learnt.items()), default=0.0)
    return Report(
        noticed=noticed,
        verification=verification,
        fill_s=filled_s - begin_s,
        switch_s=switched_s - switching_s,
        rollback_s=rolled_back_s - rollback_s,
        rollback_count=due,
        salience_checked=len(learnt),
        salience_shift=shift,
        lost=lost,
    )


async def _until_ready(client: AsyncAtlas, operation: Operation) -> Operation:
    with tqdm(total=operation.total, unit="memory", desc="migrate", disable=None) as bar:
        while operation.phase != "ready":
            await asyncio.sleep(0.2)
            operation = await client.administration.operation(operation.operation_id)
            assert operation.error is None, operation
            assert not operation.failed, operation
            bar.n = operation.done
            bar.refresh()
    return operation


async def _learn(client: AsyncAtlas, questions: Sequence[str]) -> dict[str, float]:
    """Searches, and gives the salience of what was found by memory id."""
    found: set[str] = set()
    for question in questions:
        answer = await client.search(question, collections=[LIVE], salience_mode=SalienceMode.READ_WRITE, require_complete=True)
        assert answer.salience_write.accepted_count > 0, answer.salience_write
        found.update(hit.memory.memory_id for hit in answer.hits)
    known = {memory_id: (await client.get(memory_id)).salience for memory_id in found}
    return {memory_id: salience for memory_id, salience in known.items() if salience is not None}


async def _lost(client: AsyncAtlas, noticed: Noticed) -> tuple[str, ...]:
    """Looks for everything that was acknowledged, by id and by its own words."""
    lost: list[str] = []
    for memory_id, text in list(noticed.written.items())[:60]:
        hits = (await client.search(text, collections=[LIVE], salience_mode=SalienceMode.OFF, result_count=10)).hits
        # The writer goes on meanwhile: what it edited or deleted since is not to be found so.
        stands = memory_id not in noticed.deleted and noticed.written[memory_id] == text
        if stands and all(hit.memory.memory_id != memory_id for hit in hits):
            lost.append(f"{noticed.phase}: {memory_id} {text}")
    return tuple(lost)


async def _ingest(client: AsyncAtlas, count: int, collection: str) -> None:
    with tqdm(total=count, unit="doc", desc=f"ingest {collection}", disable=None) as bar:
        async for reply in client.ingest(corpus.documents(count, prefix=f"bench://{collection}"), collection=collection):
            if reply.error is not None:
                raise reply.error
            bar.update(1)


def _print(report: Report) -> None:
    noticed, checked = report.noticed, report.verification
    count = checked.memory_count
    print(f"\nmigrated        {count} memories in {report.fill_s:.0f} s ({count / report.fill_s:.0f} a second), beside the load")
    print(f"from            {checked.source.fingerprint}\nto              {checked.target.fingerprint}")
    print(
        f"verified        {checked.sample_count} looked up, {checked.sample_recall:.1%} find themselves, "
        f"{checked.neighbour_overlap:.1%} of the ten nearest in common"
    )
    print(f"switch          {report.switch_s * 1_000:.0f} ms")
    print(f"rollback        {report.rollback_s:.1f} s, {report.rollback_count} memories embedded again")
    print(f"calls           {sum(noticed.calls.values())} ({', '.join(f'{n} {kind}' for kind, n in sorted(noticed.calls.items()))})")
    print(f"failed calls    {len(noticed.failures)}")
    print(f"mixed answers   {noticed.mixed}; answers by generation {sorted(noticed.generations.values(), reverse=True)}")
    print(f"salience        {report.salience_checked} memories, largest change {report.salience_shift:.2e}")
    print(f"lost            {len(report.lost)}")
    print(f"\n  {'search, ms':<22}{'count':>8}{'p50':>9}{'p99':>9}{'max':>9}")
    for phase, samples in noticed.latencies_ms.items():
        found = percentiles(samples)
        print(f"  {phase:<22}{found.count:>8}{found.p50_ms:>9.1f}{found.p99_ms:>9.1f}{found.max_ms:>9.1f}")
