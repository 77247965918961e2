"""What memory makes sure of before it serves."""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from atlas.clock import Clock
from atlas.errors import DependencyDownError, SchemaMismatchError, StartupError

from . import catalog
from .analyzer import Analyzer
from .catalog import Collection
from .database import Database
from .durability import Durability
from .ledger.policy import LedgerPolicy
from .ledger.startup import fit_rule
from .store import Store
from .writer import Writer

_PAUSE_S = 1.0

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


async def _compare(database: Database, store: Store) -> None:
    for collection, listed in await database.read(_listed):
        stored = await store.count(collection.index, collection.generation, None)
        if stored < listed:
            raise StartupError(
                f"the engine holds {stored} of the {listed} memories of collection {collection.name!r} (tenant {collection.tenant!r}): "
                "the data folder is damaged or its parts are of different times; restore all of it from one copy"
            )
        if stored > listed:
            # A power loss can take unsynced journal entries whose vectors the engine has kept.
            logger.warning(
                "engine holds more memories than the catalog", extra={"collection": collection.name, "stored": stored, "listed": listed}
            )


def _listed(connection: sqlite3.Connection) -> list[tuple[Collection, int]]:
    return [
        (collection, sum(catalog.languages_of(connection, collection.generation).values()))
        for collection in catalog.every_collection(connection)
    ]
