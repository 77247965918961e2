"""Vectors to measure stores with: random directions, the worst case of every compact form, or those of real texts.

python -m bench vectors DATA OUT.npz [--count 100000]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from atlas.encoder.models import MINILM
from atlas.encoder.openvino import OpenVinoEncoder

from .fit.sets import read_set

WINDOW_WORDS = 12
"""Words of a window of real text."""
BATCH_TEXTS = 64
DIMENSION = 384


@dataclass(frozen=True, slots=True)
class Vectors:
    """What is stored and what is asked, each row of norm 1."""

    name: str
    stored: NDArray[np.float32]
    """[N, D]."""
    queries: NDArray[np.float32]
    """[Q, D]."""


def random_vectors(count: int, query_count: int, *, seed: int = 7) -> Vectors:
    """Gives random directions: no two are near each other."""
    rows = np.random.default_rng(seed).normal(size=(count + query_count, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Vectors(f"random, seed {seed}", rows[:count], rows[count:])


def load(path: Path, count: int, query_count: int) -> Vectors:
    """Reads what `python -m bench vectors` wrote.

    Raises:
        ValueError: It holds fewer than are asked for.
    """
    with np.load(path) as file:
        stored, queries = file["stored"], file["queries"]
    if len(stored) < count or len(queries) < query_count:
        raise ValueError(f"{path} holds {len(stored)} vectors and {len(queries)} queries; {count} and {query_count} are asked for")
    return Vectors(f"real texts, {path.name}", stored[:count], queries[:query_count])


def write(data: Path, out: Path, count: int, query_count: int) -> None:
    """Encodes windows of the texts of evaluation sets and their questions."""
    folders = sorted(folder.parent for folder in data.glob("*/qrels.tsv"))
    sets = [read_set(folder) for folder in folders if folder.name != "charts"]
    texts = list(_spread(list(_windows([passage.text for one in sets for passage in one.passages])), count))
    questions = list(_spread([query.text for one in sets for query in one.queries], query_count))
    encoder = OpenVinoEncoder.open(MINILM)
    np.savez(out, stored=_encoded(encoder, texts), queries=_encoded(encoder, questions))
    print(f"{len(texts)} windows of {WINDOW_WORDS} words and {len(questions)} questions of {', '.join(one.name for one in sets)} in {out}")


def _windows(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        words = text.split()
        for start in range(0, max(1, len(words) - WINDOW_WORDS // 2), WINDOW_WORDS // 3):
            yield " ".join(words[start : start + WINDOW_WORDS])


def _spread(items: Sequence[str], count: int) -> Iterator[str]:
    different = list(dict.fromkeys(items))
    if len(different) < count:
        raise ValueError(f"{count} texts were asked for; there are {len(different)}")
    return (different[place] for place in np.linspace(0, len(different) - 1, count).astype(int))


def _encoded(encoder: OpenVinoEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    rows = [encoding.truncated(encoder.record.max_tokens) for encoding in encoder.tokenizer.encode(texts)]
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    batches = [order[begin : begin + BATCH_TEXTS] for begin in range(0, len(order), BATCH_TEXTS)]
    found = np.zeros((len(rows), DIMENSION), np.float32)
    with ThreadPoolExecutor(encoder.stream_count) as threads:
        results = threads.map(lambda batch: encoder.encode_batch([rows[row] for row in batch]).dense, batches)
        for batch, dense in zip(batches, tqdm(results, "encoded", len(batches), disable=None), strict=True):
            found[batch] = dense
    return found
