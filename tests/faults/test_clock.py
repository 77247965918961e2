"""The clock jumps by hours and days, in mid-call and while the service is down: nothing is lost, and evidence weighs what its age says.

`ATLAS_TEST_CLOCK_JUMPS` is the number of jumps, `ATLAS_TEST_SEED` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from . import clock

JUMPS = int(os.environ.get("ATLAS_TEST_CLOCK_JUMPS", "3"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
pytestmark = pytest.mark.skipif(bool(clock.missing()), reason=clock.missing() or "-")


@pytest.mark.timeout(120 + 20 * JUMPS)
async def test_nothing_is_lost_or_weighs_wrongly_when_the_clock_jumps(tmp_path: Path) -> None:
    figures = await clock.run_jumps(JUMPS, seed=SEED, folder=tmp_path)
    print(f"\nATLAS_TEST_SEED={SEED} {figures}")
    assert not figures.violations, str(figures)
    assert sum(figures.jumps.values()) == JUMPS
    assert figures.events


@pytest.mark.timeout(240)
async def test_a_clock_that_stands_elsewhere_than_it_should_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = clock.Hands.set
    monkeypatch.setattr(clock.Hands, "set", lambda hands, offset_s: moved(hands, offset_s + clock.HOUR_S))
    figures = await clock.run_jumps(2, seed=SEED, folder=tmp_path)
    assert any("sums of channel" in one for one in figures.violations), str(figures)
