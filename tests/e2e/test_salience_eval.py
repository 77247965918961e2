"""`atlas salience eval` on a small set: the running system does what the replay says, and what cannot be measured is said so."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from .conftest import System, free_port_base

TOPICS = {
    "ferry": ("The ferry {} leaves the quay at {} and returns before noon.", "when does the ferry {} leave?"),
    "tug": ("The tug {} pulls barges of gravel up the river from {} on.", "from when on does the tug {} pull gravel?"),
    "trawler": ("The trawler {} lands herring at the south quay at {} every night.", "when does the trawler {} land herring?"),
}
pytestmark = pytest.mark.timeout(900)  # a set is ingested and a stream replayed
NAMES = ("Aurora", "Bella", "Celia", "Dora", "Edna", "Flora", "Greta", "Helga", "Irma", "Jutta")
HELPS, NO_EFFECT, NOT_MEASURED = 0, 1, 2


@pytest.fixture(scope="module")
def used_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 documents, 30 questions, a stream of 90 events."""
    folder = tmp_path_factory.mktemp("sets") / "ships"
    (folder / "stream").mkdir(parents=True)
    rows, queries, qrels = [], [], ["query_id\tdoc_id\tgrade"]
    for topic, (text, question) in TOPICS.items():
        for place, name in enumerate(NAMES):
            rows.append(
                {"id": f"{topic}-{name}", "collection": "documents", "text": text.format(name, f"{place + 5} o'clock"), "domain": topic}
            )
            queries.append({"id": f"q-{topic}-{name}", "text": question.format(name)})
            qrels.append(f"q-{topic}-{name}\t{topic}-{name}\t1")
    with gzip.open(folder / "corpus.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (folder / "qrels.tsv").write_text("\n".join(qrels) + "\n")
    start = datetime(2026, 1, 1)
    events = [
        {"time": (start + timedelta(hours=hour)).isoformat(), "phase": "ab"[hour >= 45], "query_id": queries[hour * 7 % 30]["id"]}
        for hour in range(90)
    ]
    (folder / "stream" / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.fixture(scope="module")
def moved_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which salience moves the order, opens places, and chance opens some too."""
    system = System(tmp_path_factory.mktemp("moved"), free_port_base())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_GATEWAY_SALIENCE_INFLUENCE", "0.5")
        patch.setenv("ATLAS_MEMORY_EXTENDED_COUNT", "3")
        patch.setenv("ATLAS_MEMORY_EXPLORE_COUNT", "2")
        system.up()
    try:
        yield system
    finally:
        system.down()


def test_the_running_system_gives_the_ranks_and_log_odds_of_the_replay(moved_system: System, used_set: Path, tmp_path: Path) -> None:
    report = moved_system.json(
        "salience", "eval", used_set, "--seeds", "1", "--live", "30", "--cache", tmp_path / "cache", "--plot", tmp_path / "plot.svg",
        "--markdown", tmp_path / "tables.md", status=None, timeout_s=600.0,
    )  # fmt: skip
    live = report["live"]
    assert (live["search_count"], live["rank_mismatches"], live["influence"]) == (30, 0, 0.5)
    assert live["worst_log_odds"] < 1e-3
    assert live["mark_count"] > 5
    assert live["moved_count"] > 0, "where nothing moved, nothing was compared"
    assert report["found"]["verdict"]["line"].startswith("verdict: ")
    assert report["found"]["poisoning"]["revocation"]["sums_equal"]
    assert (tmp_path / "plot.svg").read_text().lstrip().startswith("<?xml")
    assert "| repeats |" in (tmp_path / "tables.md").read_text()


def test_the_check_leaves_nothing_behind(moved_system: System, used_set: Path, tmp_path: Path) -> None:
    options = ("--seeds", "1", "--live", "5", "--cache", tmp_path / "cache")
    moved_system.run("salience", "eval", used_set, *options, status=None, timeout_s=600.0)
    before = moved_system.json("salience", "digest")
    again = moved_system.run("salience", "eval", used_set, *options, status=None, timeout_s=600.0)
    assert again.returncode in (HELPS, NO_EFFECT), again.stderr
    assert "verdict: " in again.stdout
    after = moved_system.json("salience", "digest")
    assert after == before
    assert not [item for item in moved_system.json("collections") if item["name"].startswith("salience-eval-")]


def test_what_cannot_be_measured_has_its_own_status(system: System, used_set: Path, tmp_path: Path) -> None:
    cases = {
        "holds no events.jsonl": ("salience", "eval", used_set, "--stream", tmp_path),
        "failing": ("salience", "eval", used_set, "--server", "127.0.0.1:9"),
        "holds no corpus": ("salience", "eval", tmp_path),
    }
    for message, arguments in cases.items():
        done = system.run(*arguments, status=NOT_MEASURED)
        assert message in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
