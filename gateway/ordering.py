"""Puts a pool into its final order and picks the results; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from atlas import ranking
from atlas.influence import Influence
from atlas.ranking import MINILM_MAXSIM, RankingConstants

from .answers import Explanation, Hit, SearchQuery
from .clients import Candidate, Reranked, Score
from .memories import Evidence, EvidenceKind, Pool, SalienceMode
from .snippets import snippet

_TOKEN_SPACE = "tokens"  # noqa: S105 - the name of a vector space


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with what the second stage made of it."""

    candidate: Candidate
    """The candidate."""
    logits: float = 0.0
    """What orders it without salience: its final score in logits, or, if it was not reranked, its pool score on the same scale."""
    salience_logits: float = 0.0
    """What salience adds to that."""
    influence: float = 0.0
    """Logits a unit of log-odds."""
    final_score: float | None = None
    """Fused evidence; None if it was not reranked."""
    rank_score: float | None = None
    """`logits` and `salience_logits` together, which orders the results; None if it was not reranked."""
    relevance: float | None = None
    """Calibrated probability; None if it was not reranked or the query could not be read."""
    late_interaction: Evidence | None = None
    """What the reranker measured."""


def ordered(
    pool: Sequence[Candidate],
    reranked: Reranked | None,
    fragmentation: float,
    *,
    influence: Influence,
    constants: RankingConstants = MINILM_MAXSIM,
) -> list[Ranked]:
    """Orders a pool: what was scored by `rank_score`, then the rest by pool score and learnt worth.

    Evidence from the reranker itself never moves what it has scored, for it knows that already; what is left without a score is
    moved by all that was learnt. `fragmentation` is that of the query, [0, 1]; 0 where it is unknown, because the reranker read
    the query with an encoder of its own.
    """
    scores = {} if reranked is None else reranked.scores
    ranks = {memory_id: rank for rank, memory_id in enumerate(sorted(scores, key=lambda key: -scores[key].raw_score), start=1)}
    scored, rest = [], []
    for candidate in pool:
        score = scores.get(candidate.memory.memory_id)
        if score is None:
            rest.append(_unscored(candidate, influence, constants))
        else:
            scored.append(_scored(candidate, score, ranks[candidate.memory.memory_id], fragmentation, influence, constants))
    # Stable: equal scores keep the order of the pool.
    scored.sort(key=_with_salience)
    rest.sort(key=_with_salience)
    return scored + rest


def without_salience(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Orders the same candidates as if nothing had been learnt: without those that salience brought in, and without its logits."""
    clean = [item for item in ranked if item.candidate.pool is not Pool.EXTENDED]
    clean.sort(key=lambda item: (item.final_score is None, -item.logits, item.candidate.pool_rank))
    return clean


def max_displacement(ranked: Iterable[Ranked], influence: Influence) -> float:
    """Returns the most that salience can move a result, in logits, either way; 0 where it was not read."""
    moved = [item.influence for item in ranked if item.candidate.salience_log_odds is not None]
    return max(moved, default=0.0) * influence.log_odds_limit


def selected(ranked: Iterable[Ranked], query: SearchQuery) -> list[Ranked]:
    """Picks the results: relevant enough where relevance is known, one a source where asked for, no more than asked for."""
    return [item for item, _ in zip(_kept(ranked, query), range(query.result_count), strict=False)]


def positions(ranked: Iterable[Ranked], query: SearchQuery) -> dict[str, int]:
    """Returns the position that each candidate would have if there were no end to the results, from 1, by memory id."""
    return {item.candidate.memory.memory_id: rank for rank, item in enumerate(_kept(ranked, query), start=1)}


def hits_of(
    results: Sequence[Ranked], query: SearchQuery, fragmentation: float, *, before: Mapping[str, int], influence: Influence
) -> tuple[Hit, ...]:
    """Makes hits of the results, in their order; `before` has their positions without salience."""
    return tuple(_hit(item, rank, query, fragmentation, before, influence) for rank, item in enumerate(results, start=1))


def _scored(
    candidate: Candidate, score: Score, rank: int, fragmentation: float, influence: Influence, constants: RankingConstants
) -> Ranked:
    final = ranking.final_score(
        score.raw_score, candidate.similarity, candidate.lexical_strength, fragmentation, candidate.memory.kind, constants=constants
    )
    outside = candidate.outside_log_odds or 0.0
    return Ranked(
        candidate=candidate,
        logits=constants.logits_per_unit * final,
        salience_logits=influence.final * influence.clipped(outside),
        influence=influence.final,
        final_score=final,
        rank_score=ranking.rank_score(
            final, salience_logit=outside, influence=influence.final, limit=influence.log_odds_limit, constants=constants
        ),
        relevance=score.relevance if ranking.readable(fragmentation) else None,
        late_interaction=Evidence(EvidenceKind.LATE_INTERACTION, _TOKEN_SPACE, score.raw_score, rank),
    )


def _unscored(candidate: Candidate, influence: Influence, constants: RankingConstants) -> Ranked:
    return Ranked(
        candidate=candidate,
        logits=constants.logits_per_unit * candidate.pool_score,
        salience_logits=influence.fallback * influence.clipped(candidate.salience_log_odds or 0.0),
        influence=influence.fallback,
    )


def _with_salience(item: Ranked) -> float:
    return -(item.logits + item.salience_logits)


def _kept(ranked: Iterable[Ranked], query: SearchQuery) -> Iterator[Ranked]:
    kept = _relevant(ranked, query.min_relevance)
    return _first_of_each_source(kept) if query.group_by_source else kept


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


def _hit(item: Ranked, rank: int, query: SearchQuery, fragmentation: float, before: Mapping[str, int], influence: Influence) -> Hit:
    candidate = item.candidate
    extra = () if item.late_interaction is None else (item.late_interaction,)
    return Hit(
        memory=candidate.memory,
        snippet=snippet(candidate.memory.text, query.question.text),
        rank=rank,
        relevance=item.relevance,
        rank_score=item.rank_score,
        evidence=candidate.evidence + extra,
        salience=None if query.salience_mode is SalienceMode.OFF else candidate.memory.salience,
        rank_before_salience=before.get(candidate.memory.memory_id, 0),
        pool=candidate.pool,
        explanation=_explanation(item, fragmentation, influence) if query.explain else None,
    )


def _explanation(item: Ranked, fragmentation: float, influence: Influence) -> Explanation:
    candidate = item.candidate
    return Explanation(
        pool_rank=candidate.pool_rank,
        pool_score=candidate.pool_score,
        lexical_strength=candidate.lexical_strength,
        fragmentation=fragmentation,
        final_score=item.final_score,
        salience_log_odds=candidate.salience_log_odds,
        outside_log_odds=candidate.outside_log_odds,
        influence=item.influence,
        log_odds_limit=influence.log_odds_limit,
        salience_logits=item.salience_logits,
        propensity=candidate.propensity,
    )
