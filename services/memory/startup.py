"""What memory makes sure of before it serves."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass

from atlas.errors import DependencyDownError, SchemaMismatchError, StartupError

from . import catalog
from .analyzer import Analyzer
from .database import Database
from .generations import due, roles
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
                "the data folder is damaged or its parts are of different times; restore all of it from one copy"
            )
        if stored > listed.memory_count and listed.serving:
            # A power loss can take unsynced journal entries whose vectors the engine has kept. A generation that does not serve
            # holds vectors of older texts anyway.
            logger.warning(
                "engine holds more memories than the catalog",
                extra={"collection": listed.collection, "stored": stored, "listed": listed.memory_count},
            )


def _listed(connection: sqlite3.Connection) -> list[_Listed]:
    listed: list[_Listed] = []
    for collection in catalog.every_collection(connection):
        count = sum(catalog.languages_of(connection, collection.generation).values())
        listed.append(_Listed(collection.tenant, collection.name, collection.index, collection.generation, count, serving=True))
        for other in roles.other_generations(connection, collection.tenant, collection.name):
            has = count - due.count_due(connection, other.generation).due
            listed.append(_Listed(collection.tenant, collection.name, other.index, other.generation, has, serving=False))
    return listed
