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

from .generations.migration_calls import outlived
from .ledger import budgets, checkpoints, impressions
from .ledger.policy import LedgerPolicy
from .persistence import replay
from .persistence.database import Database
from .persistence.durability import Durability
from .persistence.writer import Writer
from .store import Store, StoreState

PRUNE_INTERVAL_S = 3_600.0
"""Time between deletions of what has outlived its retention."""
COMPACT_INTERVAL_S = 86_400.0
"""Time between looks for events that are older than their retention."""
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
    """Deletes old answers, impressions and counts. Runs until it is cancelled."""
    while True:
        now_s = clock.now().timestamp()
        answers_before_s, impressions_before_s = now_s - replay_days * _SECONDS_PER_DAY, now_s - impression_days * _SECONDS_PER_DAY

        def prune(
            connection: sqlite3.Connection, now: float = now_s, answers: float = answers_before_s, shown: float = impressions_before_s
        ) -> None:
            replay.prune(connection, before_s=answers)
            impressions.prune(connection, before_us=int(shown * 1e6))
            budgets.prune(connection, now_us=int(now * 1e6))

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


async def compact_regularly(database: Database, clock: Clock, policy: LedgerPolicy) -> None:
    """Folds old events into checkpoints. Runs until it is cancelled."""
    while True:
        try:
            await compact(database, clock, policy)
        except (AtlasError, sqlite3.OperationalError) as error:
            logger.warning("old events were not folded", extra={"error": type(error).__name__})
        await asyncio.sleep(COMPACT_INTERVAL_S)


async def compact(database: Database, clock: Clock, policy: LedgerPolicy) -> None:
    """Folds events older than the retention into checkpoints, in one transaction a page.

    Raises:
        DiskFullError: SQLite found no room; what is folded stays folded.
    """
    before_us = int(clock.now().timestamp() * 1e6) - policy.retention_us
    after: checkpoints.EventKey | None = checkpoints.FIRST
    while after is not None:

        def fold(connection: sqlite3.Connection, begin: checkpoints.EventKey = after) -> checkpoints.EventKey | None:
            return checkpoints.fold_page(connection, before_us=before_us, after=begin, rule=policy.rule)

        after = await database.write(fold, durability=Durability.PROCESS_CRASH)


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
