"""Puts a pool into its final order and picks the results; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from atlas import ranking
from atlas.ranking import MINILM_MAXSIM, RankingConstants

from .answers import Explanation, Hit, SearchQuery
from .clients import Candidate, Reranked, Score
from .memories import Evidence, EvidenceKind, SalienceMode
from .snippets import snippet

_TOKEN_SPACE = "tokens"  # noqa: S105 - the name of a vector space


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with what the second stage made of it."""

    candidate: Candidate
    """The candidate."""
    final_score: float | None = None
    """Fused evidence; None if it was not reranked."""
    rank_score: float | None = None
    """The same in logits, which orders the results."""
    relevance: float | None = None
    """Calibrated probability; None if it was not reranked or the query could not be read."""
    late_interaction: Evidence | None = None
    """What the reranker measured."""


def ordered(
    pool: Sequence[Candidate], reranked: Reranked | None, fragmentation: float, *, constants: RankingConstants = MINILM_MAXSIM
) -> list[Ranked]:
    """Orders a pool: what was scored by `rank_score`, then the rest as the pool had it.

    `fragmentation` is that of the query, [0, 1]; 0 where it is unknown, because the reranker read the query with an encoder of its own.
    """
    scores = {} if reranked is None else reranked.scores
    ranks = {memory_id: rank for rank, memory_id in enumerate(sorted(scores, key=lambda key: -scores[key].raw_score), start=1)}
    scored = [
        _ranked(candidate, scores[candidate.memory.memory_id], ranks[candidate.memory.memory_id], fragmentation, constants)
        for candidate in pool
        if candidate.memory.memory_id in scores
    ]
    scored.sort(key=_descending)  # stable: equal scores keep the order of the pool
    return scored + [Ranked(candidate) for candidate in pool if candidate.memory.memory_id not in scores]


def selected(ranked: Iterable[Ranked], query: SearchQuery) -> list[Ranked]:
    """Picks the results: relevant enough where relevance is known, one a source where asked for, no more than asked for."""
    kept = _relevant(ranked, query.min_relevance)
    if query.group_by_source:
        kept = _first_of_each_source(kept)
    return [item for item, _ in zip(kept, range(query.result_count), strict=False)]


def hits_of(results: Sequence[Ranked], query: SearchQuery, fragmentation: float) -> tuple[Hit, ...]:
    """Makes hits of the results, in their order."""
    return tuple(_hit(item, rank, query, fragmentation) for rank, item in enumerate(results, start=1))


def _ranked(candidate: Candidate, score: Score, rank: int, fragmentation: float, constants: RankingConstants) -> Ranked:
    final = ranking.final_score(
        score.raw_score, candidate.similarity, candidate.lexical_strength, fragmentation, candidate.memory.kind, constants=constants
    )
    return Ranked(
        candidate=candidate,
        final_score=final,
        # Evidence of the reranker's own never moves the order that it gives: the influence of salience is 0.
        rank_score=ranking.rank_score(final, salience_logit=0.0, influence=0.0, limit=0.0, constants=constants),
        relevance=score.relevance if ranking.readable(fragmentation) else None,
        late_interaction=Evidence(EvidenceKind.LATE_INTERACTION, _TOKEN_SPACE, score.raw_score, rank),
    )


def _descending(item: Ranked) -> float:
    return -item.rank_score if item.rank_score is not None else 0.0


def _relevant(ranked: Iterable[Ranked], min_relevance: float | None) -> Iterator[Ranked]:
    for item in ranked:
        if min_relevance is None or item.relevance is None or item.relevance >= min_relevance:
            yield item


def _first_of_each_source(ranked: Iterable[Ranked]) -> Iterator[Ranked]:
    seen: set[str] = set()
    for item in ranked:
        source = item.candidate.memory.source
        if source and source in seen:
            continue
        seen.add(source)
        yield item


def _hit(item: Ranked, rank: int, query: SearchQuery, fragmentation: float) -> Hit:
    candidate = item.candidate
    extra = () if item.late_interaction is None else (item.late_interaction,)
    explanation = Explanation(
        pool_rank=candidate.pool_rank,
        pool_score=candidate.pool_score,
        lexical_strength=candidate.lexical_strength,
        fragmentation=fragmentation,
        final_score=item.final_score,
    )
    return Hit(
        memory=candidate.memory,
        snippet=snippet(candidate.memory.text, query.question.text),
        rank=rank,
        relevance=item.relevance,
        rank_score=item.rank_score,
        evidence=candidate.evidence + extra,
        salience=None if query.salience_mode is SalienceMode.OFF else candidate.memory.salience,
        explanation=explanation if query.explain else None,
    )
