"""What memory does at the start with a folder as a power loss leaves it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from atlas.memory.v1 import memory_pb2 as pb

from .memory_part import create, id_of, memory_service, query, scope, upsert, write


async def test_points_that_the_catalog_lost_with_the_power_leave_the_engine(tmp_path: Path) -> None:
    async with memory_service(tmp_path) as memory:
        await create(memory)
        await memory.memories.UpsertMemories(upsert(write("kept", "a kept text"), write("lost", "a lost text")))
    with sqlite3.connect(tmp_path / "memory.sqlite3") as connection:
        connection.execute("DELETE FROM memory WHERE memory_id = ?", (id_of("lost"),))
        connection.execute("UPDATE tally SET memory_count = 1")
        connection.execute("DELETE FROM journal")
    connection.close()
    async with memory_service(tmp_path) as memory:
        listed = await memory.memories.ListMemories(pb.ListMemoriesRequest(scope=scope(), collection="notes"))
        assert [one.memory_id for one in listed.memories] == [id_of("kept")]
        counted = await memory.memories.CountMemories(pb.CountMemoriesRequest(scope=scope(), collection="notes"))
        assert counted.memory_count == 1
        found = await memory.memories.QueryMemories(query("a lost text"))
        assert [one.memory.memory_id for one in found.candidates] == [id_of("kept")]
