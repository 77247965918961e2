"""Fits the calibration of the `cpu` profile: from late interaction to relevance, and logits per unit of final score.

    python -m bench.fit.calibrate DATA_FOLDER

DATA_FOLDER holds the sets squad-dev and cosqa-dev. The questions of squad-dev, answerable ones and unanswerable ones numbered apart from 1
in the order of their files, are searched twice with 20 candidates: on their own corpus, where the first hit counts as relevant if
it is the paragraph that the question was written about, and on the corpus of cosqa-dev, where every question is off topic and no hit is
relevant. The odd-numbered questions fit a logistic regression of that label on the first hit's late interaction, and another one on
its final score; the even-numbered ones check both.

An unanswerable question counts with the paragraph it is about (`near`), because relevance is about the topic: whether the topic's
paragraph holds the answer cannot be told from retrieval scores. The command prints the constants for `atlas/ranking.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from atlas.encoder.models import MINILM
from atlas.encoder.openvino import OpenVinoEncoder
from services.reranker.maxsim import piece_weights
from services.reranker.word_piece_idf import load_idf

from .offline import EncodedText, OfflineSearch
from .sets import FittingSet, Query, read_set

CANDIDATE_COUNT = 20
"""Candidates of each search."""

BATCH_TEXTS = 16
"""Texts of one forward pass."""

REFUSAL_THRESHOLD = 0.5
"""Relevance at which the check counts what is kept and what is refused."""


@dataclass(frozen=True, slots=True)
class Samples:
    """First hits: a score each, and whether the hit is relevant."""

    scores: NDArray[np.float64]
    relevant: NDArray[np.bool_]

    def half(self, remainder: int) -> Samples:
        """Every second sample, from the first (0) or the second (1)."""
        return Samples(self.scores[remainder::2], self.relevant[remainder::2])


@dataclass(frozen=True, slots=True)
class Line:
    """Log-odds as a straight line of a score."""

    slope: float
    intercept: float

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of relevance at each score."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * scores + self.intercept))))


def fit(samples: Samples) -> Line:
    """Logistic regression by Newton's method, without a penalty."""
    centre, scale = float(samples.scores.mean()), float(samples.scores.std())
    design = np.column_stack([(samples.scores - centre) / scale, np.ones(len(samples.scores))])
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        weights += np.linalg.solve(curvature, design.T @ (samples.relevant - chance))
    slope = float(weights[0]) / scale
    return Line(slope, float(weights[1]) - slope * centre)


def calibration_error(line: Line, samples: Samples, bin_count: int = 10) -> float:
    """Mean distance between stated and observed share of relevant hits, over bins of equal width."""
    chance = line.probability(samples.scores)
    bins = np.minimum((chance * bin_count).astype(int), bin_count - 1)
    gaps = [abs(chance[bins == one].mean() - samples.relevant[bins == one].mean()) * np.mean(bins == one) for one in set(bins.tolist())]
    return float(sum(gaps))


def encode(encoder: OpenVinoEncoder, texts: Sequence[str], label: str) -> list[EncodedText]:
    """Encodes texts cut at the token limit, on every stream of the encoder."""
    encodings = encoder.tokenizer.encode(texts)
    rows = [encoding.truncated(encoder.record.max_tokens) for encoding in encodings]
    order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
    batches = [order[begin : begin + BATCH_TEXTS] for begin in range(0, len(order), BATCH_TEXTS)]
    found: dict[int, EncodedText] = {}
    with ThreadPoolExecutor(encoder.stream_count) as threads:
        results = threads.map(lambda batch: encoder.encode_batch([rows[row] for row in batch], want_tokens=True), batches)
        for batch, result in zip(batches, tqdm(results, label, len(batches)), strict=True):
            for row, dense, tokens in zip(batch, result.dense, result.tokens, strict=True):
                found[row] = EncodedText(dense, tokens.astype(np.float16), rows[row][1:-1], encodings[row].fragmentation)
    return [found[row] for row in range(len(rows))]


def first_hits(queries: Sequence[Query], encoded: Sequence[EncodedText], search: OfflineSearch, label: str) -> tuple[Samples, Samples]:
    """Late interaction and final score of each query's first hit."""
    hits = [
        search.search(query, vectors, candidate_count=CANDIDATE_COUNT)[0]
        for query, vectors in zip(tqdm(queries, label), encoded, strict=True)
    ]
    relevant = np.array([hit.passage_id in query.relevant for query, hit in zip(queries, hits, strict=True)])
    return Samples(np.array([hit.maxsim for hit in hits]), relevant), Samples(np.array([hit.final for hit in hits]), relevant)


def report(name: str, on_topic: Sequence[Samples], off_topic: Sequence[Samples]) -> Line:
    """Fits on the odd half, prints the line and what it does on the even half."""
    line = fit(_joined([samples.half(0) for samples in (*on_topic, *off_topic)]))
    held_out = _joined([samples.half(1) for samples in (*on_topic, *off_topic)])
    print(f"{name}: slope {line.slope:.4f}, intercept {line.intercept:.4f}, calibration error {calibration_error(line, held_out):.3f}")
    for label, samples in zip(
        ("answerable, on topic", "unanswerable, on topic", "answerable, off topic", "unanswerable, off topic"),
        (*on_topic, *off_topic),
        strict=True,
    ):
        kept = float(np.mean(line.probability(samples.half(1).scores) >= REFUSAL_THRESHOLD))
        print(f"  {label}: {len(samples.half(1).scores)} questions, {kept:.4f} kept at relevance {REFUSAL_THRESHOLD}")
    return line


def _joined(parts: Sequence[Samples]) -> Samples:
    return Samples(np.concatenate([part.scores for part in parts]), np.concatenate([part.relevant for part in parts]))


def main() -> None:
    """Prints the constants and their check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder per set")
    data: Path = parser.parse_args().data
    encoder = OpenVinoEncoder.open(MINILM)
    weights = piece_weights(encoder.tokenizer.vocabulary, load_idf())
    own, foreign = read_set(data / "squad-dev"), read_set(data / "cosqa-dev")
    groups = (own.queries, own.unanswerable)
    encoded = [encode(encoder, [query.text for query in group], "questions") for group in groups]
    samples = {}
    for corpus in (own, foreign):
        search = OfflineSearch(corpus.passages, _encoded_passages(encoder, corpus), weights)
        samples[corpus.name] = [first_hits(*pair, search, corpus.name) for pair in zip(groups, encoded, strict=True)]
    for index, name in enumerate(("relevance from late interaction", "logits from the final score")):
        report(name, [pair[index] for pair in samples[own.name]], [pair[index] for pair in samples[foreign.name]])


def _encoded_passages(encoder: OpenVinoEncoder, corpus: FittingSet) -> list[EncodedText]:
    return encode(encoder, [passage.text for passage in corpus.passages], corpus.name)


if __name__ == "__main__":
    main()
