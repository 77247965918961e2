"""What memory makes sure of before it serves."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from atlas.clock import Clock
from atlas.errors import DependencyDownError, SchemaMismatchError, StartupError
from atlas.failpoints import failpoint

from .catalog import collections as catalog
from .catalog import memory_rows
from .generations import due, roles
from .ledger.policy import LedgerPolicy
from .ledger.startup import fit_rule
from .persistence import journal
from .persistence.database import Database, Work
from .persistence.durability import Durability
from .persistence.writer import Writer
from .search.analyzer import Analyzer
from .store import DeletePoints, Store

_PAUSE_S = 1.0
_PAGE = 1_000

logger = logging.getLogger(__name__)


async def check_fingerprints(database: Database, analyzer: Analyzer) -> None:
    """Makes sure that stored lexical vectors are those that this process would make.

    Raises:
        StartupError: A collection was written with another analyzer.
    """
    for collection in await database.read(catalog.every_collection):
        stored = collection.spaces.lexical.fingerprint
        if stored != analyzer.fingerprint:
            raise StartupError(
                f"collection {collection.name!r} of tenant {collection.tenant!r} was written by the analyzer {stored!r}, this process has "
                f"{analyzer.fingerprint!r}: restore the BM25 and average-length settings, or choose another data folder"
            )


async def fit_ledger(database: Database, clock: Clock, policy: LedgerPolicy) -> None:
    """Makes the sums of the ledger fit the half-lives that this process was started with, and those of an older file anew."""
    now_s = clock.now().timestamp()
    changed = await database.write(lambda connection: fit_rule(connection, policy, now_s=now_s), durability=Durability.POWER_LOSS)
    if changed:
        logger.info("salience folded anew", extra={"changed_count": changed})


async def recover(writer: Writer, database: Database, store: Store) -> None:
    """Applies what the journal holds and compares the engine with the catalog; waits for an engine that is away.

    Raises:
        StartupError: The engine lacks memories that the catalog has, or holds an index of other spaces.
    """
    while True:
        try:
            await writer.recover()
            await _compare(database, store)
            failpoint("start.compare.after")
        except DependencyDownError as error:
            logger.warning("engine is away; waiting for it", extra={"reason": error.reason})
            await asyncio.sleep(_PAUSE_S)
        except SchemaMismatchError as error:
            raise StartupError(error.message) from error
        else:
            return


async def check_read(database: Database, store: Store) -> None:
    """Reads from catalog and engine; returns when both answer."""
    for collection in (await database.read(catalog.every_collection))[:1]:
        await store.count(collection.index, collection.generation, None)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A generation, and what the catalog knows of it."""

    tenant: str
    collection: str
    index: str
    generation: str
    memory_count: int
    """Memories whose vectors it must have."""
    serving: bool


async def _compare(database: Database, store: Store) -> None:
    for listed in await database.read(_listed):
        stored = await store.count(listed.index, listed.generation, None)
        if stored < listed.memory_count:
            raise StartupError(
                f"the engine holds {stored} of the {listed.memory_count} memories of generation {listed.generation} of collection "
                f"{listed.collection!r} (tenant {listed.tenant!r}): "
                "the data folder is damaged or its parts are of different times: restore all of it from one copy, or run `atlas repair`"
            )
        if stored > listed.memory_count and listed.serving:
            # A generation that does not serve holds vectors of older texts anyway.
            count = await _delete_unlisted(database, store, listed)
            # Before their numbers are given again: were they back after another power loss, they would look old.
            await store.flush()
            logger.warning(
                "deleted from the engine what the catalog has lost with the power",
                extra={"collection": listed.collection, "count": count, "listed": listed.memory_count},
            )


async def _delete_unlisted(database: Database, store: Store, listed: _Listed) -> int:
    """Deletes the points of a generation that the catalog lost with the power, and says how many.

    A power loss takes the last entries of the journal, whose points the engine may have kept: their numbers are to be given again.

    Raises:
        StartupError: A point is older than that, or the last process ended in an orderly way.
    """
    count, after = 0, None
    next_seq = await database.read(journal.next_seq)
    while True:
        page = await store.scroll(listed.index, listed.generation, None, limit=_PAGE, after=after)
        found = [point.memory_id for point in page.points]
        known = await database.read(_known_of(listed.tenant, found))
        strange = tuple(memory_id for memory_id in found if known.get(memory_id) != listed.generation)
        numbers = {point.memory_id: point.payload["seq"] for point in page.points}
        if strange and not (database.unclean and all(numbers[memory_id] >= next_seq for memory_id in strange)):
            raise StartupError(
                f"the engine holds memories that collection {listed.collection!r} (tenant {listed.tenant!r}) does not list, "
                f"such as {strange[0]}: the database is of another time; put the right one back, or run `atlas repair` to list them again"
            )
        if strange:
            await store.apply([DeletePoints(listed.index, listed.generation, strange)])
            count += len(strange)
        if page.next is None:
            return count
        after = page.next


def _known_of(tenant: str, memory_ids: Sequence[str]) -> Work[dict[str, str]]:
    def read(connection: sqlite3.Connection) -> dict[str, str]:
        return {memory_id: row.generation for memory_id, row in memory_rows.find_rows(connection, tenant, memory_ids).items()}

    return read


def _listed(connection: sqlite3.Connection) -> list[_Listed]:
    listed: list[_Listed] = []
    for collection in catalog.every_collection(connection):
        count = sum(catalog.languages_of(connection, collection.generation).values())
        listed.append(_Listed(collection.tenant, collection.name, collection.index, collection.generation, count, serving=True))
        for other in roles.other_generations(connection, collection.tenant, collection.name):
            has = count - due.count_due(connection, other.generation).due
            listed.append(_Listed(collection.tenant, collection.name, other.index, other.generation, has, serving=False))
    return listed
