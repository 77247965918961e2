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

    def fail() -> None:
        with watch.stage("rerank"):
            clock.advance(0.5)
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        fail()
    assert watch.stages[0].network_s == 0.5


def test_the_gateways_own_work_is_compute_and_adds_up() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    for name in ("assemble", "record", "assemble"):
        with watch.own_stage(name):
            clock.advance(0.2)
    assert [(stage.stage, stage.compute_s, stage.network_s) for stage in watch.stages] == [
        ("assemble", pytest.approx(0.4), 0.0),
        ("record", pytest.approx(0.2), 0.0),
    ]


def test_no_time_between_two_stages_is_lost() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock.monotonic)
    for name in ("embed", "candidates"):
        clock.advance(0.1)
        with watch.stage(name):
            clock.advance(0.2)
    clock.advance(0.05)
    assert sum(stage.wall_s for stage in watch.stages) == pytest.approx(0.6)
    assert watch.total_s == pytest.approx(0.65)
