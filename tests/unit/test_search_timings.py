"""Where the time of a search goes."""

from __future__ import annotations

import pytest

from atlas.clock import FakeClock
from gateway.clients import ServerTime
from gateway.timings import Stopwatch


def test_what_the_server_did_not_count_is_network() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    with watch.stage("embed") as lap:
        clock.advance(0.010)
        lap.server = ServerTime(queue_s=0.002, compute_s=0.005)
    [stage] = watch.stages
    assert (stage.queue_s, stage.compute_s) == (0.002, 0.005)
    assert stage.network_s == pytest.approx(0.003)


def test_a_stage_never_counts_more_than_was_waited_for_it() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    with watch.stage("embed") as lap:
        clock.advance(0.010)
        lap.server = ServerTime(queue_s=0.008, compute_s=0.009)
    assert watch.stages[0].wall_s == pytest.approx(0.010)
    assert watch.stages[0].network_s == 0.0


def test_a_stage_that_fails_is_measured() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    with pytest.raises(ValueError, match="late"), watch.stage("rerank"):
        clock.advance(0.5)
        raise ValueError("late")
    assert watch.stages[0].network_s == 0.5


def test_the_gateways_own_work_is_compute() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    clock.advance(0.1)
    with watch.own_stage("assemble"):
        clock.advance(0.2)
    assert watch.stages[0].compute_s == pytest.approx(0.2)
    assert watch.total_s == pytest.approx(0.3)
