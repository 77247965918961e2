"""CPU time of the processes of a system, by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import psutil

from .system import System


def of(system: System) -> dict[str, psutil.Process]:
    """Finds the processes of a running system: its parts, and `engine`, the child of memory that holds the vectors."""
    parts = msgspec.json.decode((system.data_dir / "atlas.json").read_bytes())["parts"]
    found = {name: psutil.Process(part["pid"]) for name, part in parts.items()}
    found.update(("engine", child) for child in found["memory"].children())
    return found


def cpu_ms(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Reads the CPU time that each process has used so far, in milliseconds."""
    return {name: sum(_threads_ms(process.pid)) for name, process in processes.items()}


def _threads_ms(pid: int) -> Iterator[float]:
    # The scheduler's own account, in nanoseconds; `cpu_times` counts in steps of 10 ms.
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        yield int(path.read_text(encoding="ascii").split()[0]) / 1e6
