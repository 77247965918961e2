"""Repairs the data folder of memory: `python -m services.memory.repair [--accept-loss]`; `atlas repair` runs it.

Exit status: 0 = memory opens the folder now, 1 = it could not be repaired, 3 = only with --accept-loss.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from atlas import failpoints
from atlas.errors import AtlasError, StartupError

from ..failpoints import REPAIR
from ..persistence import integrity
from ..persistence.database import open_database
from ..persistence.locks import hold
from ..persistence.writer import Writer
from ..settings import MemorySettings
from ..stores import open_store
from .reconcile import Reconciled, reconcile
from .salvage import ASIDE, SalvagedTable, finish, salvage

_PLACES = {
    "edge": "the folder `engine`",
    "lancedb": "the folder `lancedb`",
    "qdrant": "the Qdrant server's data (collections `atlas-*`)",
}
"""What each store keeps the memories in."""
LOSS = 3
"""Exit status of a repair that needs --accept-loss."""


async def repair(settings: MemorySettings, *, accept_loss: bool, now: datetime) -> int:
    """Repairs database and catalog; returns the exit status.

    Raises:
        StartupError: The folder is in use, or the engine does not start.
    """
    path = settings.data_dir / "memory.sqlite3"
    _check_there(settings.data_dir, path)
    with hold(settings.data_dir / "memory.lock"):
        aside = settings.data_dir / f"{ASIDE}{now:%Y%m%dT%H%M%SZ}"
        finished = finish(path, aside)
        if finished:
            _say(f"an earlier repair had not ended: what it read is in use now, the damaged files are kept in {settings.data_dir / ASIDE}*")
        reason = await _why_shut(path)
        if reason:
            _say(reason)
            _report_tables(salvage(path, aside), aside)
        async with open_database(path) as database, open_store(settings, data_dir=settings.data_dir) as store:
            await Writer(database, store).recover()
            found = await reconcile(database, store, accept_loss=accept_loss)
        return _report(found, accept_loss=accept_loss, whole=not (reason or finished), place=_PLACES[settings.store])


def _check_there(folder: Path, path: Path) -> None:
    if not folder.is_dir():
        raise StartupError(f"{folder} is no folder: nothing to repair")
    if not (path.exists() or integrity.repaired(path).exists()):
        raise StartupError(f"{path} does not exist: restore the data folder from a copy")


async def _why_shut(path: Path) -> str:
    try:
        async with open_database(path):
            return ""
    except StartupError as error:
        return str(error)


def _report_tables(tables: list[SalvagedTable], aside: Path) -> None:
    _say(f"the damaged files are kept in {aside}")
    for table in tables:
        _say(f"{table.name}: {table.row_count} rows read" + (f"; not all of it: {table.damage}" if table.damage else ""))


def _report(found: list[Reconciled], *, accept_loss: bool, whole: bool, place: str) -> int:
    lost = 0
    for each in found:
        name = f"collection {each.collection.name} (tenant {each.collection.tenant})"
        if each.listed_again:
            _say(f"{name}: {each.listed_again} memories that only the engine had are listed again")
        if each.without_vectors:
            lost += len(each.without_vectors)
            kept = "left the catalog" if accept_loss else "are listed without it"
            some = ", ".join(each.without_vectors[:20])
            _say(f"{name}: the engine has no text of {len(each.without_vectors)} memories, which {kept}: {some}")
    if lost and not accept_loss:
        _say(f"put {place} back if it is elsewhere; to go on without these memories, repair again with --accept-loss")
        return LOSS
    changed = lost or any(each.listed_again for each in found) or not whole
    _say("the data folder opens again; what could not be read is named above" if changed else "nothing to repair")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Runs the command."""
    failpoints.arm(os.environ, REPAIR)
    try:
        status = asyncio.run(repair(MemorySettings.load(), accept_loss="--accept-loss" in sys.argv[1:], now=datetime.now(UTC)))
    except (StartupError, AtlasError) as error:
        sys.exit(f"error: {error}")
    sys.exit(status)


if __name__ == "__main__":
    main()
