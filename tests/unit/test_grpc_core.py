"""What gRPC's core is told before it is imported: it hears nothing later, and says so only where it knows no such name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import {part}, os, sys
assert "grpc" not in sys.modules, "too late to tell it anything"
os.environ["GRPC_EXPERIMENTS"] += "{more}"
import grpc.aio, asyncio
async def serve():
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.stop(None)
asyncio.run(serve())
print(os.environ["GRPC_EXPERIMENTS"], os.environ.get("GRPC_ENABLE_FORK_SUPPORT"))
"""


def shown(part: str, more: str = "", **environment: str) -> tuple[list[str], str]:
    """What a part has in its environment once gRPC is imported, and what gRPC complains of."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    command = [sys.executable, "-c", SHOW.format(part=part, more=more)]
    done = subprocess.run(command, env={**clean, **environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize("part", ["gateway", "services.embedder", "services.reranker", "services.memory"])
def test_every_part_reads_its_sockets_where_calls_are_awaited_by_names_that_grpc_knows(part: str) -> None:
    (experiments, fork), complaints = shown(part)
    assert experiments == "-event_engine_client,-event_engine_listener"
    assert fork == ("0" if part == "services.memory" else "None")
    assert complaints == ""


def test_grpc_says_what_it_does_not_know() -> None:
    _, complaints = shown("gateway", more=",-no_such_thing")
    assert "no_such_thing" in complaints


def test_what_the_environment_says_is_left_as_it_is() -> None:
    (experiments, _), _ = shown("gateway", GRPC_EXPERIMENTS="event_engine_client")
    assert experiments == "event_engine_client"
