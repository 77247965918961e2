"""The pool: what the branches of several collections found becomes one order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.ranking import Kind, pool_score
from services.memory import pooling
from services.memory.search.query import Found, Places, Pool, united
from services.memory.store import BranchHit, BranchResult


def hit(name: str, similarity: float | None, lexical: float | None, kind: str = "TEXT") -> BranchHit:
    return BranchHit(name, kind, similarity, lexical, None, None)


def found(*hits: BranchHit, collection: str = "notes", best: float = 4.0, coverage: float = 1.0) -> Found:
    return Found(collection, BranchResult(tuple(hits), best, coverage))


def test_the_pool_is_ordered_by_the_pool_score() -> None:
    pool = united([found(hit("far", 0.1, 0.0), hit("near", 0.9, 0.0), hit("words", 0.1, 4.0))], fragmentation=0.0, candidate_count=9).clean
    assert [member.hit.memory_id for member in pool] == ["near", "words", "far"]
    assert pool[0].pool_score == pytest.approx(0.65 * 0.9)
    assert pool[1].pool_score == pytest.approx(0.65 * 0.1 + 0.35)


def test_an_unreadable_query_is_ordered_by_words() -> None:
    pool = united([found(hit("near", 0.9, 1.0), hit("words", 0.1, 4.0))], fragmentation=1.0, candidate_count=9).clean
    assert [member.hit.memory_id for member in pool] == ["words", "near"]


def test_lexical_strength_is_measured_in_its_own_collection() -> None:
    pool = united(
        [
            found(hit("a", None, 40.0), collection="long", best=40.0, coverage=0.5),
            found(hit("b", None, 2.0), collection="short", best=2.0, coverage=1.0),
        ],
        fragmentation=1.0,
        candidate_count=9,
    ).clean
    assert [(member.collection, member.lexical_strength) for member in pool] == [("short", 1.0), ("long", 0.5)]


def test_without_a_lexical_branch_the_strength_is_absent() -> None:
    (member,) = united([found(hit("a", 0.5, None), best=0.0, coverage=0.0)], fragmentation=0.0, candidate_count=9).clean
    assert member.lexical_strength is None
    assert member.pool_score == pytest.approx(0.65 * 0.5)


def test_without_a_vector_the_pool_is_lexical_whatever_the_fragmentation() -> None:
    (member,) = united([found(hit("a", None, 2.0))], fragmentation=0.0, candidate_count=9).clean
    assert member.pool_score == pytest.approx(0.5)


def test_no_matching_term_gives_strength_zero_not_absence() -> None:
    (member,) = united([found(hit("a", 0.5, 0.0), best=0.0, coverage=0.0)], fragmentation=0.0, candidate_count=9).clean
    assert member.lexical_strength == 0.0


def test_the_pool_is_cut_and_equal_scores_have_one_order() -> None:
    hits = [hit(name, 0.5, 0.0) for name in "dbca"]
    pool = united([found(*hits)], fragmentation=0.0, candidate_count=3).clean
    assert [member.hit.memory_id for member in pool] == ["a", "b", "c"]


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 8), st.sampled_from([kind.name for kind in Kind])), max_size=20),
    st.floats(0, 1),
)
def test_every_candidate_keeps_the_score_of_its_kind(values: list[tuple[float, float, str]], fragmentation: float) -> None:
    hits = [hit(f"m{index}", similarity, lexical, kind) for index, (similarity, lexical, kind) in enumerate(values)]
    pool = united([found(*hits, best=8.0, coverage=0.5)], fragmentation=fragmentation, candidate_count=200).clean
    assert len(pool) == len(hits)
    for member in pool:
        expected = pool_score(member.hit.similarity, (member.hit.lexical or 0.0) / 8.0 * 0.5, fragmentation, Kind[member.hit.content_kind])
        assert member.pool_score == pytest.approx(expected)
    assert [member.pool_score for member in pool] == sorted((member.pool_score for member in pool), reverse=True)


def ten() -> Found:
    return found(*(hit(f"{place}", 0.9 - 0.05 * place, None) for place in range(10)), best=0.0, coverage=0.0)


def guests(log_odds: dict[str, float], places: Places) -> list[tuple[str, Pool, float]]:
    union = united([ten()], fragmentation=0.0, candidate_count=3)
    assert [member.hit.memory_id for member in union.clean] == ["0", "1", "2"]
    return [(member.hit.memory_id, member.pool, member.propensity) for member in union.guests(log_odds, places)]


def test_salience_brings_in_what_is_worth_most_of_what_content_left_out() -> None:
    # One unit of log-odds weighs as much as 0.065 of the pool score; worth beyond 2 counts no more, and the clean pool needs no place.
    log_odds = {"0": 3.0, "3": 0.1, "5": 2.0, "9": 50.0, "6": -1.0}
    assert guests(log_odds, Places(extended_count=2)) == [("5", Pool.EXTENDED, 1.0), ("3", Pool.EXTENDED, 1.0)]
    assert [name for name, _, _ in guests(log_odds, Places(extended_count=9))] == ["5", "3", "9"]
    assert guests({}, Places(extended_count=9)) == []


def test_chance_draws_from_what_is_left_with_its_propensity_and_the_same_for_the_same_seed() -> None:
    drawn = guests({"5": 2.0}, Places(extended_count=1, explore_count=2, seed="s"))
    assert drawn[0] == ("5", Pool.EXTENDED, 1.0)
    assert [(pool, propensity) for _, pool, propensity in drawn[1:]] == [(Pool.EXPLORE, 2 / 6)] * 2
    assert drawn == guests({"5": 2.0}, Places(extended_count=1, explore_count=2, seed="s"))
    seen = {name for seed in range(60) for name, _, _ in guests({"5": 2.0}, Places(1, 2, str(seed)))}
    assert seen == {"3", "4", "5", "6", "7", "8", "9"}


def test_a_pool_that_takes_everything_has_no_guests() -> None:
    union = united([ten()], fragmentation=0.0, candidate_count=10)
    assert union.guests({"0": 1.0}, Places(5, 5, "s")) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([0.0, 1.0, 4.0]), st.sampled_from([kind.name for kind in Kind])),
        max_size=20,
    ),
    st.floats(0, 1),
    st.integers(1, 25),
)
def test_the_first_hits_are_those_of_the_order_also_among_equals(
    values: list[tuple[float, float, str]], fragmentation: float, count: int
) -> None:
    hits = [hit(f"m{index * 7 % 20}", similarity, lexical, kind) for index, (similarity, lexical, kind) in enumerate(values)]
    result = found(*hits).result
    places = pooling.ordered(result, fragmentation)
    scores, _ = pooling.scored(
        [one.content_kind for one in hits],
        [one.similarity for one in hits],
        [one.lexical for one in hits],
        best_lexical=result.best_lexical,
        best_coverage=result.best_coverage,
        fragmentation=fragmentation,
    )
    first = pooling.first(scores, [one.memory_id for one in hits], count)
    assert first == sorted(place.position for place in places[:count])
    if len(hits) >= count:
        assert pooling.least_of(scores, count) == -places[count - 1].negative_score


@given(
    st.lists(st.tuples(st.floats(-1, 0.5), st.floats(0, 4), st.sampled_from([kind.name for kind in Kind])), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_no_score_exceeds_what_is_told_of_it(values: list[tuple[float, float, str]], fragmentation: float) -> None:
    lexicals = [lexical for _, lexical, _ in values]
    scale = {"best_lexical": 4.0, "best_coverage": 0.7, "fragmentation": fragmentation}
    scores, _ = pooling.scored([kind for _, _, kind in values], [similarity for similarity, _, _ in values], lexicals, **scale)
    highest = pooling.highest(0.5, lexicals, **scale)
    assert all(score <= bound for score, bound in zip(scores.tolist(), highest, strict=True))
