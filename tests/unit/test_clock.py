"""Clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from atlas.clock import Clock, FakeClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_every_clock_tells_utc_and_never_runs_backwards(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2026, 5, 1, 10, tzinfo=UTC)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 5, 1, 10, 1, 30, tzinfo=UTC), 90)


def test_a_corrected_clock_leaves_monotonic_time_alone() -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    clock.jump(-3600)
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 4, 30, 23, tzinfo=UTC), 0)


def test_a_fake_clock_refuses_to_go_back_or_to_have_no_zone() -> None:
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2026, 1, 1))
