"""A memory service in a process of its own, that a test ends and starts again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from atlas.deadlines import Deadline
from atlas.failpoints import VARIABLE
from atlas.health import wait_until_serving
from tests.rpc.memory_part import store_settings

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "atlas.memory.v1.MemoryService"
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
]


class Nursery:
    """Speaks with the process that forks the services."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def start(self, environment: Mapping[str, str], log: Path) -> tuple[int, asyncio.Future[int]]:
        """Starts a service; gives its pid and the future of its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"environment": dict(environment), "log": str(log)}).encode() + b"\n")
        pid = await self._born.get()
        return pid, self._ends[pid]

    async def close(self) -> None:
        """Ends it with everything it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "pid" in said:
                self._ends[said["pid"]] = asyncio.get_running_loop().create_future()
                self._born.put_nowait(said["pid"])
            else:
                self._ends.pop(said["ended"]).set_result(said["status"])


@asynccontextmanager
async def nursery(environment: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Nursery]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.nursery"),
        cwd=ROOT,
        # Threads of a library would not live on in a forked process.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Nursery(process)
    try:
        yield made
    finally:
        await made.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Part:
    """One memory service, again and again, in one folder and on one port."""

    nursery: Nursery
    folder: Path
    """Data folder."""
    scratch: Path
    """Folder of its log and of the plan of failpoints."""
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings, without prefix."""
    name: str = "memory"
    """Name of its log, and of its plan but for that of `memory`."""
    pid: int = 0
    ended: asyncio.Future[int] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def plan(self) -> Path:
        """The file that arms failpoints in front and engine."""
        return self.scratch / ("plan" if self.name == "memory" else f"{self.name}.plan")

    @property
    def log(self) -> Path:
        return self.scratch / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        return self.ended is not None and not self.ended.done()

    @property
    def engine_pid(self) -> int:
        """Process id that the last engine wrote into its lock file."""
        return int((self.folder / "engine" / "engine.lock").read_text() or 0)

    def arm(self, plan: str) -> None:
        """Has the running processes follow a plan from now on."""
        draft = self.plan.with_suffix(".draft")
        draft.write_text(plan)
        draft.rename(self.plan)

    def disarm(self) -> None:
        with suppress(FileNotFoundError):
            self.plan.unlink()

    def clear(self) -> None:
        """Deletes its folder and its log; to be called while it does not run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)

    async def start(self) -> None:
        """Starts it; does not wait until it serves."""
        settings = {
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "METRICS_PORT": "-1",
            "LOG_LEVEL": "warning",
            "LAME_DUCK_MS": "0",
            "DRAIN_GRACE_MS": "2000",
            # So that kills meet flushes, checkpoints and a pruned journal.
            "FLUSH_INTERVAL_MS": "100",
            "PROJECTION_INTERVAL_MS": "20",
            "PROJECTION_FLUSH_INTERVAL_MS": "50",
            # All callers are one principal, for hours.
            "SALIENCE_PASSIVE_BUDGET": "1000000000",
            "SALIENCE_OUTSIDE_BUDGET": "1000000000",
            "FREE_SPACE_WATERMARK_BYTES": str(128 << 20),
            **{name.upper(): str(value) for name, value in store_settings().items()},
            **self.settings,
        }
        environment = {VARIABLE: f"@{self.plan}", **{f"ATLAS_MEMORY_{name}": value for name, value in settings.items()}}
        self.pid, self.ended = await self.nursery.start(environment, self.log)

    async def serving(self, channel: object, *, seconds: float = 60.0) -> None:
        """Waits until it serves."""
        await wait_until_serving(channel, SERVICE, deadline=Deadline.after(seconds))  # type: ignore[arg-type]

    async def kill(self) -> None:
        """Ends it as a crash does."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
        assert self.ended is not None
        await self.ended

    async def stop(self) -> int:
        """Asks it to end; gives its exit status."""
        assert self.ended is not None
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
        return await self.ended
