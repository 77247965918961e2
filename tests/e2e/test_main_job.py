"""The main job, through the command: ingest real files, search, edit, forget."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter

from .conftest import System

HANDBOOK = """# Harbour handbook

## Mooring

Ships longer than ninety metres moor at the north quay, where the water is eleven metres deep.

## Tides

The tide gauge stands on the lighthouse and is read every ten minutes.
"""
CODE = '''"""Ledger of the harbour."""


def berth_fee(length_metres: float) -> float:
    """Computes the fee of a berth for one night."""
    return 4.2 * length_metres


def crane_fee(tonnes: float) -> float:
    """Computes the fee of the crane."""
    return 11.0 * tonnes
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "harbour"
    (folder / "src").mkdir(parents=True)
    (folder / "README.md").write_text(HANDBOOK)
    (folder / "src" / "fees.py").write_text(CODE)
    (folder / "notice.txt").write_text("The ferry to the island does not run in January.\n")
    (folder / "menu.html").write_text(
        "<html><title>Canteen</title><body><h1>Canteen</h1><p>Fish soup is served on Fridays.</p></body></html>"
    )
    rows = [
        {
            "id": "m1",
            "collection": "messages",
            "speaker": "Ana",
            "text": "The pilot boat needs a new propeller.",
            "created_at": "2026-03-01T09:00:00",
        },
        {
            "id": "m2",
            "collection": "messages",
            "speaker": "Ben",
            "text": "I ordered one from the yard in Gdansk.",
            "created_at": "2026-03-01T09:05:00",
        },
    ]
    (folder / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def memories(system: System, collection: str) -> list[dict[str, Any]]:
    return system.json("list", "--collection", collection, "--limit", "1000")["items"]


def ids_by_text(system: System, collection: str) -> dict[str, str]:
    return {memory["text"]: memory["memory_id"] for memory in memories(system, collection)}


def id_with(ids: dict[str, str], words: str) -> str:
    (found,) = [memory_id for text, memory_id in ids.items() if words in text]
    return found


def best(system: System, collection: str, query: str) -> dict[str, Any]:
    return system.json("search", query, "--collection", collection)["hits"][0]["memory"]


def test_every_kind_of_file_is_ingested_and_found(system: System, project: Path) -> None:
    report = system.json("ingest", project, "--collection", "kinds")
    assert report["documents"] == 6
    assert report["failed"] == []
    assert "north quay" in best(system, "kinds", "where do long ships moor?")["text"]
    assert "January" in best(system, "kinds", "when is there no ferry?")["text"]
    assert "Fish soup" in best(system, "kinds", "what can I eat on Friday?")["text"]
    fee = best(system, "kinds", "compute the fee for a berth")
    assert fee["content_kind"] == "code"
    message = best(system, "kinds", "which part does the pilot boat need?")
    assert (message["content_kind"], message["speaker"], message["document_id"]) == ("message", "Ana", "m1")
    assert message["event_time"].startswith("2026-03-01T09:00:00")


def test_a_second_run_embeds_nothing_and_changes_nothing(system: System, project: Path) -> None:
    first = system.json("ingest", project, "--collection", "again")
    before = ids_by_text(system, "again")
    second = system.json("ingest", project, "--collection", "again")
    assert second["unchanged"] == first["new"] > 0
    assert (second["new"], second["changed"], second["removed"], second["embedded_tokens"]) == (0, 0, 0, 0)
    assert ids_by_text(system, "again") == before


def test_an_edit_moves_nothing_but_what_was_edited(system: System, project: Path) -> None:
    system.json("ingest", project, "--collection", "edit")
    before = ids_by_text(system, "edit")
    readme = project / "README.md"
    readme.write_text(
        HANDBOOK.replace("## Mooring", "New intro.\n\nAnother one here.\n\n## Mooring").replace("ten minutes", "five minutes")
    )
    report = system.json("ingest", project, "--collection", "edit")
    after = ids_by_text(system, "edit")
    untouched = ("north quay", "January", "Fish soup", "berth_fee", "crane_fee", "propeller", "Gdansk")
    assert {words: id_with(after, words) for words in untouched} == {words: id_with(before, words) for words in untouched}
    assert report["removed"] == 1
    assert report["new"] == 3
    assert not any("ten minutes" in text for text in after)
    stored = next(memory for memory in memories(system, "edit") if "north quay" in memory["text"])
    raw = readme.read_bytes()[stored["begin"] : stored["end"]]
    assert raw.decode() == stored["text"]


def test_salience_of_untouched_paragraphs_survives_an_edit(system: System, project: Path) -> None:
    system.json("ingest", project, "--collection", "worth")
    for query in ("where do long ships moor?", "how deep is the water at the quay?", "which quay is for ships over ninety metres?"):
        system.json("search", query, "--collection", "worth")
    key = next(text for text in ids_by_text(system, "worth") if "north quay" in text)
    learnt = system.json("get", ids_by_text(system, "worth")[key])["salience"]
    readme = project / "README.md"
    readme.write_text("A paragraph above.\n\n" + readme.read_text())
    system.json("ingest", project, "--collection", "worth")
    kept = system.json("get", ids_by_text(system, "worth")[key])["salience"]
    assert kept == pytest.approx(learnt, rel=1e-3)


def test_the_folder_the_command_runs_in_does_not_matter(system: System, project: Path, tmp_path: Path) -> None:
    system.json("ingest", project, "--collection", "cwd")
    before = ids_by_text(system, "cwd")
    system.json("ingest", "harbour", "--collection", "cwd", cwd=tmp_path)
    report = system.json("ingest", ".", "--collection", "cwd", cwd=project)
    assert report["new"] == report["changed"] == report["embedded_tokens"] == 0
    assert ids_by_text(system, "cwd") == before


def test_two_projects_with_a_readme_each_are_kept_apart(system: System, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text("# Project\n\nThe same words in both.\n")
        system.json("ingest", tmp_path / name, "--collection", "apart")
    stored = memories(system, "apart")
    assert len(stored) == 2
    assert len({memory["source"] for memory in stored}) == 2


def test_prune_removes_what_vanished_from_its_root_and_nothing_else(system: System, project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "note.txt").write_text("This belongs to another root.\n")
    system.json("ingest", project, other, "--collection", "prune")
    (project / "notice.txt").unlink()
    kept = system.json("ingest", project, "--collection", "prune")
    assert kept["removed"] == 0
    pruned = system.json("ingest", project, "--prune", "--collection", "prune")
    assert (pruned["removed"], pruned["pruned_sources"]) == (1, 1)
    texts = ids_by_text(system, "prune")
    assert not any("ferry" in text for text in texts)
    assert any("another root" in text for text in texts)


def test_a_row_that_vanished_from_its_file_goes(system: System, project: Path) -> None:
    system.json("ingest", project / "chat.jsonl", "--collection", "rows")
    lines = (project / "chat.jsonl").read_text().splitlines()
    (project / "chat.jsonl").write_text(lines[0] + "\n")
    report = system.json("ingest", project / "chat.jsonl", "--collection", "rows")
    assert report["removed"] == 1
    assert [memory["document_id"] for memory in memories(system, "rows")] == ["m1"]


def test_as_names_a_root_so_that_it_can_move(system: System, project: Path, tmp_path: Path) -> None:
    system.json("ingest", project, "--as", "project://harbour", "--collection", "moved")
    before = ids_by_text(system, "moved")
    project.rename(tmp_path / "port")
    report = system.json("ingest", tmp_path / "port", "--as", "project://harbour", "--collection", "moved")
    assert report["embedded_tokens"] == 0
    assert ids_by_text(system, "moved") == before
    assert {memory["source"].split("/")[2] for memory in memories(system, "moved")} == {"harbour"}


def test_broken_files_are_skipped_with_their_reason_and_the_rest_goes_on(system: System, project: Path) -> None:
    (project / "binary.txt").write_bytes(b"\x00\x01\x02" * 50)
    (project / "latin.txt").write_bytes("caf\xe9 au lait".encode("latin-1"))
    (project / "broken.pdf").write_bytes(b"%PDF-1.4 this is not a page")
    (project / "dangling.md").symlink_to(project / "nowhere.md")
    (project / "rows.jsonl").write_text('{"id": "ok", "text": "A good row."}\n{"id": "bad", \n')
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    with (project / "blank.pdf").open("wb") as file:
        writer.write(file)
    report = system.json("ingest", project, "--collection", "broken", status=3)
    skipped = {Path(item["path"]).name: item["reason"] for item in report["skipped"]}
    assert {"binary.txt", "latin.txt", "broken.pdf", "dangling.md", "rows.jsonl", "blank.pdf"} <= set(skipped)
    assert all(skipped.values())
    texts = ids_by_text(system, "broken")
    assert "A good row." in texts
    assert any("north quay" in text for text in texts)


def test_a_compressed_corpus_is_read(system: System, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "corpus.jsonl.gz", "wt") as file:
        file.write(
            json.dumps({"id": "py1", "text": "def add(a, b):\n    return a + b", "lang": "python", "collection": "documents"}) + "\n"
        )
    system.json("ingest", tmp_path / "corpus.jsonl.gz", "--collection", "packed")
    (stored,) = memories(system, "packed")
    assert (stored["document_id"], stored["content_kind"], stored["collection"]) == ("py1", "code", "packed")


def test_a_remembered_text_is_found_at_once_and_known_the_second_time(system: System) -> None:
    first = system.json("remember", "The spare key hangs behind the barometer.", "--collection", "notes")
    assert first["outcome"] == "new"
    assert (
        system.json("search", "where is the spare key?", "--collection", "notes")["hits"][0]["memory"]["memory_id"]
        == first["memory_ids"][0]
    )
    second = system.json("remember", "The spare key hangs behind the barometer.", "--collection", "notes")
    assert (second["outcome"], second["memory_ids"]) == ("known", first["memory_ids"])


def test_memories_are_deleted_by_id_by_source_and_with_their_collection(system: System, project: Path) -> None:
    system.json("ingest", project, "--as", "project://gone", "--collection", "gone")
    victim = memories(system, "gone")[0]
    assert system.json("delete", victim["memory_id"], "--yes")["deleted_count"] == 1
    assert system.run("get", victim["memory_id"], status=1).stderr
    assert system.json("delete", "--source", "project://gone/chat.jsonl#m1", "--collection", "gone", "--yes")["deleted_count"] <= 1
    assert system.json("delete", "--whole-collection", "--collection", "gone", "--yes")["deleted_count"] > 0
    assert system.run("list", "--collection", "gone", status=1).stderr
