"""Compares stores in one run, query by query in turn: exact scans of memory's stores beside LanceDB's own flat search.

python -m bench stores [--count 100000] [--vectors FILE.npz] [--graph] [--qdrant HOST:GRPC_PORT]
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from . import machine
from .contenders import Contender, StoreContender, edge, lance_flat, lance_store, qdrant, recall
from .vectors import Vectors, load, random_vectors

TOP = 20
BASELINE = "LanceDB flat (its own client)"


@dataclass(slots=True)
class Samples:
    """What was measured of one contender."""

    insert_s: float = 0.0
    dense_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    both_ms: list[float] = field(default_factory=list)
    project_ms: list[float] = field(default_factory=list)


def main(count: int, query_count: int, vectors: Path | None, *, graph: bool, server: str | None) -> None:
    """Prints the table."""
    print(machine.describe())
    print(f"stores    qdrant-edge-py {version('qdrant-edge-py')}, qdrant-client {version('qdrant-client')}, lancedb {version('lancedb')}")
    measured = random_vectors(count, query_count) if vectors is None else load(vectors, count, query_count)
    print(f"vectors   {count} x {measured.stored.shape[1]}, {measured.name}; {query_count} queries, the stores in turn for each")
    asyncio.run(_measure(measured, graph=graph, server=server))


async def _measure(vectors: Vectors, *, graph: bool, server: str | None) -> None:
    truth = _neighbours(vectors)
    samples: dict[str, Samples] = defaultdict(Samples)
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        async with AsyncExitStack() as stack:
            opening: list[AbstractAsyncContextManager[Contender]] = [
                *(edge(Path(folder), scan) for scan in ("turbo8", "float16", "float32")),
                lance_flat(Path(folder)),
                lance_store(Path(folder)),
            ]
            if server is not None:
                opening.append(qdrant(server))
            contenders: list[Contender] = [await stack.enter_async_context(each) for each in opening]
            for contender in tqdm(contenders, "insert", disable=None):
                begin = time.perf_counter()
                await contender.insert(vectors.stored)
                samples[contender.name].insert_s = time.perf_counter() - begin
            await _search(contenders, vectors, truth, samples)
            _print(samples, len(vectors.stored))
            if graph:
                first = contenders[0]
                assert isinstance(first, StoreContender)
                begin = time.perf_counter()
                await first.rebuild()
                print(f"\nwith a graph over turbo8 (built in {time.perf_counter() - begin:.0f} s, while it served):")
                after: dict[str, Samples] = defaultdict(Samples)
                await _search([first], vectors, truth, after)
                _print(after, len(vectors.stored))


async def _search(contenders: list[Contender], vectors: Vectors, truth: NDArray[np.intp], samples: dict[str, Samples]) -> None:
    for number, query in enumerate(tqdm(vectors.queries, "search", disable=None)):
        turn = number % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            measured = samples[contender.name]
            worked, begin = contender.processor_s(), time.perf_counter()
            found = await contender.dense(query, TOP)
            measured.dense_ms.append(1000 * (time.perf_counter() - begin))
            measured.processor_ms.append(1000 * (contender.processor_s() - worked))
            measured.recalls.append(recall(found, truth[number].tolist()))
            if isinstance(contender, StoreContender) and number % 4 == 0:
                begin = time.perf_counter()
                await contender.both(query)
                measured.both_ms.append(1000 * (time.perf_counter() - begin))
                begin = time.perf_counter()
                await contender.project(TOP)
                measured.project_ms.append(1000 * (time.perf_counter() - begin))


def _neighbours(vectors: Vectors) -> NDArray[np.intp]:
    """Finds the true neighbours in double precision."""
    nearest = [np.argsort(-(vectors.stored @ query.astype(np.float64)))[:TOP] for query in tqdm(vectors.queries, "truth", disable=None)]
    return np.stack(nearest)


def _print(samples: dict[str, Samples], count: int) -> None:
    print(
        f"\n{'store':<31}{'insert/s':>9}{'dense 20: p50':>14}{'p99 ms':>8}{'CPU ms':>8}{'recall@20':>10}{'both p50':>9}{'project 20':>11}"
    )
    for name, found in samples.items():
        p50, p99 = np.percentile(found.dense_ms, [50, 99])
        both, project = (f"{np.median(values):.1f}" if values else "" for values in (found.both_ms, found.project_ms))
        rate = f"{count / found.insert_s:.0f}" if found.insert_s else ""
        processor = np.median(found.processor_ms)
        print(f"{name:<31}{rate:>9}{p50:>14.2f}{p99:>8.1f}{processor:>8.2f}{np.mean(found.recalls):>10.4f}{both:>9}{project:>11}")
    if BASELINE in samples:
        flat = samples[BASELINE]
        for name, found in samples.items():
            if name != BASELINE:
                times = np.median(flat.dense_ms) / np.median(found.dense_ms)
                work = np.median(flat.processor_ms) / np.median(found.processor_ms)
                print(f"{name}: {times:.1f} times as fast as LanceDB flat, with {1 / work:.3f} of its processor time")
