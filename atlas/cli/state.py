"""What a running copy writes into its data folder, so that other commands find it.

The lock is the truth: as long as a supervisor lives it holds the lock, and the operating system lets go of it when the process ends in
any way. The state file only says what runs where.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from atlas.folders import make_private

# The gateway drains first, then the other parts together.
_TERMINATE_WAIT_S = 160.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    boot_id: str = ""
    """The run of the machine that it belongs to; a file of an older ATLAS has none, and matches no process."""
    started_s: float = 0.0
    """Seconds from the start of the machine to that of the process."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A running copy."""

    port_base: int
    supervisor: ProcessRecord
    parts: Mapping[str, ProcessRecord] = field(default_factory=dict)


def record_of(pid: int) -> ProcessRecord:
    """Identifies a living process."""
    return _record(psutil.Process(pid))


def alive(record: ProcessRecord) -> psutil.Process | None:
    """Finds the process of a record, if it still lives."""
    try:
        process = psutil.Process(record.pid)
        return process if _record(process) == record and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def write_state(data_dir: Path, state: RunState) -> None:
    """Replaces the state file in one step."""
    path = _state_path(data_dir)
    scratch = path.with_suffix(".new")
    scratch.write_bytes(msgspec.json.encode(state))
    scratch.replace(path)


def read_state(data_dir: Path) -> RunState | None:
    """Reads the state file; None if there is none."""
    try:
        return msgspec.json.decode(_state_path(data_dir).read_bytes(), type=RunState)
    except FileNotFoundError:
        return None


def remove_state(data_dir: Path) -> None:
    """Removes the state file."""
    _state_path(data_dir).unlink(missing_ok=True)


@contextmanager
def supervising(data_dir: Path) -> Iterator[None]:
    """Holds the lock of a data folder.

    Raises:
        BlockingIOError: Another supervisor holds it.
    """
    make_private(data_dir)
    with _lock_path(data_dir).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def supervised(data_dir: Path) -> bool:
    """Says whether a supervisor lives for a data folder."""
    if not _lock_path(data_dir).exists():
        return False
    try:
        with supervising(data_dir):
            return False
    except BlockingIOError:
        return True


def end_processes(records: Sequence[ProcessRecord]) -> int:
    """Ends processes, politely first, and says how many lived."""
    living = [process for record in records if (process := alive(record)) is not None and process.pid != os.getpid()]
    for process in living:
        process.terminate()
    for process in psutil.wait_procs(living, timeout=_TERMINATE_WAIT_S)[1]:
        process.kill()
    return len(living)


def _record(process: psutil.Process) -> ProcessRecord:
    # The time of day at which it started is not the same any more once the clock has been set.
    return ProcessRecord(process.pid, _BOOT_ID.read_text(encoding="ascii").strip(), round(process.create_time() - psutil.boot_time(), 2))


def _state_path(data_dir: Path) -> Path:
    return data_dir / "atlas.json"


def _lock_path(data_dir: Path) -> Path:
    return data_dir / "up.lock"
