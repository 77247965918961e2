"""Some seeds of the simulation, and the guards that it would miss; `python -m tests.faults simulate` runs 10,000 seeds.

`ATLAS_TEST_SEEDS` is the number of seeds.
"""

from __future__ import annotations

import os

import pytest

from .simulation.plants import PLANTS
from .simulation.run import simulate

SEEDS = int(os.environ.get("ATLAS_TEST_SEEDS", "60"))
MOST_SEEDS = 2_000
"""Most seeds that it may take to notice a missing guard."""
FOUND = (124, 149)
"""Seeds that found a sweep of the engine that was not synced before its numbers were given again."""
RARE = {"no-sync-before-deletions": 2_576}
"""Where to begin for guards that few seeds miss, so that the tests are quick."""


@pytest.mark.timeout(240 + SEEDS)
def test_whatever_order_a_seed_gives_nothing_is_lost_or_doubled() -> None:
    done = simulate(range(SEEDS))
    print(f"\n{done}")
    assert not done.violations, str(done)
    for happened in ("calls", "events", "crashes", "power cuts", "engine deaths", "clock jumps", "calls gone whole", "searches"):
        assert done.steps[happened], f"no {happened} in {SEEDS} seeds"


def test_seeds_that_found_a_bug_once_find_none() -> None:
    assert not simulate(FOUND).violations


@pytest.mark.timeout(240)
@pytest.mark.parametrize("plant", PLANTS)
def test_a_guard_that_is_taken_out_is_missed_and_its_seed_finds_it_again(plant: str) -> None:
    begin = RARE.get(plant, 0)
    found = simulate(range(begin, begin + MOST_SEEDS), plant=plant, most_violations=1)
    assert found.violations, f"{MOST_SEEDS} seeds did not miss {plant}"
    seed, text = found.violations[0]
    assert simulate([seed], plant=plant).violations == [(seed, text)]
    assert not simulate([seed]).violations
