"""What memory does beside its calls: flush, prune, report whether the engine answers."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

from atlas.clock import Clock
from atlas.deadlines import Deadline
from atlas.errors import AtlasError
from atlas.failpoints import failpoint

from . import ledger, replay
from .database import Database
from .durability import Durability
from .generations.migration_calls import outlived
from .store import Store, StoreState
from .writer import Writer

PRUNE_INTERVAL_S = 3_600.0
"""Time between deletions of what has outlived its retention."""
WATCH_INTERVAL_S = 0.5
"""Time between looks at the engine."""
_SECONDS_PER_DAY = 86_400.0

logger = logging.getLogger(__name__)


async def flush_regularly(writer: Writer, database: Database, *, interval_s: float) -> None:
    """Brings to disk what the engine applied, so that the journal stays short. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            if await writer.flush():
                await database.checkpoint()
        except (AtlasError, sqlite3.OperationalError) as error:
            # The journal still has everything; the next round tries again. A full disk must not end the searches.
            logger.warning("engine was not flushed", extra={"error": type(error).__name__})


async def prune_regularly(database: Database, clock: Clock, *, replay_days: float, impression_days: float) -> None:
    """Deletes old answers and impressions. Runs until it is cancelled."""
    while True:
        now_s = clock.now().timestamp()
        answers_before_s, impressions_before_s = now_s - replay_days * _SECONDS_PER_DAY, now_s - impression_days * _SECONDS_PER_DAY

        def prune(connection: sqlite3.Connection, answers: float = answers_before_s, impressions: float = impressions_before_s) -> None:
            replay.prune(connection, before_s=answers)
            ledger.prune_impressions(connection, impressions)

        failpoint("retention.before")
        try:
            await database.write(prune, durability=Durability.PROCESS_CRASH)
        except (AtlasError, sqlite3.OperationalError) as error:
            logger.warning("old answers were not pruned", extra={"error": type(error).__name__})
        failpoint("retention.after")
        await asyncio.sleep(PRUNE_INTERVAL_S)


async def delete_outlived_regularly(writer: Writer, clock: Clock, *, retention_days: float) -> None:
    """Deletes generations that were retired long ago, first an hour after the start. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(PRUNE_INTERVAL_S)
        before_us = int((clock.now().timestamp() - retention_days * _SECONDS_PER_DAY) * 1e6)
        try:
            done = await writer.submit(outlived(before_us), durability=Durability.POWER_LOSS, deadline=Deadline.after(PRUNE_INTERVAL_S))
        except (AtlasError, sqlite3.OperationalError) as error:
            logger.warning("retired generations were not deleted", extra={"error": type(error).__name__})
        else:
            for one in done.answer:
                logger.info("a retired generation was deleted", extra={"collection": one.collection, "generation": one.generation})


async def report_engine(store: Store, set_serving: Callable[[bool], Awaitable[None]]) -> None:
    """Says NOT_SERVING while the engine is down for longer than a restart takes. Runs until it is cancelled."""
    serving = True
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        answers = store.state is not StoreState.DOWN
        if answers is not serving:
            serving = answers
            logger.warning("engine changed its state", extra={"state": store.state.value})
            await set_serving(serving)
