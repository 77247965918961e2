"""A collection moves to another model and back while it is searched and written to, and while its parts are killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas.client import AsyncAtlas, Atlas, GenerationRole, Operation
from atlas.documents import Document
from atlas.errors import DeadlineError, DependencyDownError
from bench import migration
from bench.corpus import windows
from bench.migration_load import LIVE, STILL
from bench.second_embedder import second_embedder

from .conftest import System, free_port_base

pytestmark = pytest.mark.timeout(600)
PATIENCE_S = 150.0
MEMORIES = int(os.environ.get("ATLAS_TEST_MIGRATED", "150"))
"""A long run takes 10000."""


async def test_a_live_migration_and_its_rollback_fail_no_call_and_lose_nothing(system: System) -> None:
    try:
        report = await migration.measure(system.server, free_port_base(), MEMORIES, 2, calm_s=1.0)
        migration.check(report)
    finally:
        for name in (LIVE, STILL):
            system.run("delete", "--whole-collection", "--collection", name, "--yes", status=None)


async def until(client: AsyncAtlas, operation: Operation, reached: Callable[[Operation], bool]) -> Operation:
    async with asyncio.timeout(PATIENCE_S):
        while not reached(operation):
            assert operation.error is None, operation
            await asyncio.sleep(0.05)
            operation = await client.administration.operation(operation.operation_id, timeout_s=60.0)
    return operation


async def test_a_migration_goes_on_after_memory_and_gateway_are_killed(own_system: System) -> None:
    own_system.up()
    texts = windows(400)
    async with second_embedder(free_port_base()) as embedder, AsyncAtlas(own_system.server, timeout_s=60.0) as client:
        documents = [Document(source=f"test://{number}", text=text) for number, text in enumerate(texts)]
        async for reply in client.ingest(documents, collection="killed"):
            assert reply.error is None
        operation = await client.administration.start_migration("killed", embedder=embedder)
        for part in ("memory", "gateway"):
            before = operation.done
            operation = await until(client, operation, lambda one, before=before: one.done > before or not one.runs)  # type: ignore[misc]
            assert operation.phase == "embedding", f"{part} is to be killed in mid-migration"
            os.kill(own_system.pids()[part], signal.SIGKILL)
            await until_answers(client, operation)
        operation = await until(client, operation, lambda one: one.phase == "ready")
        verification = await client.administration.verify_migration("killed")
        assert verification.verified, verification.findings
        assert verification.target_count == verification.memory_count >= len(texts)
        await client.administration.switch_generation("killed")
        answer = await client.search(texts[7], collections=["killed"], require_complete=True)
        assert answer.hits[0].memory.source == "test://7"
        assert answer.hits[0].memory.generation == verification.target.generation


async def until_answers(client: AsyncAtlas, operation: Operation) -> None:
    """Returns once gateway and memory answer again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await client.administration.operation(operation.operation_id)
            except (DependencyDownError, DeadlineError):
                await asyncio.sleep(0.1)
            else:
                return


async def test_the_command_migrates_verifies_switches_and_rolls_back(system: System, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number, text in enumerate(windows(12, seed=3)):
        (folder / f"{number}.md").write_text(text)
    system.run("ingest", folder, "--collection", "moving")
    async with second_embedder(free_port_base()) as embedder:
        done = await asyncio.to_thread(system.json, "migrate", "moving", "--embedder", embedder, "--no-switch")
        assert done["verification"]["verified"]
        assert not done["switched"]
        ingested = done["verification"]["memory_count"]
        listed = await asyncio.to_thread(system.json, "generations", "moving")
        assert [one["role"] for one in listed] == ["active", "building"]
        done = await asyncio.to_thread(system.json, "migrate", "moving", "--switch")
        assert done["switched"]
        assert done["operation"]["state"] == "done"
        found = await asyncio.to_thread(system.json, "search", windows(12, seed=3)[4], "--collection", "moving")
        assert found["hits"][0]["memory"]["generation"] == listed[1]["generation"]
        await asyncio.to_thread(system.run, "remember", "the heron stands in the reed", "--collection", "moving")
        back = await asyncio.to_thread(system.json, "migrate", "moving", "--rollback")
        assert back["operation"]["kind"] == "rollback"
        assert back["operation"]["state"] == "done"
    found = await asyncio.to_thread(system.json, "search", "the heron stands in the reed", "--collection", "moving")
    assert found["hits"][0]["memory"]["text"] == "the heron stands in the reed"
    operations = await asyncio.to_thread(system.json, "operations")
    assert {one["kind"] for one in operations["items"] if one["collection"] == "moving"} == {"migration", "rollback"}
    gone = await asyncio.to_thread(system.json, "generations", "moving", "--delete", listed[1]["generation"], "--yes")
    assert gone["deleted_count"] == ingested + 1


async def test_the_blocking_client_has_the_same_calls(system: System) -> None:
    await asyncio.to_thread(system.run, "remember", "a kettle boils", "--collection", "blocking")

    def calls() -> tuple[GenerationRole, int]:
        with Atlas(system.server) as client:
            generations = client.administration.generations("blocking")
            return generations[0].role, len(client.administration.operations(page_size=1).items)

    role, count = await asyncio.to_thread(calls)
    assert role is GenerationRole.ACTIVE
    assert count <= 1
