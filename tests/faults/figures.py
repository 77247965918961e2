"""Runs the fault tools one after the other and writes what they found to `docs/figures.md`."""

from __future__ import annotations

import asyncio
import tempfile
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas.failpoints import failpoint
from bench.machine import describe
from services.memory.failpoints import FAILPOINTS

from . import clock
from .disk.mounted import missing
from .killing.matrix import order_of, run_matrix, run_side_by_side
from .network import PARTS, freeze
from .power import run_cuts
from .simulation.plants import PLANTS
from .simulation.run import simulate, simulate_side_by_side

PAGE = Path(__file__).resolve().parents[2] / "docs" / "figures.md"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each is run."""

    kills: int
    writer_kills: int
    cuts: int
    jumps: int
    seeds: int
    jobs: int
    frozen_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    figure: str
    goal: str
    found: str
    kept: bool | None
    """Whether the goal was kept at this size; None = not run."""


def run_all(sizes: Sizes, *, seed: int, told: Callable[[str], None]) -> list[Row]:
    """Runs everything; `told` hears how far it is, and each row as it is done."""
    rows = []
    for row in _rows(sizes, seed, told):
        told(f"{row.figure}: {row.found}")
        rows.append(row)
    return rows


def page(rows: list[Row], *, seed: int, command: str) -> str:
    """Returns the text of `docs/figures.md`."""
    lines = [
        "# Figures of the fault tools",
        "",
        "Written by a command; edit nothing here. Each goal is for the full size: 1,000 kills, 200 cuts, 100 jumps, 10,000 seeds, 30 s.",
        "",
        f"    {command}",
        *(f"    {line}" for line in describe().splitlines()),
        f"    seed      {seed}",
        "",
        "| Figure | Goal | Found | Kept |",
        "| --- | --- | --- | --- |",
        *(f"| {row.figure} | {row.goal} | {row.found} | {_word(row.kept)} |" for row in rows),
        "",
        "Not run by this command: a rolling restart, overload, hostile inputs, idle connections, tenant isolation, a soak, log canaries.",
        "",
    ]
    return "\n".join(lines)


def _word(kept: bool | None) -> str:
    return "not run" if kept is None else "yes" if kept else "**no**"


def _rows(sizes: Sizes, seed: int, told: Callable[[str], None]) -> Iterator[Row]:
    yield _kills(sizes, seed)
    yield _writers(sizes, seed + sizes.jobs, told)
    yield _cuts(sizes, seed, told)
    yield _jumps(sizes, seed, told)
    yield _seeds(sizes, seed, told)
    yield _plants()
    yield from _frozen(sizes)
    yield _cost()


def _kills(sizes: Sizes, seed: int) -> Row:
    runs = run_side_by_side(order_of(sizes.kills, seed), seed=seed, jobs=sizes.jobs)
    return Row(
        "`kill -9` at named failpoints",
        "0 acknowledged lost, 0 applied twice",
        "; beside it ".join(map(_line, runs)),
        not any(found.violations or found.given_up for found in runs),
    )


def _writers(sizes: Sizes, seed: int, told: Callable[[str], None]) -> Row:
    with tempfile.TemporaryDirectory(prefix="atlas-figures-") as folder:
        # What is folded into checkpoints cannot be had by making the same calls again.
        order = order_of(sizes.writer_kills, seed, [name for name in FAILPOINTS if not name.startswith("ledger.checkpoint.")])
        found = asyncio.run(run_matrix(order, seed=seed, folder=Path(folder), callers=32, told=told))
    return Row(
        "32 writers, searches and kills together",
        "digests and checksums equal to those of the same calls without kills",
        _line(found),
        not found.violations and found.proofs > 0,
    )


def _cuts(sizes: Sizes, seed: int, told: Callable[[str], None]) -> Row:
    figure, goal = "power cuts", "0 lost that was acknowledged POWER_LOSS; the store follows from the journal"
    if lack := missing():
        return Row(figure, goal, f"skipped: {lack}", None)
    with tempfile.TemporaryDirectory(prefix="atlas-figures-") as folder:
        found = asyncio.run(run_cuts(sizes.cuts, seed=seed, folder=Path(folder), told=told))
    return Row(figure, goal, _line(found), not found.violations)


def _jumps(sizes: Sizes, seed: int, told: Callable[[str], None]) -> Row:
    figure, goal = "jumps of the clock", "0 lost, doubled or weighed wrongly; the service does not end"
    if lack := clock.missing():
        return Row(figure, goal, f"skipped: {lack}", None)
    with tempfile.TemporaryDirectory(prefix="atlas-figures-") as folder:
        found = asyncio.run(clock.run_jumps(sizes.jumps, seed=seed, folder=Path(folder), told=told))
    return Row(figure, goal, _line(found), not found.violations)


def _seeds(sizes: Sizes, seed: int, told: Callable[[str], None]) -> Row:
    seeds = range(seed, seed + sizes.seeds)
    found = simulate(seeds, told=told) if sizes.jobs == 1 else simulate_side_by_side(seeds, jobs=sizes.jobs, told=told)
    return Row("seeded simulations of the write path", "0 violations", _line(found), not found.violations)


def _plants() -> Row:
    seeds = {plant: simulate(range(2_000), plant=plant, most_violations=1).violations for plant in PLANTS}
    found = ", ".join(f"{plant} at seed {violations[0][0]}" if violations else f"{plant} MISSED" for plant, violations in seeds.items())
    return Row("guards taken out", "each is noticed", found, all(seeds.values()))


def _frozen(sizes: Sizes) -> list[Row]:
    rows = []
    for part in PARTS:
        found = asyncio.run(freeze(part, seconds=sizes.frozen_s))
        rows.append(
            Row(
                f"{part} frozen for {sizes.frozen_s:.0f} s",
                "no call 100 ms beyond its deadline",
                _line(found),
                found.worst_overrun_ms <= 100,
            )
        )
    return rows


def _cost() -> Row:
    count = 1_000_000
    nanoseconds = min(timeit.repeat(lambda: failpoint("figures"), number=count, repeat=5)) / count * 1e9
    return Row(
        "a failpoint that nobody armed",
        "nothing that a call would notice",
        f"{nanoseconds:.0f} ns, the lambda around it included",
        nanoseconds < 1_000,
    )


def _line(found: object) -> str:
    return " ".join(str(found).split()).replace("|", "\\|")
