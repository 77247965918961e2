"""Measures where the time of a search goes."""

from __future__ import annotations

import math
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
    """Measures one search from its arrival on.

    A stage begins where the one before it ended, so that no time between two stages is lost.
    """

    monotonic: Callable[[], float]
    """Seconds of a clock that never runs backwards."""
    _stages: dict[str, StageTime] = field(default_factory=dict)
    _begin_s: float = field(init=False)
    _last_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Starts."""
        self._begin_s = self._last_s = self.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[Lap]:
        """Measures a block of another part's work, also one that fails."""
        lap = Lap()
        try:
            yield lap
        finally:
            self._add(name, lap.server or ServerTime())

    @contextmanager
    def own_stage(self, name: str) -> Iterator[None]:
        """Measures a block of the gateway's own work; what is measured twice is added up."""
        try:
            yield
        finally:
            self._add(name, ServerTime(compute_s=math.inf))

    @property
    def stages(self) -> tuple[StageTime, ...]:
        """Stages that ended, in the order in which they first did."""
        return tuple(self._stages.values())

    @property
    def total_s(self) -> float:
        """Seconds since the search arrived."""
        return self.monotonic() - self._begin_s

    def _add(self, name: str, server: ServerTime) -> None:
        begin_s, self._last_s = self._last_s, self.monotonic()
        wall_s = self._last_s - begin_s
        # Clocks of two processes: what the server counts never exceeds what was waited for it.
        compute_s = min(server.compute_s, wall_s)
        queue_s = min(server.queue_s, wall_s - compute_s)
        before = self._stages.get(name, StageTime(name, 0.0, 0.0, 0.0))
        self._stages[name] = StageTime(
            name, before.queue_s + queue_s, before.compute_s + compute_s, before.network_s + wall_s - compute_s - queue_s
        )
