"""Measures, intervals, run files and evaluation sets."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.documents import Document
from atlas.errors import InvalidInputError, NotFoundError
from atlas.evaluation import MEASURES, average, interval, measures, percentiles, rank_documents, read_run, read_set, write_run

IDS = st.sampled_from([f"d{number}" for number in range(30)])
GRADES = st.dictionaries(IDS, st.integers(0, 3), min_size=1).filter(lambda grades: any(grades.values()))


def test_measures_of_a_ranking_that_can_be_checked_by_hand() -> None:
    found = measures(["x", "a", "y", "b"], {"a": 1, "b": 2, "c": 1})
    assert found["R@1"] == 0
    assert found["R@3"] == pytest.approx(1 / 3)
    assert found["R@5"] == found["R@20"] == pytest.approx(2 / 3)
    assert found["MRR@10"] == 0.5
    gain = 1 / 1.5849625 + 2 / 2.3219281
    ideal = 2 + 1 / 1.5849625 + 1 / 2
    assert found["nDCG@10"] == pytest.approx(gain / ideal)
    assert tuple(found) == MEASURES


def test_nothing_beyond_rank_ten_counts_for_reciprocal_rank_and_gain() -> None:
    found = measures([*(f"x{number}" for number in range(10)), "a"], {"a": 1})
    assert (found["MRR@10"], found["nDCG@10"], found["R@10"], found["R@20"]) == (0, 0, 0, 1)


@given(ranking=st.lists(IDS, unique=True), grades=GRADES)
def test_every_measure_is_a_share_and_the_ideal_order_is_one(ranking: list[str], grades: dict[str, int]) -> None:
    assert all(0 <= value <= 1 + 1e-12 for value in measures(ranking, grades).values())
    ideal = sorted(grades, key=lambda document_id: -grades[document_id])
    assert measures(ideal, grades)["nDCG@10"] == pytest.approx(1)


def test_a_query_without_relevant_documents_cannot_be_measured() -> None:
    with pytest.raises(InvalidInputError, match="relevant"):
        measures(["a"], {"a": 0})


def test_a_document_cannot_be_ranked_twice() -> None:
    with pytest.raises(InvalidInputError, match="twice"):
        measures(["a", "a"], {"a": 1})


def test_the_average_is_taken_over_queries() -> None:
    assert average([{"R@1": 1.0}, {"R@1": 0.0}, {"R@1": 0.5}]) == {"R@1": 0.5}
    with pytest.raises(InvalidInputError, match="rows"):
        average([])


def test_an_interval_holds_the_mean_and_depends_on_the_seed_only() -> None:
    draws = random.Random(7)
    values = [draws.random() for _ in range(200)]
    found = interval(values, seed=3)
    assert found.low < found.mean < found.high
    assert found == interval(values, seed=3)
    assert found != interval(values, seed=4)
    assert found.high - found.low < interval(values[-20:], seed=3).high - interval(values[-20:], seed=3).low


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    draws = random.Random(1)
    bounds = [interval([float(draws.random() < 0.3) for _ in range(150)], seed=seed, resample_count=300) for seed in range(200)]
    assert 0.88 <= sum(bound.low <= 0.3 <= bound.high for bound in bounds) / len(bounds) <= 1


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = interval([0.5] * 10)
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(InvalidInputError, match="values"):
        interval([])


def test_percentiles_are_measured_values() -> None:
    found = percentiles([float(number) for number in range(100, 0, -1)])
    assert (found.count, found.p50_ms, found.p90_ms, found.p99_ms, found.max_ms, found.mean_ms) == (100, 50, 90, 99, 100, 50.5)
    assert percentiles([3.0]).p99_ms == 3
    with pytest.raises(InvalidInputError, match="samples_ms"):
        percentiles([])


def test_a_document_is_ranked_by_its_best_chunk() -> None:
    assert rank_documents([("a", 0.5), ("b", 0.9), ("a", 0.95), ("c", 0.9), ("b", 0.1)]) == ["a", "b", "c"]
    assert rank_documents([("a", -2.0), ("b", -3.0)]) == ["a", "b"]


def test_a_run_file_reads_back_as_it_was(tmp_path: Path) -> None:
    rankings = {"q1": ["b", "a"], "q2": ["é:1"]}
    write_run(tmp_path / "run.tsv", rankings)
    assert (tmp_path / "run.tsv").read_text().splitlines()[:2] == ["query_id\tdoc_id\trank", "q1\tb\t1"]
    assert read_run(tmp_path / "run.tsv") == rankings


def test_ids_that_would_break_a_run_file_are_refused(tmp_path: Path) -> None:
    for document_id in ("a\tb", "a\nb", "a\u2028b"):
        with pytest.raises(InvalidInputError, match="tab or a line end"):
            write_run(tmp_path / "run.tsv", {"q": [document_id]})
    assert not (tmp_path / "run.tsv").exists()


def test_a_broken_run_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "run.tsv").write_text("query_id\tdoc_id\trank\nq\ta\tfirst\n")
    with pytest.raises(InvalidInputError, match=r"run\.tsv:2"):
        read_run(tmp_path / "run.tsv")


def make_set(folder: Path) -> Path:
    folder.mkdir()
    corpus = [
        {"id": "a", "text": "One.", "domain": "x"},
        {"id": "b", "text": "Two.", "domain": "y"},
        {"id": "c", "text": "", "domain": "x"},
    ]
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress("\n".join(json.dumps(row) for row in corpus).encode()))
    queries = [
        {"id": "q1", "text": "one?", "domain": "x", "lang": "en", "category": "k", "answer": "1", "time": "2023-10-22T09:55:14"},
        {"id": "q2", "text": "three\u2028?", "domain": "x"},
        {"id": "q3", "text": "none?"},
    ]
    (folder / "queries.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in queries), encoding="utf-8")
    (folder / "qrels.tsv").write_text("query_id\tdoc_id\tgrade\nq1\ta\t2\nq1\tb\t1\nq2\tb\t1\nq2\tc\t1\nq3\ta\t0\n")
    return folder


def test_a_set_is_read_with_its_queries_and_judgements(tmp_path: Path) -> None:
    found = read_set(make_set(tmp_path / "small"))
    assert found.name == "small"
    assert found.domains == {"a": "x", "b": "y"}
    first = found.queries[0]
    assert (first.query_id, first.domain, first.language, first.category, first.answer) == ("q1", "x", "en", "k", "1")
    assert first.time == datetime(2023, 10, 22, 9, 55, 14, tzinfo=UTC)
    documents = [row for row in found.documents(host="box", as_uri="set:small") if isinstance(row, Document)]
    assert [row.source for row in documents] == ["set:small#a", "set:small#b"]


def test_only_queries_with_a_relevant_document_in_reach_are_judged(tmp_path: Path) -> None:
    found = read_set(make_set(tmp_path / "small"))
    assert [(query.query_id, dict(grades)) for query, grades in found.judged(within_domain=False)] == [
        ("q1", {"a": 2, "b": 1}),
        ("q2", {"b": 1}),
    ]
    assert [(query.query_id, dict(grades)) for query, grades in found.judged(within_domain=True)] == [("q1", {"a": 2})]


def test_a_set_with_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"corpus\.jsonl"):
        read_set(tmp_path)
    folder = make_set(tmp_path / "small")
    (folder / "queries.jsonl").write_text('{"id": "q1", "text": "one?"}\n{"id": "q2"}\n')
    with pytest.raises(InvalidInputError, match=r"queries\.jsonl:2"):
        read_set(folder)
    (folder / "queries.jsonl").write_text('{"id": "q1", "text": "one?"}\n')
    (folder / "qrels.tsv").write_text("query_id\tdoc_id\tgrade\nq1\ta\tgood\n")
    with pytest.raises(InvalidInputError, match=r"qrels\.tsv:2"):
        read_set(folder)


def reference_measures() -> Callable[[list[str], dict[str, int]], dict[str, float]]:
    path = os.environ.get("ATLAS_SCORE_SCRIPT")
    if not path:
        pytest.skip("ATLAS_SCORE_SCRIPT names no scoring script to compare with")
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measures  # type: ignore[no-any-return]


def test_measures_are_those_of_the_scoring_script() -> None:
    reference = reference_measures()
    draws = random.Random(0)
    names = [f"d{number}" for number in range(40)]
    for _ in range(500):
        ranking = draws.sample(names, draws.randrange(40))
        grades = {name: draws.choice((0, 1, 1, 2)) for name in draws.sample(names, 12)} | {"d0": 1}
        expected = reference(ranking, grades)
        for name, value in measures(ranking, grades).items():
            assert value == pytest.approx(expected[name], abs=1e-12)
