"""What memory does at the start with a folder as a power loss leaves it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atlas.errors import StartupError
from atlas.memory.v1 import memory_pb2 as pb

from .memory_part import create, id_of, memory_service, query, scope, upsert, write


async def with_a_point_that_is_not_listed(folder: Path) -> sqlite3.Connection:
    """Stores two memories, and takes the second one out of the catalog; gives the database."""
    async with memory_service(folder) as memory:
        await create(memory)
        for name in ("kept", "lost"):
            await memory.memories.UpsertMemories(upsert(write(name, f"a {name} text")))
    connection = sqlite3.connect(folder / "memory.sqlite3", isolation_level=None)
    connection.execute("DELETE FROM memory WHERE memory_id = ?", (id_of("lost"),))
    connection.execute("UPDATE tally SET memory_count = 1")
    return connection


def after_power_loss(folder: Path) -> None:
    for suffix in ("-open", "-wal"):
        (folder / f"memory.sqlite3{suffix}").touch()


async def test_points_that_the_catalog_lost_with_the_power_leave_the_engine(tmp_path: Path) -> None:
    with closing(await with_a_point_that_is_not_listed(tmp_path)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'journal'")
    after_power_loss(tmp_path)
    async with memory_service(tmp_path) as memory:
        listed = await memory.memories.ListMemories(pb.ListMemoriesRequest(scope=scope(), collection="notes"))
        assert [one.memory_id for one in listed.memories] == [id_of("kept")]
        counted = await memory.memories.CountMemories(pb.CountMemoriesRequest(scope=scope(), collection="notes"))
        assert counted.memory_count == 1
        found = await memory.memories.QueryMemories(query("a lost text"))
        assert [one.memory.memory_id for one in found.candidates] == [id_of("kept")]


@pytest.mark.parametrize("power_lost", [False, True])
async def test_points_that_a_power_loss_does_not_explain_stop_the_start_and_stay(tmp_path: Path, power_lost: bool) -> None:
    with closing(await with_a_point_that_is_not_listed(tmp_path)) as connection:
        if not power_lost:
            connection.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'journal'")
    if power_lost:
        after_power_loss(tmp_path)
    for _ in range(2):
        with pytest.raises(StartupError, match=rf"{id_of('lost')}.*run `atlas repair`"):
            async with memory_service(tmp_path):
                pass
