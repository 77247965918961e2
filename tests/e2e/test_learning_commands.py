"""Learning through the command: feedback, usage, what was learnt, taking it back, erasing; real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import System

QUESTION = "how do I reset the router?"
RESET = "To reset the router, hold the small button on its back for ten seconds."
BREAD = "Sourdough bread rises slowly because wild yeast ferments the flour."


def found(system: System, collection: str, *options: str) -> Any:
    return system.json("search", QUESTION, "--collection", collection, *options)


@pytest.fixture
def collection(system: System, request: pytest.FixtureRequest) -> str:
    name = f"learn-{abs(hash(request.node.name)) % 10**8}"
    for text in (RESET, BREAD):
        system.run("remember", text, "--collection", name)
    return name


def test_a_search_says_how_to_give_feedback_and_the_line_works_as_printed(system: System, collection: str) -> None:
    printed = system.run("search", QUESTION, "--collection", collection, "--explain").stdout
    line = next(line for line in printed.splitlines() if "atlas feedback" in line)
    assert "log-odds +0.000, of which from outside +0.000; x 0, at most 0 logits; without salience #1" in printed
    _, _, search_id, memory_id, kinds = line[line.index("atlas feedback") :].split()
    for kind in kinds.split("|"):
        if kind != "wrong":
            assert system.run("feedback", search_id, memory_id, kind, "--principal", "ada").stdout == "counted\n"
    assert system.run("feedback", search_id, memory_id, "helpful", "--principal", "ada").stdout == "counted before: nothing changed\n"
    assert "was recorded with" in system.run("feedback", search_id, memory_id, "wrong", "--principal", "ada", status=1).stderr
    system.run("feedback", search_id, memory_id, "outcome", "0.9")

    shown = system.json("salience", "show", memory_id)["salience"][0]
    assert shown["outside_log_odds"] > 0
    explained = system.json("salience", "explain", memory_id)
    assert {event["kind"] for event in explained["events"]} >= {"used", "explicit", "outcome", "rerank"}
    assert "explicit" in system.run("salience", "explain", memory_id).stdout


def test_what_a_principal_said_is_taken_back_after_a_dry_run(system: System, collection: str) -> None:
    hits = found(system, collection, "--principal", collection)
    memory_id = hits["hits"][0]["memory"]["memory_id"]
    system.run("feedback", hits["search_id"], memory_id, "helpful", "--principal", collection)
    would = system.json("salience", "revoke", "--principal", collection, "--kind", "explicit", "--dry-run")
    assert (would["event_count"], would["memory_count"]) == (1, 1)
    assert system.json("salience", "show", memory_id)["salience"][0]["outside_log_odds"] > 0
    system.run("salience", "revoke", "--principal", collection, "--yes")
    assert system.json("salience", "show", memory_id)["salience"][0]["log_odds"] == 0.0
    assert system.json("salience", "rebuild")["changed_count"] == 0
    assert system.json("salience", "digest", "--verify")["consistent"] is True


def test_pins_are_set_and_taken_away_by_the_same_words(system: System, collection: str) -> None:
    hits = found(system, collection)
    memory_id = hits["hits"][1]["memory"]["memory_id"]
    for kind, pinned in (("pin", True), ("unpin", False), ("pin", True)):
        system.run("feedback", hits["search_id"], memory_id, kind)
        assert system.json("salience", "show", memory_id)["salience"][0]["pinned"] is pinned
    system.run("feedback", "-", memory_id, "unpin")


def test_a_search_in_steps_shows_the_pool_then_the_hits_then_what_became_of_it(system: System, collection: str) -> None:
    done = system.run("search", QUESTION, "--collection", collection, "--stream", "--json")
    pool, results, summary = map(json.loads, done.stdout.splitlines())
    whole = found(system, collection)
    assert {hit["memory"]["memory_id"] for hit in pool["pool"]["hits"]} >= {hit["memory"]["memory_id"] for hit in whole["hits"]}
    assert [hit["memory"]["memory_id"] for hit in results["results"]["hits"]] == [hit["memory"]["memory_id"] for hit in whole["hits"]]
    assert summary["summary"]["salience_write"]["accepted_count"] == summary["summary"]["candidate_count"] > 0
    shown = system.run("search", QUESTION, "--collection", collection, "--stream").stdout
    assert "candidates, before they are read" in shown
    assert shown.index("before they are read") < shown.index("relevance") < shown.index("was it worth finding?")
    system.run("feedback", pool["pool"]["search_id"], pool["pool"]["hits"][0]["memory"]["memory_id"], "used")


def test_a_search_in_steps_fails_as_one_at_once_does(system: System) -> None:
    refused = system.run("search", " ", "--stream", "--json", status=1)
    assert json.loads(refused.stdout)["error"]["field"] == "search.query.text"


def test_an_answer_from_a_file_or_a_pipe_says_what_it_used(system: System, collection: str, tmp_path: Path) -> None:
    hits = found(system, collection)
    answer = tmp_path / "answer.txt"
    answer.write_text("Hold the small button on its back for ten seconds.")
    dry = system.json("usage", hits["search_id"], "--answer", answer, "--query", QUESTION, "--dry-run")
    assert [item["verdict"] for item in dry["usage"]] == ["used", "unused"]
    assert dry["accepted_count"] == 0
    piped = system.run("usage", hits["search_id"], "--query", QUESTION, stdin=answer.read_text())
    assert "evidence recorded: 2 new, 0 known, 0 ignored" in piped.stdout


def test_erasing_asks_first_and_gives_a_receipt(system: System, collection: str) -> None:
    hits = found(system, collection)
    memory_id = hits["hits"][0]["memory"]["memory_id"]
    refused = system.run("erase", memory_id, status=1, stdin="n\n")
    assert "There is no way back" in refused.stderr
    assert system.run("get", memory_id).returncode == 0
    receipt = system.json("erase", memory_id, "--yes")
    assert (receipt["memory_count"], receipt["verified"], receipt["copy_count"]) == (1, True, 0)
    assert receipt["state"] == "done"
    assert system.run("get", memory_id, status=1).stdout == ""
    assert "does not exist" in system.run("salience", "show", memory_id, status=3).stderr
    assert "no file of the data folder holds the bytes any more" in system.run("erase", memory_id, "--yes").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["feedback", "no-such-search", "00000000-0000-4000-8000-000000000000", "used"], 1, "no-such-search"),
        (["feedback", "s", "42", "used"], 1, "feedback[0].memory_id is '42', which is no UUID"),
        (["feedback", "s", "42", "outcome"], 2, "outcome needs a value"),
        (["feedback", "s", "42", "helpful", "0.5"], 2, "outcome needs a value"),
        (["feedback", "s", "42", "outcome", "1.5"], 2, "1.5"),
        (["feedback", "s", "42", "nice"], 2, "nice"),
        (["usage", "no-such-search", "--answer", "/nonexistent"], 1, "/nonexistent: No such file or directory"),
        (["salience", "revoke"], 2, "say which evidence"),
        (["salience", "explain", "42"], 1, "memory_id is '42', which is no UUID"),
        (["erase"], 2, "exactly one of them"),
        (["erase", "--source", "file://x", "--yes"], 2, "--source and --collection go together"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_is_said_in_words(system: System, arguments: list[str], status: int, text: str) -> None:
    done = system.run(*arguments, status=status)
    assert text in done.stderr
    assert "Traceback" not in done.stderr
