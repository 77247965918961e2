"""A whole system for the tests: the command starts it, real processes serve, a data folder that goes away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.memory_part import store_settings

ROOT = Path(__file__).resolve().parents[2]


def _port_bases() -> Sequence[int]:
    """Gives where to look for free ports: no base is that of another worker of this run, whose services may be about to take it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = range(20_000, 32_000, 10)[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    # Two runs of the tests at the same time begin their search at different places.
    first = os.getpid() % len(own)
    return (*own[first:], *own[:first])


def free_port_base() -> int:
    for base in _port_bases():
        sockets = []
        try:
            for offset in range(4):
                probe = socket.socket()
                sockets.append(probe)
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
        return base
    raise RuntimeError("no four free ports in a row")


@dataclass(frozen=True)
class System:
    """One copy of the system, driven by its command line."""

    data_dir: Path
    port_base: int

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port_base}"

    def address(self, offset: int) -> str:
        return f"127.0.0.1:{self.port_base + offset}"

    def run(
        self, *arguments: str | Path, status: int | None = 0, cwd: Path | None = None, stdin: str | None = None, timeout_s: float = 150.0
    ) -> subprocess.CompletedProcess[str]:
        store = {f"ATLAS_MEMORY_{name.upper()}": str(value) for name, value in store_settings().items()}
        environment = {**os.environ, **store, "ATLAS_SERVER": self.server, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "atlas.cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, input=stdin, timeout=timeout_s)
        if status is not None:
            assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str | Path, status: int | None = 0, cwd: Path | None = None, timeout_s: float = 150.0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status, cwd=cwd, timeout_s=timeout_s).stdout)

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", "--data", self.data_dir, "--port-base", str(self.port_base))

    def down(self) -> subprocess.CompletedProcess[str]:
        return self.run("down", "--data", self.data_dir)

    def pids(self) -> Mapping[str, int]:
        state = json.loads((self.data_dir / "atlas.json").read_text())
        return {name: record["pid"] for name, record in state["parts"].items()} | {"supervisor": state["supervisor"]["pid"]}


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system that all tests of the session share; each test uses collections of its own."""
    running = System(tmp_path_factory.mktemp("atlas"), free_port_base())
    running.up()
    try:
        yield running
    finally:
        running.down()


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[System]:
    """A system of one test's own, not started yet."""
    created = System(tmp_path / "data", free_port_base())
    try:
        yield created
    finally:
        created.down()
