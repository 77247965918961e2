"""`atlas eval` on a labelled set: a small one that the test writes, and the real ones where they are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from .conftest import System

BOATS = {
    "b1": ("north", "The ferry Aurora leaves the north quay at seven and returns before noon."),
    "b2": ("north", "The tug Bella pulls barges of gravel up the river on weekdays."),
    "b3": ("south", "The trawler Celia lands herring at the south quay every second night."),
    "b4": ("south", "The pilot cutter Dora waits behind the breakwater when fog is forecast."),
}
QUESTIONS = {
    "q1": ("north", "when does the ferry leave?", "b1"),
    "q2": ("north", "who pulls gravel up the river?", "b2"),
    "q3": ("south", "where is herring landed?", "b3"),
    "q4": ("south", "what happens in fog?", "b4"),
}
GOALS = {"locomo-dev": (0.55, 0.565), "squad-dev": (0.925, 0.925), "cosqa-dev": (0.59, 0.595)}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    folder = tmp_path / "boats"
    folder.mkdir()
    with gzip.open(folder / "corpus.jsonl.gz", "wt") as file:
        for name, (domain, text) in BOATS.items():
            file.write(json.dumps({"id": name, "collection": "documents", "text": text, "domain": domain}) + "\n")
    rows = [{"id": name, "text": text, "domain": domain} for name, (domain, text, _) in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judgements = "".join(f"{name}\t{answer}\t1\n" for name, (_, _, answer) in QUESTIONS.items())
    (folder / "qrels.tsv").write_text("query_id\tdoc_id\tgrade\n" + judgements)
    return folder


def test_a_set_is_measured_through_the_gateway(system: System, labelled: Path, tmp_path: Path) -> None:
    result = system.json("eval", labelled, "--run-file", tmp_path / "run.tsv")
    assert result["query_count"] == 4
    assert result["measures"]["R@1"] == 1.0
    assert result["ndcg_interval"]["low"] <= result["measures"]["nDCG@10"] <= result["ndcg_interval"]["high"]
    assert {"embed", "candidates", "rerank", "total"} <= set(result["latency"])
    lines = (tmp_path / "run.tsv").read_text().splitlines()
    assert lines[0] == "query_id\tdoc_id\trank"
    assert "q1\tb1\t1" in lines


def test_a_second_run_uses_what_is_ingested_and_gives_the_same_figures(system: System, labelled: Path) -> None:
    first = system.json("eval", labelled, "--within", "domain")
    size = next(item["memory_count"] for item in system.json("collections") if item["name"] == first["collection"])
    second = system.json("eval", labelled, "--within", "domain")
    assert (second["measures"], second["collection"]) == (first["measures"], first["collection"])
    assert next(item["memory_count"] for item in system.json("collections") if item["name"] == first["collection"]) == size == 4


def test_a_set_stays_outside_of_search_all_and_leaves_no_salience(system: System, labelled: Path) -> None:
    collection = system.json("eval", labelled)["collection"]
    system.json("remember", "An unrelated note, so that there is something to search.", "--collection", "elsewhere")
    hits = system.json("search", "when does the ferry leave?", "--results", "20")["hits"]
    assert collection not in {hit["memory"]["collection"] for hit in hits}
    stored = system.json("list", "--collection", collection)["items"]
    learnt = {system.json("get", memory["memory_id"])["salience"] for memory in stored}
    assert len(learnt) == 1


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", GOALS)
def test_a_real_set_reaches_its_goal(system: System, name: str) -> None:
    sets = os.environ.get("ATLAS_DATA_SETS")
    if not sets:
        pytest.skip("ATLAS_DATA_SETS names no folder of labelled sets: the real sets were not measured in this run")
    within = ["--within", "domain"] if name == "locomo-dev" else []
    for candidates, goal in zip((20, 100), GOALS[name], strict=True):
        result = system.json("eval", Path(sets) / name, "--candidates", str(candidates), *within, timeout_s=1_200)
        assert result["measures"]["nDCG@10"] >= goal, (candidates, result["measures"])
