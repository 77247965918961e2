"""What people see when they make a common mistake: one clear line, the right exit status, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, System

STRANGER = "00000000-0000-4000-8000-000000000000"
NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def _some_memory(system: System) -> None:
    system.run("remember", "A memory to make mistakes with.", "--collection", "mistakes")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["search", ""], "query.text is empty or blank; a search needs something to look for"),
        (["search", "word " * 300], "query.text has 302 tokens; 256 are allowed"),
        (
            ["search", "\udcff\udcfe"],
            "the request cannot be made: 'utf-8' codec can't encode characters in position 0-1: surrogates not allowed",
        ),
        (["search", "ferry", "--collection", "away"], "collection 'away' does not exist"),
        (["search", "ferry", "--where", "colour=red"], "filter.condition.field is 'colour'; known are content_kind, document_id, domain,"),
        (["search", "ferry", "--results", "10", "--candidates", "5"], "result_count is 10; 1 to 5 are allowed"),
        (["get", "42"], "memory_id is '42', which is no UUID"),
        (["get", STRANGER], f"memory {STRANGER} does not exist"),
        (["list", "--collection", "away"], "collection 'away' does not exist"),
        (
            ["list", "--collection", "mistakes", "--page-token", "junk"],
            "page_token does not belong to this request; begin again without it",
        ),
        (["delete", "42", "--yes"], "ids.memory_ids[0] is '42', which is no UUID"),
        (["delete", "--whole-collection", "--collection", "away", "--yes"], "collection 'away' does not exist"),
        (["remember", " "], "memories[0].text is empty or blank"),
        (["remember", "x", "--collection", "My Notes"], "memories[0].collection is 'My Notes' of 8 characters; 1 to 64 of a-z 0-9 _ - are"),
        (["eval", "/nonexistent"], "/nonexistent holds no corpus.jsonl.gz or corpus.jsonl"),
    ],
    ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode() if isinstance(value, list) else "",
)
def test_a_request_that_is_refused_says_why_in_one_line(system: System, arguments: list[str], line: str) -> None:
    done = system.run(*arguments, status=1)
    assert done.stderr.startswith(f"atlas: {line}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["search"], "Missing argument 'QUERY'"),
        (["serch", "ferry"], "Did you mean 'search'?"),
        (["search", "ferry", "--where", "nonsense"], "--where: 'nonsense' is not FIELD=VALUE"),
        (["search", "ferry", "--since", "yesterday"], "--since: 'yesterday' is not an ISO 8601 time"),
        (["remember", "x", "--metadata", "nonsense"], "--metadata: 'nonsense' is not FIELD=VALUE"),
        (["delete", "--yes"], "exactly one of them"),
        (["delete", STRANGER, "--source", "s", "--yes"], "exactly one of them"),
        (["delete", "--whole-collection", "--yes"], "--whole-collection needs --collection NAME"),
        (["ingest"], "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_line_that_is_wrong_is_a_usage_error(system: System, arguments: list[str], hint: str) -> None:
    done = system.run(*arguments, status=2)
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("verb", [["search", "ferry"], ["collections"], ["ingest", __file__], ["get", STRANGER]], ids=lambda verb: verb[0])
def test_a_gateway_that_is_away_is_said_with_its_address_and_the_way_out(system: System, verb: list[str]) -> None:
    done = system.run(*verb, "--server", NOBODY, status=1)
    assert done.stderr.count("\n") == 1
    assert f"(asked {NOBODY}; `atlas up` starts the services, `atlas status` shows them)" in done.stderr
    assert done.stdout == ""


def test_an_embedder_that_is_away_is_said_with_its_own_address_and_not_as_if_the_services_were(system: System) -> None:
    done = system.run("migrate", "mistakes", "--embedder", NOBODY, status=1)
    assert done.stderr.startswith(f"atlas: the embedder at {NOBODY} does not answer the gateway")
    assert "start it there, or name the address at which the gateway reaches it; nothing was begun" in done.stderr
    assert "atlas up" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_status_without_a_gateway_is_incomplete(system: System) -> None:
    done = system.run("status", "--server", NOBODY, status=3)
    assert "away" in done.stdout
    assert done.stderr == ""


def test_a_time_that_is_too_short_names_the_option(system: System) -> None:
    done = system.run("search", "ferry", "--timeout", "0.01", status=1)
    assert "(--timeout gives more than 0.01 s)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failure_is_json_too_where_json_is_asked_for(system: System) -> None:
    done = system.run("search", "", "--json", status=1)
    error = json.loads(done.stdout)["error"]
    assert (error["reason"], error["field"]) == ("INVALID_INPUT", "query.text")
    assert done.stderr == f"atlas: {error['message']}\n"
    away = json.loads(system.run("collections", "--json", "--server", NOBODY, status=1).stdout)
    assert away["error"]["reason"] == "DEPENDENCY_DOWN"


def test_deleting_what_is_not_there_deletes_nothing(system: System) -> None:
    assert system.json("delete", STRANGER, "--yes") == {"deleted_count": 0}
    unasked = system.run("delete", STRANGER, status=1, stdin="")
    assert "There is no way back" in unasked.stderr


def test_a_path_that_does_not_exist_is_skipped_and_the_rest_goes_on(system: System, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The lantern hangs in the shed.\n")
    done = system.run("ingest", "/nonexistent", tmp_path, "--collection", "mistakes", status=3)
    assert done.stderr == "atlas: skipped /nonexistent: no such file or folder\n"
    assert done.stdout.startswith("1 documents: 1 chunks new")
    report = system.json("ingest", "/nonexistent", "--collection", "mistakes", status=3)
    assert [(item["path"], item["reason"]) for item in report["skipped"]] == [("/nonexistent", "no such file or folder")]


def test_standard_input_that_is_no_text_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "atlas.cli", "remember", "-"], input=b"caf\xe9", capture_output=True, cwd=ROOT, timeout=60)
    assert done.returncode == 1
    assert done.stderr == b"atlas: standard input is no UTF-8: unexpected end of data at byte 3\n"


def test_a_run_file_that_cannot_be_written_is_named(system: System, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"id": "d1", "text": "The lantern hangs in the shed."}\n')
    (tmp_path / "queries.jsonl").write_text('{"id": "q1", "text": "where is the lantern?"}\n')
    (tmp_path / "qrels.tsv").write_text("query_id\tdoc_id\tgrade\nq1\td1\t1\n")
    missing = tmp_path / "no" / "such" / "run.tsv"
    done = system.run("eval", tmp_path, "--run-file", missing, status=1)
    assert done.stderr.splitlines()[-1] == f"atlas: {missing}: No such file or directory"
    assert "Traceback" not in done.stderr
