"""Writes what the ledger says of memories into their payload in the store: late, in batches, and never what is older."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping

from atlas.clock import Clock
from atlas.errors import AtlasError
from atlas.failpoints import failpoint
from atlas.salience import SalienceRule

from ..persistence import journal
from ..persistence.database import Database
from ..persistence.writer import Writer
from ..store import Apply, ProjectedSalience, SalienceProjection, Store
from . import marks, reading
from .metrics import LedgerMetrics

PAGE_MEMORIES = 64
"""Most memories that one message to the store is about, unless a single search marked more: reading their salience and writing it each
take some milliseconds, for which a search waits that comes meanwhile."""

logger = logging.getLogger(__name__)


class SalienceProjector:
    """Follows the marks of the ledger.

    The ledger is the truth: a projection that is lost is made again, since its mark is kept until the store has it on disk, and until the
    journal holds no write that would put the point there again without it.
    """

    def __init__(
        self, database: Database, store: Store, writer: Writer, *, rule: SalienceRule, clock: Clock, metrics: LedgerMetrics
    ) -> None:
        self._database = database
        self._store = store
        self._writer = writer
        self._rule = rule
        self._clock = clock
        self._metrics = metrics
        self._projected = 0
        self._life = 0
        self._flushed_s = clock.monotonic()
        self.durable = 0
        """Marks up to this sequence are on the store's disk; the next transaction of the ledger clears them."""

    def attach(self) -> None:
        """Follows restarts of the engine, which lose what it had not flushed; to be called after the writer has recovered."""
        replay = self._store.on_restart

        async def restarted(apply: Apply) -> None:
            if replay is not None:
                await replay(apply)
            self._projected = self.durable
            self._life += 1

        self._store.on_restart = restarted

    async def run(self, *, interval_s: float, flush_interval_s: float) -> None:
        """Projects for ever, until it is cancelled; flushes the store no sooner than `flush_interval_s` after the last time."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                while await self.project_page():
                    pass
                if self.durable < self._projected and self._clock.monotonic() - self._flushed_s >= flush_interval_s:
                    await self.flush()
            except (AtlasError, sqlite3.OperationalError) as error:
                # The marks stay; the next round tries again.
                logger.warning("salience was not projected", extra={"error": type(error).__name__})

    async def project_page(self) -> bool:
        """Projects what the next marks are about, in one message for each store; False if there are none.

        Raises:
            DependencyDownError: The engine is away.
        """
        life, now_s = self._life, self._clock.now().timestamp()
        values, last, written = await self._database.read(lambda connection: _next(connection, self._projected, now_s, self._rule))
        if last == self._projected:
            return False
        failpoint("projection.read.after")
        # A write that marked its memories and is not applied yet would replace the points, and what is projected now with them.
        await self._writer.applied(written)
        if values:
            await self._store.project([SalienceProjection(*place, value) for place, value in values.items()])
            self._metrics.projections.inc()
            self._metrics.projected.inc(sum(map(len, values.values())))
        failpoint("projection.sent.after")
        if life == self._life:
            self._projected = last
        return True

    async def flush(self) -> None:
        """Brings to disk what was projected, so that its marks may go.

        Raises:
            DependencyDownError: The engine is away.
        """
        life, projected = self._life, self._projected
        # Prunes the journal too: applied again after a crash, what it holds would take the projection away.
        if not await self._writer.flush():
            await self._store.flush()
        failpoint("projection.flush.after")
        self._flushed_s = self._clock.monotonic()
        if life == self._life:
            self.durable = projected


def _next(
    connection: sqlite3.Connection, after: int, now_s: float, rule: SalienceRule
) -> tuple[Mapping[tuple[str, str], Mapping[str, ProjectedSalience]], int, int]:
    """Reads what the marks behind `after` are about, by index and generation, and the last mark and the last entry of the journal."""
    found, last = marks.marked(connection, after=after, limit=PAGE_MEMORIES)
    places = marks.places(connection, found)
    by_tenant: dict[str, list[str]] = {}
    for tenant, memory_id in places:
        by_tenant.setdefault(tenant, []).append(memory_id)
    values: dict[tuple[str, str], dict[str, ProjectedSalience]] = {}
    for tenant, memory_ids in by_tenant.items():
        retrieved = reading.last_retrievals(connection, tenant, memory_ids)
        for memory_id, worth in reading.worths(connection, tenant, memory_ids, now_s, rule).items():
            value = ProjectedSalience(worth.salience, retrieved.get(memory_id), found[tenant, memory_id])
            for place in places[tenant, memory_id]:
                values.setdefault(place, {})[memory_id] = value
    return values, last, journal.last_seq(connection)
