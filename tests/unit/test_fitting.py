"""The commands that fit constants: their arithmetic, and the search they fit on."""

from __future__ import annotations

import numpy as np
import pytest

from atlas.ranking import Kind
from bench.fit.calibrate import Line, Samples, calibration_error, fit
from bench.fit.offline import EncodedText, LexicalIndex, OfflineSearch
from bench.fit.sets import Passage, Query
from bench.fit.word_piece_idf import SMOOTHING, inverse_frequency


def drawn(line: Line, count: int) -> Samples:
    random = np.random.default_rng(3)
    scores = random.uniform(0, 1, count)
    return Samples(scores, random.uniform(size=count) < line.probability(scores))


def test_the_fit_finds_the_line_that_the_labels_were_drawn_from() -> None:
    found = fit(drawn(Line(12.0, -6.0), 40_000))
    assert found.slope == pytest.approx(12.0, rel=0.03)
    assert found.intercept == pytest.approx(-6.0, rel=0.03)


def test_a_true_line_has_next_to_no_calibration_error_and_a_wrong_one_has() -> None:
    samples = drawn(Line(12.0, -6.0), 40_000)
    assert calibration_error(Line(12.0, -6.0), samples) < 0.01
    assert calibration_error(Line(12.0, -3.0), samples) > 0.1


def test_halves_are_numbered_from_one() -> None:
    samples = Samples(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    assert samples.half(0).scores.tolist() == [1, 3]
    assert samples.half(1).scores.tolist() == [2]


def test_rarity_follows_the_formula() -> None:
    share = np.array([0.0, 0.5, 1.0])
    expected = np.log(1 + (1 - share + SMOOTHING) / (share + SMOOTHING))
    assert inverse_frequency(share).astype(float) == pytest.approx(expected, rel=1e-3)


def unit(index: int) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[index]


def test_the_offline_search_finds_by_meaning_and_by_words() -> None:
    passages = [Passage("tulips", "tulips by the wall", Kind.TEXT, "a"), Passage("lantern", "the old lantern", Kind.TEXT, "b")]
    encoded = [EncodedText(unit(index), unit(index)[None].astype(np.float16), (5,), 0.0) for index in range(2)]
    weights = np.ones(8, np.float32)
    question = EncodedText(unit(1), unit(1)[None].astype(np.float16), (5,), 0.0)
    query = Query("q", "lantern", "a", frozenset({"lantern"}))
    everywhere = OfflineSearch(passages, encoded, weights).search(query, question, candidate_count=20)
    assert [hit.passage_id for hit in everywhere] == ["lantern", "tulips"]
    assert everywhere[0].maxsim == pytest.approx(1.0)
    within = OfflineSearch(passages, encoded, weights, within_domain=True).search(query, question, candidate_count=20)
    assert [hit.passage_id for hit in within] == ["tulips"]


def test_coverage_is_the_share_of_query_terms_that_a_passage_holds() -> None:
    index = LexicalIndex([Passage("a", "old lantern", Kind.TEXT, ""), Passage("b", "tulips", Kind.TEXT, "")])
    scores, coverage = index.search("old harbour lantern")
    assert coverage.tolist() == pytest.approx([2 / 3, 0])
    assert scores[0] > scores[1] == 0
