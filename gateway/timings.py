"""Measures where the time of a search goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .clients import ServerTime


@dataclass(frozen=True, slots=True)
class StageTime:
    """Where the time of one stage went, in seconds."""

    stage: str
    """`embed`, `candidates`, `rerank`, `record` or `assemble`."""
    queue_s: float
    """Waiting in the serving part."""
    compute_s: float
    """Work in the serving part."""
    network_s: float
    """Everything else between sending and receiving."""

    @property
    def wall_s(self) -> float:
        """The whole stage."""
        return self.queue_s + self.compute_s + self.network_s


@dataclass(slots=True)
class Lap:
    """A stage that is being measured; what its server says may be added until it ends."""

    server: ServerTime | None = None
    """The server's own account; None if it gave none."""


@dataclass(slots=True)
class Stopwatch:
    """Measures one search from its arrival on."""

    monotonic: Callable[[], float]
    """Seconds of a clock that never runs backwards."""
    stages: list[StageTime] = field(default_factory=list)
    """Stages that ended, in order."""
    begin_s: float = field(init=False)
    """When the search arrived."""

    def __post_init__(self) -> None:
        """Starts."""
        self.begin_s = self.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[Lap]:
        """Measures a block of another part's work, also one that fails."""
        lap, begin_s = Lap(), self.monotonic()
        try:
            yield lap
        finally:
            server = lap.server or ServerTime()
            wall_s = self.monotonic() - begin_s
            # Clocks of two processes: what the server counts never exceeds what was waited for it.
            compute_s = min(server.compute_s, wall_s)
            queue_s = min(server.queue_s, wall_s - compute_s)
            self.stages.append(StageTime(name, queue_s, compute_s, wall_s - compute_s - queue_s))

    @contextmanager
    def own_stage(self, name: str) -> Iterator[None]:
        """Measures a block of the gateway's own work."""
        begin_s = self.monotonic()
        try:
            yield
        finally:
            self.stages.append(StageTime(name, 0.0, self.monotonic() - begin_s, 0.0))

    @property
    def total_s(self) -> float:
        """Seconds since the search arrived."""
        return self.monotonic() - self.begin_s
