"""Runs the fault tools: `python -m tests.faults --help`."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from services.memory.failpoints import FAILPOINTS
from tests.rpc.memory_part import store_settings

from . import clock
from .disk.mounted import missing
from .figures import PAGE, Sizes, page, run_all
from .killing.matrix import CALLERS, order_of, reached_with, run_matrix
from .network import PARTS, freeze
from .power import run_cuts
from .simulation.plants import PLANTS
from .simulation.run import simulate, simulate_side_by_side

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fault tools of ATLAS; each prints the seed that repeats a run.",
)
Seed = Annotated[int | None, typer.Option(help="Repeats the choices of a run; random if it is not given.")]


def _seed(seed: int | None) -> int:
    return random.SystemRandom().randrange(1 << 32) if seed is None else seed


@app.command()
def kill(
    kills: Annotated[int, typer.Option(min=1, help="Kills, spread evenly over the failpoints.")] = 1000,
    seed: Seed = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Failpoints to kill at, or how their names begin; all of them if none is named.")
    ] = None,
    callers: Annotated[int, typer.Option(min=1, help="Callers at the same time.")] = CALLERS,
    keep: Annotated[Path | None, typer.Option(help="Folder for the data, which stays there.")] = None,
) -> None:
    """Kills memory and its engine at every failpoint under load; nothing that was acknowledged may be lost, doubled or half done.

    The store is `edge`, or what ATLAS_TEST_STORE names.
    """
    chosen = _seed(seed)
    print(f"seed {chosen}", flush=True)
    with tempfile.TemporaryDirectory(prefix="atlas-kill-") as scratch:
        names = order_of(kills, chosen, _beginning(only))
        folder = keep or Path(scratch)
        figures = asyncio.run(run_matrix(names, seed=chosen, folder=folder, callers=callers, told=lambda line: print(line, flush=True)))
    print(figures)
    raise typer.Exit(1 if figures.violations or figures.given_up else 0)


def _beginning(parts: list[str] | None) -> list[str]:
    known = reached_with(store_settings()["store"])
    names = [name for name in known if name.startswith(tuple(parts))] if parts else known
    if not names:
        raise typer.BadParameter(f"no failpoint begins with {' or '.join(parts or ())}; they are {', '.join(known)}")
    return names


@app.command()
def power(
    cuts: Annotated[int, typer.Option(min=1, help="Power cuts.")] = 200,
    seed: Seed = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for the log, which stays there.")] = None,
) -> None:
    """Takes the power away under load (root and /dev/fuse); nothing that was acknowledged POWER_LOSS may be lost."""
    if lack := missing():
        print(f"skipped: {lack}")
        raise typer.Exit(2)
    chosen = _seed(seed)
    print(f"seed {chosen}", flush=True)
    with tempfile.TemporaryDirectory(prefix="atlas-power-") as scratch:
        figures = asyncio.run(run_cuts(cuts, seed=chosen, folder=keep or Path(scratch), told=lambda line: print(line, flush=True)))
    print(figures)
    raise typer.Exit(1 if figures.violations else 0)


@app.command(name="clock")
def jumps(
    jumps: Annotated[int, typer.Option(min=1, help="Jumps of the clock.")] = 100,
    seed: Seed = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for the data, which stays there.")] = None,
) -> None:
    """Has memory's clock jump by hours and days under load (libfaketime); nothing that was acknowledged may be lost or weigh wrongly."""
    if lack := clock.missing():
        print(f"skipped: {lack}")
        raise typer.Exit(2)
    chosen = _seed(seed)
    print(f"seed {chosen}", flush=True)
    with tempfile.TemporaryDirectory(prefix="atlas-clock-") as scratch:
        figures = asyncio.run(clock.run_jumps(jumps, seed=chosen, folder=keep or Path(scratch), told=lambda line: print(line, flush=True)))
    print(figures)
    raise typer.Exit(1 if figures.violations else 0)


@app.command(name="freeze")
def frozen(
    seconds: Annotated[float, typer.Option(min=1.0, help="Seconds for which each part is frozen.")] = 30.0,
    callers: Annotated[int, typer.Option(min=1, help="Callers at the same time.")] = 8,
) -> None:
    """Freezes each part behind the gateway under load and measures how well deadlines are kept."""
    for part in PARTS:
        print(asyncio.run(freeze(part, seconds=seconds, callers=callers)), flush=True)


@app.command(name="simulate")
def simulation(
    seeds: Annotated[int, typer.Option(min=1, help="Simulations, each of the next seed.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    plant: Annotated[str | None, typer.Option(help=f"A guard to take out: {', '.join(PLANTS)}.")] = None,
) -> None:
    """Simulates the write path with a clock, an engine and an order of events that follow from a seed."""
    if plant is not None and plant not in PLANTS:
        raise typer.BadParameter(f"{plant} is none of {', '.join(PLANTS)}")
    chosen = range(seed, seed + seeds)
    if jobs == 1:
        done = simulate(chosen, plant=plant, told=lambda line: print(line, flush=True))
    else:
        done = simulate_side_by_side(chosen, jobs=jobs, plant=plant, told=lambda line: print(line, flush=True))
    print(done)
    raise typer.Exit(1 if done.violations else 0)


@app.command()
def figures(
    kills: Annotated[int, typer.Option(min=1)] = len(FAILPOINTS),
    writer_kills: Annotated[int, typer.Option(min=1, help="Kills under 32 callers.")] = 10,
    cuts: Annotated[int, typer.Option(min=1)] = 20,
    jumps: Annotated[int, typer.Option(min=1, help="Jumps of the clock.")] = 10,
    seeds: Annotated[int, typer.Option(min=1)] = 500,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that kill, or simulate, side by side.")] = 1,
    frozen_s: Annotated[float, typer.Option(min=1.0)] = 5.0,
    full: Annotated[bool, typer.Option("--full", help="1,000 kills, 200 cuts, 100 jumps, 10,000 seeds, 30 s.")] = False,
    seed: Seed = None,
) -> None:
    """Runs all of it and writes docs/figures.md."""
    sizes = Sizes(1000, 100, 200, 100, 10_000, jobs, 30.0) if full else Sizes(kills, writer_kills, cuts, jumps, seeds, jobs, frozen_s)
    chosen = _seed(seed)
    rows = run_all(sizes, seed=chosen, told=lambda line: print(line, flush=True))
    text = (
        f"{sizes.kills} kills, {sizes.cuts} cuts, {sizes.jumps} jumps, {sizes.seeds} seeds, {sizes.frozen_s:g} s, {sizes.jobs} side by side"
    )
    PAGE.write_text(page(rows, seed=chosen, command=f"python -m tests.faults figures ({text})"), encoding="utf-8")
    raise typer.Exit(0 if all(row.kept is not False for row in rows) else 1)


@app.callback()
def main() -> None:
    """Fault tools."""


if __name__ == "__main__":
    app()
