"""Makes a snapshot beside writes.

The engine's points are read while writes go on; then the database is copied. Everything that the engine applied in between, and what it
had not on disk before, is in the journal of the copy, because the journal is not pruned meanwhile. Points and journal together are the
moment of the copy.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from atlas.clock import Clock
from atlas.errors import DiskFullError, ModelFaultError
from atlas.failpoints import failpoint

from ..catalog import collections as catalog
from ..catalog.collections import GenerationState
from ..generations import due, roles
from ..generations.roles import Generation
from ..persistence import journal, schema
from ..persistence.database import Database
from ..persistence.free_space import FreeSpace
from ..persistence.writer import Writer
from ..store import Store
from . import tables
from .manifest import FILES, FORMAT, MANIFEST_FILE, POINTS_FILE, TABLES_FILE, GenerationEntry, Manifest, Shelf, digest_of
from .points import FinalPoints, write_frame

_PAGE = 256
_TIMEOUT_S = 60.0


class SnapshotMaker:
    """Makes snapshots, one at a time."""

    def __init__(
        self,
        database: Database,
        store: Store,
        writer: Writer,
        shelf: Shelf,
        *,
        path: Path,
        space: FreeSpace,
        clock: Clock,
        new_id: Callable[[], str],
        version: str,
    ) -> None:
        """Copies `database`, whose file is `path`, and keeps what it makes on `shelf`; `version` is that of ATLAS."""
        self._path = path
        self._database = database
        self._store = store
        self._writer = writer
        self._shelf = shelf
        self._space = space
        self._clock = clock
        self._new_id = new_id
        self._version = version

    async def make(self) -> Manifest:
        """Makes a snapshot of one moment, and checks that it is whole.

        Raises:
            DiskFullError: There is no room.
            ModelFaultError: The engine and the catalog disagree.
        """
        self._space.check()
        snapshot_id = self._new_id()
        draft = self._shelf.folder / f"{snapshot_id}.draft"
        draft.mkdir(parents=True)
        failpoint("snapshot.draft.after")
        try:
            async with self._writer.unpruned():
                await self._write_points(draft / POINTS_FILE)
                await asyncio.to_thread(_copy, self._path, draft / TABLES_FILE)
            failpoint("snapshot.tables.after")
            manifest = await asyncio.to_thread(self._described, draft, snapshot_id)
            await asyncio.to_thread(self._publish, draft, manifest)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
            raise
        return manifest

    async def _write_points(self, path: Path) -> None:
        places = await self._database.read(_places)
        stream = await asyncio.to_thread(path.open, "wb")
        try:
            for index, generation in places:
                after: str | None = None
                while True:
                    self._space.check()
                    page = await self._store.scroll(index, generation, None, limit=_PAGE, after=after, timeout_s=_TIMEOUT_S)
                    ids = [point.memory_id for point in page.points]
                    found = await self._store.retrieve(index, generation, ids, with_vectors=True, timeout_s=_TIMEOUT_S) if ids else {}
                    await asyncio.to_thread(write_frame, stream, index, generation, iter(found.values()))
                    failpoint("snapshot.points.part")
                    if page.next is None:
                        break
                    after = page.next
        finally:
            await asyncio.to_thread(stream.close)

    def _publish(self, draft: Path, manifest: Manifest) -> None:
        (draft / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        failpoint("snapshot.manifest.after")
        self._shelf.publish(draft, manifest.snapshot_id)

    def _described(self, draft: Path, snapshot_id: str) -> Manifest:
        connection = sqlite3.connect(f"file:{draft / TABLES_FILE}?mode=ro", uri=True)
        try:
            generations = _entries(connection)
            for entry in generations:
                _check_complete(draft, connection, entry)
            return Manifest(
                format=FORMAT,
                snapshot_id=snapshot_id,
                atlas_version=self._version,
                schema_version=schema.VERSION,
                tables_sha256=tables.tables_sha256(connection),
                create_time_us=int(self._clock.now().timestamp() * 1e6),
                last_seq=journal.next_seq(connection) - 1,
                memory_count=connection.execute("SELECT count(*) FROM memory").fetchone()[0],
                generations=generations,
                table_digests=tables.table_digests(connection),
                files={name: digest_of(draft / name) for name in FILES},
            )
        finally:
            connection.close()


def _copy(source: Path, target: Path) -> None:
    """Writes what is committed now into a new file, as one moment of it, without holding up readers or writers."""
    reading, writing = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        reading.backup(writing)
        # A file of its own, without a log beside it.
        writing.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise DiskFullError("the disk of the data folder is full; no snapshot was made") from error
        raise
    finally:
        writing.close()
        reading.close()


def _places(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Reads index and id of every generation."""
    return [(str(index), str(generation)) for generation, index in connection.execute("SELECT generation, index_name FROM generation")]


def _entries(connection: sqlite3.Connection) -> tuple[GenerationEntry, ...]:
    entries: list[GenerationEntry] = []
    for collection in catalog.every_collection(connection):
        count = sum(catalog.languages_of(connection, collection.generation).values())
        others = roles.other_generations(connection, collection.tenant, collection.name)
        entries.extend(_entry(connection, one, count) for one in (roles.serving_generation(connection, collection), *others))
    return tuple(entries)


def _entry(connection: sqlite3.Connection, generation: Generation, count: int) -> GenerationEntry:
    return GenerationEntry(
        tenant=generation.tenant,
        collection=generation.collection,
        generation=generation.generation,
        active=generation.state is GenerationState.ACTIVE,
        index=generation.index,
        dimension=generation.spaces.dense.dimension,
        dense_fingerprint=generation.spaces.dense.fingerprint,
        lexical_fingerprint=generation.spaces.lexical.fingerprint,
        point_count=count - due.count_due(connection, generation.generation).due,
    )


def _check_complete(draft: Path, connection: sqlite3.Connection, entry: GenerationEntry) -> None:
    """Makes sure that each memory has its point, of the very write that the catalog says."""
    points = FinalPoints(draft, POINTS_FILE, connection, entry.generation).points
    rows = dict(
        connection.execute(
            "SELECT m.memory_id, m.seq FROM memory m JOIN collection c ON c.generation = m.generation AND c.tenant = m.tenant"
            " WHERE c.tenant = ? AND c.name = ?",
            (entry.tenant, entry.collection),
        ).fetchall()
    )
    lacking = {row[0] for row in connection.execute("SELECT memory_id FROM generation_due WHERE generation = ?", (entry.generation,))}
    due_or_equal = {memory_id for memory_id, seq in rows.items() if memory_id in points and points[memory_id].seq == seq} | lacking
    wrong = rows.keys() - due_or_equal
    surplus = points.keys() - rows.keys()
    if wrong or surplus:
        raise ModelFaultError(
            f"generation {entry.generation} of collection {entry.collection!r} is not whole: {len(wrong)} memories lack their vectors, "
            f"{len(surplus)} vectors have no memory; nothing was kept",
            reason="SNAPSHOT_NOT_WHOLE",
            generation=entry.generation,
            lacking_count=len(wrong),
            surplus_count=len(surplus),
        )
