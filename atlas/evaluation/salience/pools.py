"""The deep pool of every question, as the running system gave it: all that a replay needs to order it anew."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FORM = 1
"""Version of the file; a file of another one is fetched anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate of one question."""

    memory_id: str
    document_id: str
    domain: str
    pool_score: float
    """What the pool is ordered by."""
    final_score: float
    """Fused evidence of the second stage."""
    relevance: float
    """Calibrated probability, (0, 1); NaN where the encoder could not read the question, which then gives no evidence."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Pools of all questions, in numbers.

    A memory's number follows the order of ids, so that ties break as in the running system.
    """

    memory_ids: NDArray[np.str_]
    """[M], ascending."""
    document_ids: NDArray[np.str_]
    """[D], ascending."""
    document: Numbers
    """[M] number of a memory's document."""
    domain: Numbers
    """[M] number of a memory's domain; base rates and placebo stay inside it."""
    query_ids: NDArray[np.str_]
    """[Q]."""
    bucket: Numbers
    """[Q] query bucket, [0, 16)."""
    split: Numbers
    """[Q + 1]: the rows of question q are split[q] to split[q + 1]."""
    member: Numbers
    """[N] number of the memory in a row; the rows of a question are in pool order."""
    pool_score: Floats
    """[N]."""
    final_score: Floats
    """[N]."""
    relevance: Floats
    """[N]; NaN where it says nothing."""
    logits_per_unit: float
    """Logits that a unit of the final score is worth."""
    models: str
    """What answered."""

    @property
    def memory_count(self) -> int:
        """Memories that occur in any pool."""
        return len(self.memory_ids)

    def numbers(self) -> Mapping[str, int]:
        """Numbers of the questions."""
        return {str(query_id): number for number, query_id in enumerate(self.query_ids)}


def pools_of(entries: Mapping[str, Sequence[Entry]], buckets: Mapping[str, int], *, logits_per_unit: float, models: str) -> Pools:
    """Puts pools into numbers; `entries` are in pool order, by question."""
    known = {entry.memory_id: entry for pool in entries.values() for entry in pool}
    memory_ids = sorted(known)
    document_ids = sorted({entry.document_id for entry in known.values()})
    domains = sorted({entry.domain for entry in known.values()})
    number_of = {memory_id: number for number, memory_id in enumerate(memory_ids)}
    document_of = {document_id: number for number, document_id in enumerate(document_ids)}
    domain_of = {domain: number for number, domain in enumerate(domains)}
    rows = [entry for pool in entries.values() for entry in pool]
    return Pools(
        memory_ids=np.array(memory_ids, dtype=np.str_),
        document_ids=np.array(document_ids, dtype=np.str_),
        document=np.array([document_of[known[memory_id].document_id] for memory_id in memory_ids], dtype=np.int64),
        domain=np.array([domain_of[known[memory_id].domain] for memory_id in memory_ids], dtype=np.int64),
        query_ids=np.array(list(entries), dtype=np.str_),
        bucket=np.array([buckets[query_id] for query_id in entries], dtype=np.int64),
        split=np.concatenate(([0], np.cumsum([len(pool) for pool in entries.values()]))).astype(np.int64),
        member=np.array([number_of[entry.memory_id] for entry in rows], dtype=np.int64),
        pool_score=np.array([entry.pool_score for entry in rows], dtype=np.float64),
        final_score=np.array([entry.final_score for entry in rows], dtype=np.float64),
        relevance=np.array([entry.relevance for entry in rows], dtype=np.float64),
        logits_per_unit=logits_per_unit,
        models=models,
    )


def write_pools(path: Path, pools: Pools) -> None:
    """Writes a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    with scratch.open("wb") as file:
        np.savez_compressed(file, form=FORM, **{item.name: getattr(pools, item.name) for item in fields(pools)})
    scratch.replace(path)


def read_pools(path: Path) -> Pools | None:
    """Reads a file; None if there is none, or one of another form."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["form"]) != FORM:
                return None
            values = {item.name: stored[item.name] for item in fields(Pools)}
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None  # a file that is none of ours is fetched anew; nothing rests on it
    return replace(Pools(**values), logits_per_unit=float(values["logits_per_unit"]), models=str(values["models"]))


def subset(pools: Pools, queries: Sequence[int]) -> Pools:
    """Keeps some questions, by number; the memories stay as they are."""
    rows = np.concatenate([np.arange(pools.split[query], pools.split[query + 1]) for query in queries])
    sizes = [int(pools.split[query + 1] - pools.split[query]) for query in queries]
    return replace(
        pools,
        query_ids=pools.query_ids[list(queries)],
        bucket=pools.bucket[list(queries)],
        split=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        member=pools.member[rows],
        pool_score=pools.pool_score[rows],
        final_score=pools.final_score[rows],
        relevance=pools.relevance[rows],
    )
