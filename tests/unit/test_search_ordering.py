"""The final order of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from atlas.influence import Influence
from atlas.ranking import MINILM_MAXSIM, Kind
from gateway.answers import Hit, SearchQuery
from gateway.clients import Candidate, Question, Reranked, Score, ServerTime
from gateway.memories import Evidence, EvidenceKind, Memory, Pool, SalienceMode
from gateway.ordering import Ranked, max_displacement, positions, selected, without_salience
from gateway.ordering import hits_of as all_hits_of
from gateway.ordering import ordered as ordered_under

OFF = Influence(final=0.0, fallback=0.0)


def candidate(name: str, rank: int, *, similarity: float | None = 0.5, lexical: float | None = 0.0, source: str = "") -> Candidate:
    evidence = () if similarity is None else (Evidence(EvidenceKind.SIMILARITY, "dense", similarity, rank),)
    memory = Memory(memory_id=name, collection="notes", text=f"text of {name}", source=source, kind=Kind.TEXT, salience=0.3)
    return Candidate(memory, evidence, lexical, 1.0 - rank / 10, Pool.CLEAN, rank, 1.0, None, "")


def reranked(**raw_scores: float) -> Reranked:
    scores = {name: Score(raw, relevance=raw) for name, raw in raw_scores.items()}
    return Reranked(scores, "1", token_count=0, cache_hits=0, time=ServerTime())


def ordered(pool: Sequence[Candidate], scores: Reranked | None, fragmentation: float, influence: Influence = OFF) -> list[Ranked]:
    return ordered_under(pool, scores, fragmentation, influence=influence)


def hits_of(results: Sequence[Ranked], asked: SearchQuery, fragmentation: float, influence: Influence = OFF) -> tuple[Hit, ...]:
    return all_hits_of(results, asked, fragmentation, before=positions(without_salience(results), asked), influence=influence)


def query(**fields: object) -> SearchQuery:
    known: dict[str, object] = {"question": Question("text"), "search_id": "s", "candidate_count": 20, "result_count": 10}
    return SearchQuery(**(known | fields))  # type: ignore[arg-type]


def names(ranked: object) -> list[str]:
    return [item.candidate.memory.memory_id for item in ranked]  # type: ignore[attr-defined]


def test_the_final_score_orders_and_not_the_raw_score_alone() -> None:
    pool = [candidate("near", 1, similarity=0.9), candidate("far", 2, similarity=-0.9)]
    ranked = ordered(pool, reranked(near=0.50, far=0.55), 0.0)
    assert names(ranked) == ["near", "far"]
    assert ranked[0].rank_score == pytest.approx(MINILM_MAXSIM.logits_per_unit * (0.50 + 0.25 * 0.9) / 1.25)


def test_equal_scores_keep_the_order_of_the_pool() -> None:
    pool = [candidate(name, rank) for rank, name in enumerate("abc", start=1)]
    assert names(ordered(pool, reranked(a=0.5, b=0.5, c=0.5), 0.0)) == ["a", "b", "c"]


def test_what_was_not_scored_follows_in_the_order_of_the_pool() -> None:
    pool = [candidate(name, rank) for rank, name in enumerate("abcd", start=1)]
    ranked = ordered(pool, reranked(b=0.1, d=0.9), 0.0)
    assert names(ranked) == ["d", "b", "a", "c"]
    assert [item.rank_score is None for item in ranked] == [False, False, True, True]


def test_without_a_reranker_the_pool_is_the_order() -> None:
    pool = [candidate(name, rank) for rank, name in enumerate("ab", start=1)]
    ranked = ordered(pool, None, 0.0)
    assert names(ranked) == ["a", "b"]
    assert all(item.relevance is None and item.final_score is None for item in ranked)


def test_a_pool_without_similarity_is_ordered_by_late_interaction() -> None:
    pool = [candidate("a", 1, similarity=None, lexical=1.0), candidate("b", 2, similarity=None, lexical=0.1)]
    assert names(ordered(pool, reranked(a=0.2, b=0.6), 0.0)) == ["b", "a"]


def test_words_order_what_the_encoder_cannot_read() -> None:
    pool = [candidate("a", 1, lexical=0.1), candidate("b", 2, lexical=1.0)]
    ranked = ordered(pool, reranked(a=0.6, b=0.2), 1.0)
    assert names(ranked) == ["b", "a"]
    assert all(item.relevance is None for item in ranked)


def test_late_interaction_has_a_rank_of_its_own() -> None:
    pool = [candidate("near", 1, similarity=0.9), candidate("far", 2, similarity=-0.9)]
    ranked = ordered(pool, reranked(near=0.50, far=0.55), 0.0)
    late = [item.late_interaction for item in ranked]
    assert [(item.value, item.rank) for item in late if item is not None] == [(0.50, 2), (0.55, 1)]


def test_min_relevance_keeps_what_reaches_it_and_what_nobody_knows() -> None:
    pool = [candidate(name, rank) for rank, name in enumerate("abc", start=1)]
    ranked = ordered(pool, reranked(a=0.5, b=0.4), 0.0)
    assert names(selected(ranked, query(min_relevance=0.5))) == ["a", "c"]


def test_one_hit_a_source_keeps_the_best_and_all_without_a_source() -> None:
    pool = [candidate(name, rank, source=source) for rank, (name, source) in enumerate([("a", "x"), ("b", "x"), ("c", ""), ("d", "")], 1)]
    ranked = ordered(pool, None, 0.0)
    assert names(selected(ranked, query(group_by_source=True))) == ["a", "c", "d"]
    assert names(selected(ranked, query())) == ["a", "b", "c", "d"]


def test_results_are_cut_after_grouping() -> None:
    pool = [candidate(name, rank, source=source) for rank, (name, source) in enumerate([("a", "x"), ("b", "x"), ("c", "y")], 1)]
    assert names(selected(ordered(pool, None, 0.0), query(group_by_source=True, result_count=2))) == ["a", "c"]


def test_a_hit_carries_all_evidence_and_explains_itself_only_where_asked() -> None:
    results = ordered([candidate("a", 1, lexical=0.4)], reranked(a=0.5), 0.25)
    [plain] = hits_of(results, query(), 0.25)
    [explained] = hits_of(results, query(explain=True), 0.25)
    assert [item.kind for item in plain.evidence] == [EvidenceKind.SIMILARITY, EvidenceKind.LATE_INTERACTION]
    assert plain.explanation is None
    assert explained.explanation is not None
    assert (explained.explanation.pool_rank, explained.explanation.lexical_strength, explained.explanation.fragmentation) == (1, 0.4, 0.25)
    assert explained.explanation.final_score == results[0].final_score


def test_salience_is_shown_unless_it_is_off() -> None:
    results = ordered([candidate("a", 1)], None, 0.0)
    assert hits_of(results, query(), 0.0)[0].salience == 0.3
    assert hits_of(results, query(salience_mode=SalienceMode.OFF), 0.0)[0].salience is None


def learnt(one: Candidate, log_odds: float, outside: float, pool: Pool = Pool.CLEAN) -> Candidate:
    return replace(one, salience_log_odds=log_odds, outside_log_odds=outside, pool=pool)


def test_changing_what_was_learnt_changes_the_order_and_the_off_switch_restores_it() -> None:
    pool = [learnt(candidate("a", 1), 0.0, 0.0), learnt(candidate("b", 2), 1.5, 1.5)]
    scores = reranked(a=0.51, b=0.50)
    assert names(ordered(pool, scores, 0.0, Influence(final=1.0))) == ["b", "a"]
    assert names(ordered(pool, scores, 0.0, Influence(final=0.0))) == ["a", "b"]
    disliked = [pool[0], learnt(candidate("b", 2), -1.5, -1.5)]
    assert names(ordered(disliked, scores, 0.0, Influence(final=1.0))) == ["a", "b"]


def test_what_the_reranker_itself_has_taught_never_moves_what_it_scored() -> None:
    pool = [learnt(candidate("a", 1), -3.0, 0.0), learnt(candidate("b", 2), 3.0, 0.0)]
    assert names(ordered(pool, reranked(a=0.501, b=0.500), 0.0, Influence(final=5.0))) == ["a", "b"]


def test_without_the_reranker_all_that_was_learnt_orders_near_ties_of_the_pool() -> None:
    near, far = replace(candidate("a", 1), pool_score=0.60), replace(candidate("c", 3), pool_score=0.30)
    pool = [learnt(near, 0.0, 0.0), learnt(replace(candidate("b", 2), pool_score=0.58), 2.0, 0.0), learnt(far, 3.0, 3.0)]
    ranked = ordered(pool, None, 0.0, Influence(fallback=0.5))
    assert names(ranked) == ["b", "a", "c"]
    assert max_displacement(ranked, Influence(fallback=0.5)) == 1.0
    assert names(ordered(pool, None, 0.0, Influence(fallback=0.0))) == ["a", "b", "c"]


def test_the_rank_before_salience_leaves_out_what_salience_brought_in_and_what_it_moved() -> None:
    pool = [learnt(candidate("a", 1), 0.0, 0.0), learnt(candidate("b", 2), 2.0, 2.0), learnt(candidate("x", 3), 2.0, 2.0, Pool.EXTENDED)]
    influence = Influence(final=1.0)
    ranked = ordered(pool, reranked(a=0.55, b=0.50, x=0.60), 0.0, influence)
    hits = hits_of(ranked, query(explain=True), 0.0, influence)
    assert [(hit.memory.memory_id, hit.rank, hit.rank_before_salience, hit.pool) for hit in hits] == [
        ("x", 1, 0, Pool.EXTENDED),
        ("b", 2, 2, Pool.CLEAN),
        ("a", 3, 1, Pool.CLEAN),
    ]
    why = hits[1].explanation
    assert why is not None
    assert (why.salience_logits, why.influence, why.log_odds_limit, why.outside_log_odds) == (2.0, 1.0, 2.0, 2.0)
    assert hits[1].rank_score == pytest.approx(MINILM_MAXSIM.logits_per_unit * (why.final_score or 0.0) + 2.0)


def test_salience_that_was_not_read_moves_nothing_and_says_so() -> None:
    pool = [candidate(name, rank) for rank, name in enumerate("ab", start=1)]
    ranked = ordered(pool, None, 0.0, Influence(final=1.0, fallback=1.0))
    assert names(ranked) == ["a", "b"]
    assert max_displacement(ranked, Influence(final=1.0, fallback=1.0)) == 0.0


LOG_ODDS = st.floats(-50.0, 50.0)


@given(
    raw=st.lists(st.tuples(st.floats(-1.0, 1.0), LOG_ODDS, LOG_ODDS, st.floats(-1.0, 1.0), st.booleans()), min_size=2, max_size=12),
    final=st.floats(0.0, 10.0),
    fallback=st.floats(0.0, 10.0),
    limit=st.floats(0.0, 10.0),
)
def test_two_results_farther_apart_than_twice_the_printed_bound_keep_their_order(
    raw: list[tuple[float, float, float, float, bool]], final: float, fallback: float, limit: float
) -> None:
    influence = Influence(final=final, fallback=fallback, log_odds_limit=limit)
    pool = [
        learnt(replace(candidate(str(place), place + 1), pool_score=pool_score), every, outside)
        for place, (_, every, outside, pool_score, _) in enumerate(raw)
    ]
    scores = reranked(**{str(place): score for place, (score, _, _, _, scored) in enumerate(raw) if scored})
    ranked = ordered(pool, scores, 0.0, influence)
    bound = max_displacement(ranked, influence)
    for first, second in combinations(ranked, 2):
        if (first.final_score is None) == (second.final_score is None):
            assert second.logits - first.logits <= 2 * bound + 1e-9
    assert all(abs(item.salience_logits) <= bound + 1e-9 for item in ranked)
    assert names(ordered(pool, scores, 0.0, OFF)) == names(without_salience(ranked))
