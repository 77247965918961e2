"""What an operator does to a system at work: renames what was ingested, backs everything up, restores it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from atlas.client import AsyncAtlas, Atlas
from atlas.errors import ConflictError

from .conftest import System

pytestmark = pytest.mark.timeout(900)
HERON = "The heron stands in the reed and waits for a careless fish.\n\nAt dusk it flies home over the mill."
KETTLE = "The kettle is descaled with vinegar once a month.\n\nRinse it twice before the next tea."


def listed(system: System, collection: str) -> dict[str, tuple[str, str, float | None]]:
    """Memories by id: source, text, salience."""

    async def read() -> dict[str, tuple[str, str, float | None]]:
        async with AsyncAtlas(system.server, timeout_s=60.0) as client:
            page = await client.list(collection=collection, page_size=1_000)
            known = [await client.get(memory.memory_id) for memory in page.items]
            return {one.memory_id: (one.source, one.text, one.salience) for one in known}

    return asyncio.run(read())


Memories = dict[str, tuple[str, str, float | None]]


def assert_same(found: Memories, expected: Memories) -> None:
    """Salience decays while the test runs, a little."""
    assert {memory_id: one[:2] for memory_id, one in found.items()} == {memory_id: one[:2] for memory_id, one in expected.items()}
    for memory_id, (_, _, salience) in found.items():
        assert salience == pytest.approx(expected[memory_id][2], abs=2e-3)


def search(system: System, question: str) -> list[str]:
    found: Any = system.json("search", question, "--collection", "papers")
    return [hit["memory"]["memory_id"] for hit in found["hits"]]


def test_a_renamed_folder_keeps_its_memories_and_a_backup_brings_everything_back(own_system: System, tmp_path: Path) -> None:
    system = own_system
    system.up()
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "heron.md").write_text(HERON)
    (old / "kettle.md").write_text(KETTLE)
    system.run("ingest", old, "--collection", "papers")
    before = listed(system, "papers")
    first = search(system, "what does the heron wait for?")
    learnt = listed(system, "papers")
    assert {memory_id: one[2] for memory_id, one in learnt.items()} != {memory_id: one[2] for memory_id, one in before.items()}

    # The folder is renamed, and something else comes to its old place.
    old.rename(new)
    moved = system.json("mv", old, new, "--collection", "papers")
    assert (moved["source_count"], moved["memory_count"]) == (2, len(before))
    again = system.json("ingest", new, "--prune", "--collection", "papers")
    assert (again["new"], again["changed"], again["removed"], again["embedded_tokens"]) == (0, 0, 0, 0)
    after = listed(system, "papers")
    assert_same(
        {memory_id: ("", *one[1:]) for memory_id, one in after.items()}, {memory_id: ("", *one[1:]) for memory_id, one in learnt.items()}
    )
    assert all("/new/" in one[0] for one in after.values())
    old.mkdir()
    (old / "heron.md").write_text(HERON)
    newcomer = system.json("ingest", old, "--collection", "papers")
    assert newcomer["new"] == 2, "the same text at the old place is another document"
    assert set(after) < set(listed(system, "papers"))
    refused = system.run("mv", new, old, "--collection", "papers", status=1)
    assert "/new/heron.md" in refused.stderr
    assert "/old/heron.md" in refused.stderr

    # Everything in one file, and back.
    held = listed(system, "papers")
    order = search(system, "how is the kettle cleaned?")
    file = tmp_path / "all.atlas"
    held = listed(system, "papers")
    made = system.json("backup", file)
    assert file.stat().st_size >= made["snapshot"]["size_bytes"] > 0
    system.run("remember", "this comes too late", "--collection", "papers")
    system.run("delete", first[0], "--yes")
    full = system.run("restore", file, status=1)
    assert "replace" in full.stderr
    restored = system.json("restore", file, "--replace", "--yes")
    assert restored["checked_query_count"] == len(held)
    assert restored["snapshot"]["digest"] == made["snapshot"]["digest"]
    assert_same(listed(system, "papers"), held)
    assert search(system, "how is the kettle cleaned?") == order
    assert json.loads(system.run("snapshots", "--json").stdout) == []

    with Atlas(system.server, timeout_s=60.0) as client:
        kept = client.snapshots.create()
        assert b"".join(client.snapshots.download(kept.snapshot_id))[:13] == b"manifest.json"
        with pytest.raises(ConflictError):
            client.snapshots.restore(kept.snapshot_id)
        client.snapshots.delete(kept.snapshot_id)
        assert client.snapshots.list() == ()
