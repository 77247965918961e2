"""The two-stage search without servers: exact dense, BM25 and late interaction over one set held in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas.ranking import MINILM_MAXSIM, RankingConstants, final_score, normalised_lexical, pool_score
from services.memory.search.analyzer import Analyzer, AnalyzerParameters, languages_that_matter
from services.reranker.maxsim import maxsim, query_weights

from .sets import Passage, Query

BRANCH_DEPTH = 100
"""Hits of each branch that may become candidates."""


@dataclass(frozen=True, slots=True)
class EncodedText:
    """What the encoder makes of a text."""

    dense: NDArray[np.float32]
    """[D], unit length."""
    tokens: NDArray[np.float16]
    """[T, D], unit rows."""
    piece_ids: tuple[int, ...]
    """[T]."""
    fragmentation: float


@dataclass(frozen=True, slots=True)
class RankedHit:
    """A reranked candidate."""

    passage_id: str
    maxsim: float
    final: float


class LexicalIndex:
    """BM25 over passages, with the inverse document frequency that the engines use."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._analyzer = Analyzer(AnalyzerParameters())
        self._count = len(passages)
        languages: Counter[str] = Counter()
        postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for row, passage in enumerate(passages):
            document = self._analyzer.analyze_document(passage.text, passage.kind)
            languages[document.language] += 1
            for term, value in zip(document.indices.tolist(), document.values.tolist(), strict=True):
                postings[term].append((row, value))
        self._languages = languages_that_matter(languages)
        self._rows = {term: np.array([row for row, _ in found], np.intp) for term, found in postings.items()}
        self._values = {term: np.array([value for _, value in found]) for term, found in postings.items()}

    def search(self, text: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """BM25 of every passage, and the share of the query's terms that it contains, each [N]."""
        groups = self._analyzer.analyze_query(text, self._languages)
        scores, matched = np.zeros(self._count), np.zeros(self._count)
        for group in groups:
            holds = np.zeros(self._count, np.bool_)
            for term in group:
                if term in self._rows:
                    rows = self._rows[term]
                    rarity = np.log(1 + (self._count - len(rows) + 0.5) / (len(rows) + 0.5))
                    scores[rows] += rarity * self._values[term]
                    holds[rows] = True
            matched += holds
        return scores, matched / max(1, len(groups))


class OfflineSearch:
    """Two-stage search over the passages of one set."""

    def __init__(
        self, passages: Sequence[Passage], encoded: Sequence[EncodedText], weights: NDArray[np.float32], *, within_domain: bool = False
    ) -> None:
        self._passages, self._encoded, self._weights = passages, encoded, weights
        self._dense = np.stack([one.dense for one in encoded])
        self._lexical = LexicalIndex(passages)
        self._domains = np.array([passage.domain for passage in passages]) if within_domain else None

    def search(
        self, query: Query, encoded: EncodedText, *, candidate_count: int, constants: RankingConstants = MINILM_MAXSIM
    ) -> list[RankedHit]:
        """Hits of `query`, best first, at most `candidate_count`."""
        rows, similarity, lexical = self._pool(query, encoded, candidate_count, constants)
        shares = query_weights(encoded.piece_ids, self._weights)
        late = maxsim(encoded.tokens.astype(np.float32), shares, [self._encoded[row].tokens for row in rows])
        hits = [
            RankedHit(
                self._passages[row].passage_id,
                float(score),
                final_score(
                    float(score), float(similarity[row]), lexical[row], encoded.fragmentation, self._passages[row].kind, constants=constants
                ),
            )
            for row, score in zip(rows, late, strict=True)
        ]
        return sorted(hits, key=lambda hit: -hit.final)

    def pool(self, query: Query, encoded: EncodedText, *, candidate_count: int) -> list[str]:
        """Ids of the candidates of the first stage, best first, at most `candidate_count`."""
        rows, _, _ = self._pool(query, encoded, candidate_count, MINILM_MAXSIM)
        return [self._passages[row].passage_id for row in rows]

    def _pool(
        self, query: Query, encoded: EncodedText, candidate_count: int, constants: RankingConstants
    ) -> tuple[list[int], NDArray[np.float32], dict[int, float]]:
        similarity = self._dense @ encoded.dense
        lexical = self._candidates(query, similarity)
        order = sorted(lexical, key=lambda row: (-self._pool_score(row, similarity, lexical, encoded.fragmentation, constants), row))
        return order[:candidate_count], similarity, lexical

    def _candidates(self, query: Query, similarity: NDArray[np.float32]) -> dict[int, float]:
        """Rows that either branch lists, with their normalised lexical evidence."""
        allowed = np.ones(len(self._passages), np.bool_) if self._domains is None else self._domains == query.domain
        scores, coverage = self._lexical.search(query.text)
        listed = _top(scores, allowed & (scores > 0))
        best, best_coverage = (float(scores[listed[0]]), float(coverage[listed[0]])) if listed else (0.0, 0.0)
        return {
            row: normalised_lexical(float(scores[row]), best_lexical=best, best_coverage=best_coverage)
            for row in {*_top(similarity, allowed), *listed}
        }

    def _pool_score(
        self, row: int, similarity: NDArray[np.float32], lexical: dict[int, float], fragmentation: float, constants: RankingConstants
    ) -> float:
        return pool_score(float(similarity[row]), lexical[row], fragmentation, self._passages[row].kind, constants=constants)


def _top(scores: NDArray[np.floating], allowed: NDArray[np.bool_]) -> list[int]:
    rows = np.flatnonzero(allowed)
    order = np.argsort(-scores[rows], kind="stable")[:BRANCH_DEPTH]
    return [int(row) for row in rows[order]]
