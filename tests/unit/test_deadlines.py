"""Deadlines as values, and the layer that gives each call one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from atlas import deadlines
from atlas.clock import FakeClock
from atlas.deadlines import Deadline
from atlas.errors import DeadlineError
from atlas.interceptors.call import Call
from atlas.interceptors.deadline import CallDeadline


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    clock = FakeClock()
    deadline = Deadline.after(2.0, monotonic=clock.monotonic)
    clock.advance(1.5)
    assert (deadline.remaining_s, deadline.expired) == (0.5, False)
    clock.advance(1.5)
    assert (deadline.remaining_s, deadline.expired) == (0.0, True)


def test_a_step_gets_what_is_left_less_the_reserve_and_at_most_the_cap() -> None:
    clock = FakeClock()
    deadline = Deadline.after(2.0, monotonic=clock.monotonic)
    assert deadline.child(reserve_s=0.5).remaining_s == 1.5
    assert deadline.child(cap_s=0.25).remaining_s == 0.25
    assert deadline.child(reserve_s=1.9, cap_s=1.0).remaining_s == pytest.approx(0.1)
    assert deadline.child(reserve_s=3.0).expired


def test_a_step_is_refused_when_it_would_begin_too_late() -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, monotonic=clock.monotonic)
    deadline.check("the rerank")
    clock.advance(1.0)
    with pytest.raises(DeadlineError, match="passed before the rerank"):
        deadline.check("the rerank")


def test_outside_a_call_there_is_no_deadline() -> None:
    with pytest.raises(LookupError):
        deadlines.current()
    assert not deadlines.passed()


class LateContext:
    """A call that arrives after its deadline."""

    def time_remaining(self) -> float:
        return -0.5


async def test_a_call_that_comes_too_late_costs_no_work() -> None:
    async def work(call: Call) -> bytes:
        raise AssertionError("the work began")

    layer = CallDeadline(default_s=10, max_s=60, max_stream_s=600)
    with pytest.raises(DeadlineError, match="before the work began"):
        await layer(Call("atlas.test.v1.EchoService", "Unary", b"", cast(Any, LateContext())), work)
