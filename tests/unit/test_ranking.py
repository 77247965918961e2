"""Pool score, final score, relevance and rank score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.ranking import (
    MINILM_MAXSIM,
    Kind,
    final_score,
    normalised_lexical,
    normalised_lexicals,
    pool_score,
    pool_scores,
    pool_share,
    rank_score,
    readable,
    relevance,
)

POOL = {Kind.MESSAGE: 0.60, Kind.TEXT: 0.65, Kind.CODE: 0.75, Kind.IMAGE: 0.65}
FINAL = {Kind.MESSAGE: 0.10, Kind.TEXT: 0.25, Kind.CODE: 0.75, Kind.IMAGE: 0.25}


@pytest.mark.parametrize("kind", Kind)
def test_the_pool_score_mixes_similarity_and_words_by_kind(kind: Kind) -> None:
    share = POOL[kind]
    assert pool_score(0.5, 0.8, 0.0, kind) == pytest.approx(share * 0.5 + (1 - share) * 0.8)
    assert pool_score(0.5, 0.8, 0.4, kind) == pytest.approx(0.6 * (share * 0.5 + (1 - share) * 0.8) + 0.4 * 0.8)


@pytest.mark.parametrize("kind", Kind)
def test_the_final_score_follows_the_late_interaction_by_kind(kind: Kind) -> None:
    weight = FINAL[kind]
    assert final_score(0.7, 0.5, 0.8, 0.0, kind) == pytest.approx((0.7 + weight * 0.5) / (1 + weight))
    assert final_score(0.7, 0.5, 0.8, 0.4, kind) == pytest.approx(0.6 * (0.7 + weight * 0.5) / (1 + weight) + 0.5 * 0.4 * 0.8)


def test_a_query_that_the_encoder_cannot_read_is_ordered_by_words_alone() -> None:
    assert pool_score(0.9, 0.2, 1.0, Kind.TEXT) == pytest.approx(0.2)
    assert final_score(0.9, 0.9, 0.2, 1.0, Kind.TEXT) == pytest.approx(0.1)


def test_without_a_similarity_the_pool_is_ordered_by_words() -> None:
    assert pool_score(None, 0.3, 0.1, Kind.TEXT) == 0.3
    assert pool_score(None, None, 0.1, Kind.TEXT) == 0.0


def test_without_a_similarity_the_final_score_is_the_late_interaction() -> None:
    assert final_score(0.7, None, None, 0.0, Kind.CODE) == pytest.approx(0.7)


def test_absent_words_count_as_none_found() -> None:
    assert pool_score(0.5, None, 0.2, Kind.TEXT) == pool_score(0.5, 0.0, 0.2, Kind.TEXT)
    assert final_score(0.7, 0.5, None, 0.2, Kind.TEXT) == final_score(0.7, 0.5, 0.0, 0.2, Kind.TEXT)


def test_the_best_lexical_hit_gets_the_share_of_the_terms_that_it_contains() -> None:
    assert normalised_lexical(12.0, best_lexical=12.0, best_coverage=0.75) == 0.75
    assert normalised_lexical(6.0, best_lexical=12.0, best_coverage=0.75) == 0.375


def test_lexical_evidence_is_nothing_where_no_term_was_found() -> None:
    assert normalised_lexical(0.0, best_lexical=0.0, best_coverage=0.0) == 0.0


def test_relevance_rises_with_the_late_interaction_and_stays_a_probability() -> None:
    values = [relevance(step / 10) for step in range(-10, 11)]
    assert values == sorted(values)
    assert all(0 < value < 1 for value in values)


def test_relevance_survives_absurd_scores() -> None:
    assert relevance(1e6) == 1.0
    assert relevance(-1e6) == 0.0


def test_relevance_means_nothing_above_half_fragmentation() -> None:
    assert readable(0.5)
    assert not readable(0.51)


def test_salience_moves_the_rank_score_by_no_more_than_its_bound() -> None:
    plain = rank_score(0.6, salience_logit=0.0, influence=0.2, limit=2.0)
    assert plain == pytest.approx(MINILM_MAXSIM.logits_per_unit * 0.6)
    assert rank_score(0.6, salience_logit=50.0, influence=0.2, limit=2.0) == pytest.approx(plain + 0.4)
    assert rank_score(0.6, salience_logit=-50.0, influence=0.2, limit=2.0) == pytest.approx(plain - 0.4)
    assert rank_score(0.6, salience_logit=50.0, influence=0.0, limit=2.0) == pytest.approx(plain)


def test_the_constants_name_the_calibration_that_they_come_from() -> None:
    assert MINILM_MAXSIM.calibration.version
    assert MINILM_MAXSIM.calibration.slope > 0


@given(
    st.lists(
        st.tuples(st.none() | st.floats(-1, 1), st.none() | st.floats(0, 9), st.sampled_from(Kind)),
        max_size=12,
    ),
    st.floats(0, 1),
    st.floats(0, 9),
    st.floats(0, 1),
)
def test_many_scores_are_those_of_each(
    hits: list[tuple[float | None, float | None, Kind]], fragmentation: float, best_lexical: float, best_coverage: float
) -> None:
    scale = {"best_lexical": best_lexical, "best_coverage": best_coverage}
    strengths = normalised_lexicals([lexical for _, lexical, _ in hits], **scale)
    assert strengths.tolist() == [normalised_lexical(lexical or 0.0, **scale) for _, lexical, _ in hits]
    shares = [pool_share(kind) for _, _, kind in hits]
    scores = pool_scores([similarity for similarity, _, _ in hits], strengths, fragmentation, shares)
    each = [
        pool_score(similarity, strength, fragmentation, kind)
        for (similarity, _, kind), strength in zip(hits, strengths.tolist(), strict=True)
    ]
    assert scores.tolist() == each
