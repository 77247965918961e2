"""A whole system of its own for a measurement: four processes on free ports, a data folder that goes away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    data_dir: Path
    port_base: int

    def address(self, offset: int = 0) -> str:
        """Gives the address of the gateway (0), embedder (1), reranker (2) or memory (3)."""
        return f"127.0.0.1:{self.port_base + offset}"


@contextmanager
def running(environment: Mapping[str, str] | None = None) -> Iterator[System]:
    """Starts a system and stops it at the end."""
    with tempfile.TemporaryDirectory(prefix="atlas-bench-") as folder:
        system = System(Path(folder), free_port_base())
        command = [sys.executable, "-m", "atlas.cli"]
        place = ["--data", folder]
        variables = {**os.environ, **(environment or {})}
        subprocess.run(
            [*command, "up", "--detach", *place, "--port-base", str(system.port_base)], check=True, stdout=subprocess.DEVNULL, env=variables
        )
        try:
            yield system
        finally:
            subprocess.run([*command, "down", *place], check=True, stdout=subprocess.DEVNULL)


def free_port_base() -> int:
    """Finds four free ports in a row."""
    for base in range(41_000, 60_000, 10):
        if all(_free(base + offset) for offset in range(4)):
            return base
    raise RuntimeError("no four free ports in a row between 41000 and 60000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
