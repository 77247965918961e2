"""A few kills of the matrix; `python -m tests.faults kill` runs all of it.

`ATLAS_TEST_FAULT_KILLS` is the number of kills, `ATLAS_TEST_SEED` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.memory.failpoints import FAILPOINTS

from .kill import AT_CREATION, AT_START, AT_STOP, order_of, run_matrix
from .part import Part, nursery

KILLS = int(os.environ.get("ATLAS_TEST_FAULT_KILLS", "0"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
FEW = [
    "database.commit.after",
    "engine.operation.after",
    "start.replay.part",
    "flush.engine.after",
    "start.schema.before",
    "journal.append.after",
]
"""One place of each kind; which of them are hit in the middle of what follows from the seed."""


@pytest.mark.timeout(240 + 20 * KILLS)
async def test_nothing_acknowledged_is_lost_or_doubled_by_kills_at_failpoints(tmp_path: Path) -> None:
    names = order_of(KILLS, SEED) if KILLS else random.Random(SEED).sample(FEW, len(FEW))
    figures = await run_matrix(names, seed=SEED, folder=tmp_path)
    print(f"\nATLAS_TEST_SEED={SEED} {figures}")
    assert not figures.violations, str(figures)
    assert sum(figures.kills.values()) >= len(names), str(figures)
    assert figures.acknowledged
    assert figures.comparisons >= len(names)


@pytest.mark.timeout(240)
async def test_the_matrix_notices_evidence_that_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Part.start

    async def forgetful(part: Part) -> None:
        if (path := part.folder / "memory.sqlite3").exists():
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("DELETE FROM salience_state")
        await start(part)

    monkeypatch.setattr(Part, "start", forgetful)
    figures = await run_matrix(["database.commit.after"] * 3, seed=SEED, folder=tmp_path)
    assert figures.violations


def test_every_failpoint_has_a_way_to_be_reached() -> None:
    assert FAILPOINTS.keys() >= AT_START | AT_STOP | AT_CREATION
    assert set(order_of(len(FAILPOINTS), 0)) == FAILPOINTS.keys()


async def test_the_nursery_reports_how_a_service_ended(tmp_path: Path) -> None:
    async with nursery() as nurse:
        part = Part(nurse, tmp_path / "data", tmp_path, settings={"PORT": "none"})
        await part.start()
        assert part.ended is not None
        assert await part.ended == 1
        assert "ATLAS_MEMORY_PORT" in part.log.read_text()
