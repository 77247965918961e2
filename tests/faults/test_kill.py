"""A few kills of the matrix; `python -m tests.faults kill` runs all of it.

`ATLAS_TEST_FAULT_KILLS` is the number of kills, `ATLAS_TEST_WRITER_KILLS` that of the kills under 32 callers, `ATLAS_TEST_SEED` repeats a
run's choices.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from services.memory.failpoints import FAILPOINTS

from .killing.matrix import AT_CREATION, AT_START, AT_STOP, order_of, run_matrix
from .killing.tour import tour
from .part import Part, nursery

KILLS = int(os.environ.get("ATLAS_TEST_FAULT_KILLS", "0"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
WRITER_KILLS = int(os.environ.get("ATLAS_TEST_WRITER_KILLS", "3"))
ALWAYS = ["restore.tables.after", "generation.switch.pointed"]
"""What must not be half done."""
FEW = [
    *("database.commit.after", "engine.operation.after", "start.replay.part", "flush.engine.after", "start.schema.before"),
    *("ledger.revoke.marked", "ledger.erase.committed", "source.rows.after", "projection.sent.after", "snapshot.rename.after"),
    *("ledger.checkpoint.added", "restore.switch.after", "generation.fill.marked", "build.swap.current", "engine.reopen.loaded"),
]
"""One place of each kind, of which some are taken; which of them are hit in the middle of what follows from the seed."""
UNDER_WRITERS = ["database.commit.after", "engine.operation.after", "ledger.sums.states", "writer.apply.after", "store.message.after"]


@pytest.mark.timeout(240 + 20 * KILLS)
async def test_nothing_acknowledged_is_lost_or_doubled_by_kills_at_failpoints(tmp_path: Path) -> None:
    names = order_of(KILLS, SEED) if KILLS else [*ALWAYS, *random.Random(SEED).sample(FEW, 4)]
    figures = await run_matrix(names, seed=SEED, folder=tmp_path)
    print(f"\nATLAS_TEST_SEED={SEED} {figures}")
    assert not figures.violations, str(figures)
    assert sum(figures.kills.values()) >= len(names), str(figures)
    assert figures.acknowledged
    assert figures.comparisons >= len(names)
    assert figures.proofs or any(name.startswith("ledger.checkpoint.") for name in names)


@pytest.mark.timeout(240 + 30 * WRITER_KILLS)
async def test_32_writers_searches_and_kills_together_leave_the_digests_of_the_same_calls_without_kills(tmp_path: Path) -> None:
    figures = await run_matrix(order_of(WRITER_KILLS, SEED, UNDER_WRITERS), seed=SEED, folder=tmp_path, callers=32)
    print(f"\nATLAS_TEST_SEED={SEED} {figures}")
    assert not figures.violations, str(figures)
    assert sum(figures.kills.values()) >= WRITER_KILLS, str(figures)
    assert figures.proofs == 1
    assert figures.searches


@pytest.mark.timeout(240)
async def test_every_failpoint_is_passed_by_what_the_matrix_does(tmp_path: Path) -> None:
    assert await tour(tmp_path, seed=SEED) == set(FAILPOINTS)


async def _forgetful(monkeypatch: pytest.MonkeyPatch, folder: Path, statement: str) -> list[str]:
    """Runs a matrix whose service finds less at each start; gives its violations."""
    start = Part.start
    with ExitStack() as stack:

        async def tampered(part: Part) -> None:
            if (path := part.folder / "memory.sqlite3").exists():
                # Kept open: whoever closes a database last takes its log away, and the service misses that.
                connection = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
                connection.execute(statement)
            await start(part)

        monkeypatch.setattr(Part, "start", tampered)
        return (await run_matrix(["database.commit.after"] * 3, seed=SEED, folder=folder)).violations


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("statement", "noticed"),
    [
        ("DELETE FROM salience_state", r"events|sums|LEDGER_DAMAGED|do not hold what its events say"),
        ("DELETE FROM event", r"events|sums|fold|counted twice"),
        ("DELETE FROM impression", r"digest of the same calls without a fault: impression|is unknown, or older"),
    ],
)
async def test_the_matrix_notices_what_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, noticed: str) -> None:
    (violation,) = await _forgetful(monkeypatch, tmp_path, statement)
    assert re.search(noticed, violation), violation


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
