"""`atlas repair` on damaged data folders: nothing readable is lost, the damaged files stay, and what is gone is said."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from atlas import failpoints
from atlas.errors import StartupError
from atlas.memory.v1 import memory_pb2 as pb
from atlas.type.v1 import type_pb2
from services.memory.failpoints import REPAIR

from .memory_part import create, id_of, memory_service, query, scope, store_settings, upsert, write

COUNT = 400
STORE = {f"ATLAS_MEMORY_{name.upper()}": str(value) for name, value in store_settings().items()}
FOLDER = {"edge": "engine", "lancedb": "lancedb"}.get(store_settings()["store"], "")
"""Where the store keeps its files in the data folder; empty if it does not."""
NAME = "memory.sqlite3"


async def filled(folder: Path) -> dict[str, str]:
    """Stores memories and ends in an orderly way; gives their texts by id."""
    texts = {f"memory {number}": f"the text of memory number {number}" for number in range(COUNT)}
    async with memory_service(folder) as memory:
        await create(memory)
        await memory.memories.UpsertMemories(upsert(*(write(name, text, domain=f"d{len(name)}") for name, text in texts.items())))
    return {id_of(name): text for name, text in texts.items()}


async def repaired(folder: Path, *options: str, status: int = 0, plan: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.memory.repair", *options),
        env={**os.environ, **STORE, "ATLAS_MEMORY_DATA_DIR": str(folder), failpoints.VARIABLE: plan},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == status, out.decode()
    return out.decode()


async def listed(folder: Path) -> dict[str, str]:
    async with memory_service(folder) as memory:
        page = await memory.memories.ListMemories(pb.ListMemoriesRequest(scope=scope(), collection="notes", page_size=1000))
        counted = await memory.memories.CountMemories(pb.CountMemoriesRequest(scope=scope(), collection="notes"))
        assert counted.memory_count == len(page.memories)
        if page.memories:
            one = page.memories[0]
            found = await memory.memories.QueryMemories(query(one.text))
            assert one.memory_id in {each.memory.memory_id for each in found.candidates}
            deletion = pb.DeleteMemoriesRequest(scope=scope(), ids=pb.DeleteMemoriesRequest.Ids(memory_ids=[one.memory_id]))
            assert (await memory.memories.DeleteMemories(deletion)).deleted_count == 1
            back = type_pb2.Memory(memory_id=one.memory_id, collection="notes", text=one.text, domain=one.domain)
            vectors = write("any", one.text).vectors
            await memory.memories.UpsertMemories(upsert(pb.MemoryWrite(memory=back, vectors=vectors)))
        return {one.memory_id: one.text for one in page.memories}


def damaged_in(folder: Path) -> list[Path]:
    return list(folder.glob(f"damaged-*/{NAME}"))


async def refusal(folder: Path) -> str:
    with pytest.raises(StartupError) as caught:
        async with memory_service(folder):
            pass
    return str(caught.value)


def damage(path: Path, places: Sequence[float]) -> None:
    """Overwrites some of the pages that hold rows of memories."""
    content = bytearray(path.read_bytes())
    rows = [begin for begin in range(0, len(content), 4096) if content[begin] == 0x0A and content.count(b"acme", begin, begin + 4096) > 5]
    for place in places:
        begin = rows[int(place * len(rows))]
        content[begin : begin + 4096] = b"\xa5" * 4096
    path.write_bytes(content)


@pytest.mark.parametrize("plan", [*(f"{name}=kill" for name in REPAIR), "repair.aside.part=kill@2"])
async def test_a_repair_that_was_killed_is_begun_anew_or_finished_and_loses_nothing(tmp_path: Path, plan: str) -> None:
    texts = await filled(tmp_path)
    shutil.copy(tmp_path / NAME, tmp_path / "whole")
    damage(tmp_path / NAME, (0.5,))
    # A second file to put aside: the mark of an end that was not orderly.
    (tmp_path / f"{NAME}-open").touch()
    await repaired(tmp_path, status=-signal.SIGKILL, plan=plan)
    assert "atlas repair" in await refusal(tmp_path)
    await repaired(tmp_path)
    assert await listed(tmp_path) == texts
    (kept,) = damaged_in(tmp_path)
    assert kept.read_bytes() != (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("places", [(0.0,), (0.5,), (0.2, 0.7)])
async def test_memories_whose_rows_are_damaged_come_back_from_the_engine(tmp_path: Path, places: Sequence[float]) -> None:
    texts = await filled(tmp_path)
    path = tmp_path / NAME
    damage(path, places)
    original = path.read_bytes()
    assert "run `atlas repair`" in await refusal(tmp_path)
    said = await repaired(tmp_path)
    assert "the data folder opens again" in said
    assert "not all of it" in said
    (kept,) = damaged_in(tmp_path)
    assert kept.read_bytes() == original
    assert await listed(tmp_path) == texts


async def test_a_truncated_database_keeps_what_its_rest_and_the_engine_hold(tmp_path: Path) -> None:
    texts = await filled(tmp_path)
    path = tmp_path / NAME
    os.truncate(path, path.stat().st_size * 3 // 4)
    assert "run `atlas repair`" in await refusal(tmp_path)
    await repaired(tmp_path)
    assert await listed(tmp_path) == texts


async def test_a_whole_folder_needs_no_repair(tmp_path: Path) -> None:
    texts = await filled(tmp_path)
    assert "nothing to repair" in await repaired(tmp_path)
    assert not damaged_in(tmp_path)
    assert await listed(tmp_path) == texts


@pytest.mark.skipif(not FOLDER, reason="the store keeps nothing in the data folder")
async def test_memories_without_text_leave_the_catalog_only_when_that_is_accepted(tmp_path: Path) -> None:
    texts = await filled(tmp_path)
    engine = next(each for each in (tmp_path / FOLDER).iterdir() if each.is_dir())
    away = tmp_path / "away"
    engine.rename(away)
    said = await refusal(tmp_path)
    assert f"holds 0 of the {COUNT} memories" in said
    shutil.rmtree(engine)
    assert f"no text of {COUNT} memories" in await repaired(tmp_path, status=3)
    shutil.rmtree(engine)
    away.rename(engine)
    assert await listed(tmp_path) == texts
    shutil.rmtree(engine)
    assert "left the catalog" in await repaired(tmp_path, "--accept-loss")
    assert await listed(tmp_path) == {}


async def test_a_file_that_is_no_database_is_not_called_repaired(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / NAME).write_bytes(b"not a database at all" * 1000)
    said = await repaired(tmp_path)
    assert "memory: 0 rows read; not all of it" in said
    assert len(damaged_in(tmp_path)) == 1


async def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    async with memory_service(tmp_path):
        assert "is locked by process" in await repaired(tmp_path, status=1)
