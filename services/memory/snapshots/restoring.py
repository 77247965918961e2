"""Restores a snapshot: loaded beside what serves, verified, then taken over in one transaction. Until then nothing has changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from atlas.deadlines import Deadline
from atlas.errors import AtlasError, ConflictError, ModelFaultError, SchemaMismatchError
from atlas.failpoints import failpoint

from ..erasure import due
from ..ledger import marks
from ..operations import without_projection
from ..persistence import schema
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.free_space import FreeSpace
from ..persistence.writer import Writer, Written
from ..store import (
    DeleteGeneration,
    DeletePoints,
    Float32Array,
    IndexSpec,
    Operation,
    ReplacePayloads,
    SearchRequest,
    Store,
    UpsertPoints,
)
from . import tables
from .manifest import FORMAT, POINTS_FILE, TABLES_FILE, GenerationEntry, Manifest, check_files, read_manifest
from .points import FinalPoints, read_frames, read_tail

_QUERIES = 16
"""Memories of each generation whose neighbours are compared."""
_NEIGHBOURS = 10
_SAME_COSINE = 2e-3
"""Cosines closer than this are in no order: vectors may be stored with 8 or 16 bits."""
_CLEAN_UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    manifest: Manifest
    checked_query_count: int


class SnapshotRestorer:
    """Restores snapshots, one at a time."""

    def __init__(
        self,
        database: Database,
        store: Store,
        writer: Writer,
        *,
        space: FreeSpace,
        new_id: Callable[[], str],
        lexical_fingerprint: str,
        on_restored: Callable[[], None],
    ) -> None:
        """Takes only snapshots of the analyzer of `lexical_fingerprint`; calls `on_restored` after each restore."""
        self._on_restored = on_restored
        self._database = database
        self._store = store
        self._writer = writer
        self._space = space
        self._new_id = new_id
        self._lexical_fingerprint = lexical_fingerprint

    async def restore(self, place: Path, *, replace: bool, known_fingerprints: Sequence[str], deadline: Deadline) -> Restored:
        """Puts the store back to a snapshot.

        Raises:
            InvalidInputError: The snapshot is damaged.
            SchemaMismatchError: It is of another version, or of foreign vectors.
            ConflictError: The store holds collections, and `replace` is not set.
            ModelFaultError: What was loaded does not find what it should; nothing was changed.
        """
        manifest = await asyncio.to_thread(read_manifest, place)
        await self._check(manifest, replace=replace, known_fingerprints=known_fingerprints)
        await asyncio.to_thread(check_files, place, manifest)
        await self.discard_staged(deadline)
        failpoint("restore.discard.after")
        generations = {entry.generation: self._new_id() for entry in manifest.generations}
        try:
            await self._stage(manifest, generations, deadline)
            failpoint("restore.stage.after")
            await self._load(place, generations, deadline)
            failpoint("restore.load.after")
            checked = await self._verify(place, manifest, generations, deadline)
            failpoint("restore.verify.after")
            await self._take_over(place, manifest, generations, replace=replace, deadline=deadline)
            failpoint("restore.switch.after")
        except BaseException:
            await self.discard_staged(Deadline.after(_CLEAN_UP_S))
            raise
        return Restored(manifest, checked)

    async def discard_staged(self, deadline: Deadline) -> None:
        """Deletes what a restore that did not end had loaded."""

        def discard(connection: sqlite3.Connection, _: int) -> Written[None]:
            staged = connection.execute("SELECT generation, index_name FROM staged_generation").fetchall()
            connection.execute("DELETE FROM staged_generation")
            return Written(None, tuple(DeleteGeneration(index, generation) for generation, index in staged))

        await self._writer.submit(discard, durability=Durability.PROCESS_CRASH, deadline=deadline)

    async def _check(self, manifest: Manifest, *, replace: bool, known_fingerprints: Sequence[str]) -> None:
        own_tables, held = await self._database.read(lambda connection: (tables.tables_sha256(connection), _collection_count(connection)))
        wanted = (FORMAT, schema.VERSION, own_tables)
        found = (manifest.format, manifest.schema_version, manifest.tables_sha256)
        if found != wanted:
            raise SchemaMismatchError(
                f"snapshot {manifest.snapshot_id} was made by ATLAS {manifest.atlas_version} with format {manifest.format}, schema version "
                f"{manifest.schema_version} and tables {manifest.tables_sha256[:12]}; this one has "
                f"{FORMAT}, {schema.VERSION} and {own_tables[:12]}: restore it with the ATLAS that made it",
                reason="SNAPSHOT_VERSION",
                field="snapshot_id",
                snapshot_id=manifest.snapshot_id,
                atlas_version=manifest.atlas_version,
                schema_version=manifest.schema_version,
                own_schema_version=schema.VERSION,
            )
        for entry in manifest.generations:
            self._check_fingerprints(entry, known_fingerprints)
        if held and not replace:
            raise ConflictError(
                f"the store holds {held} collections; set replace to lose them to snapshot {manifest.snapshot_id}",
                reason="NOT_EMPTY",
                field="replace",
                collection_count=held,
            )
        self._space.check()

    def _check_fingerprints(self, entry: GenerationEntry, known: Sequence[str]) -> None:
        foreign = entry.lexical_fingerprint != self._lexical_fingerprint
        own, theirs = self._lexical_fingerprint, entry.lexical_fingerprint
        if not foreign and known and entry.active and entry.dense_fingerprint not in known:
            foreign, own, theirs = True, ", ".join(known), entry.dense_fingerprint
        if foreign:
            raise SchemaMismatchError(
                f"collection {entry.collection!r} of the snapshot holds vectors of {theirs!r}; here are {own!r}",
                reason="FOREIGN_FINGERPRINT",
                field="snapshot_id",
                collection=entry.collection,
                fingerprint=theirs,
                own_fingerprint=own,
            )

    async def _stage(self, manifest: Manifest, generations: Mapping[str, str], deadline: Deadline) -> None:
        specs = {entry.index: _spec(entry) for entry in manifest.generations}
        for spec in specs.values():
            await self._store.ensure_index(spec)

        def stage(connection: sqlite3.Connection, _: int) -> Written[None]:
            # The journal is going to write to these indexes, so they must be known to whoever applies it again.
            connection.executemany(
                "INSERT OR IGNORE INTO vector_index VALUES (?, ?, ?, ?)", [msgspec.structs.astuple(one) for one in specs.values()]
            )
            rows = [(generations[entry.generation], entry.index) for entry in manifest.generations]
            connection.executemany("INSERT INTO staged_generation VALUES (?, ?)", rows)
            return Written(None)

        await self._writer.submit(stage, durability=Durability.PROCESS_CRASH, deadline=deadline)

    async def _load(self, place: Path, generations: Mapping[str, str], deadline: Deadline) -> None:
        connection = _opened(place)
        try:
            for source in (iter(read_frames(place / POINTS_FILE)), read_tail(connection)):
                while (operation := await asyncio.to_thread(next, source, None)) is not None:
                    self._space.check()
                    renamed = _renamed(operation, generations)
                    if renamed is not None:
                        await self._write(renamed, deadline)
                        failpoint("restore.load.part")
        finally:
            connection.close()

    async def _write(self, operation: Operation, deadline: Deadline) -> None:
        adds = isinstance(operation, UpsertPoints)
        count = len(operation.points) if isinstance(operation, UpsertPoints) else 1
        written = Written(None, (operation,), adds_only=adds)
        await self._writer.submit(lambda *_: written, durability=Durability.PROCESS_CRASH, deadline=deadline, item_count=count)

    async def _verify(self, place: Path, manifest: Manifest, generations: Mapping[str, str], deadline: Deadline) -> int:
        checked = 0
        for entry in manifest.generations:
            generation = generations[entry.generation]
            count = await self._store.count(entry.index, generation, None, timeout_s=deadline.remaining_s)
            if count < entry.point_count or (entry.active and count != entry.point_count):
                raise _not_verified(entry, f"{count} points were loaded; the snapshot has {entry.point_count}")
            checked += await self._verify_order(place, entry, generation, deadline)
        return checked

    async def _verify_order(self, place: Path, entry: GenerationEntry, generation: str, deadline: Deadline) -> int:
        queries = await asyncio.to_thread(_expected, place, entry.generation)
        for query, expected in queries:
            request = SearchRequest(index=entry.index, generation=generation, dense=query, terms=(), depth=_NEIGHBOURS)
            (result,) = await self._store.search([request], timeout_s=deadline.remaining_s)
            found = [(hit.memory_id, hit.similarity or 0.0) for hit in result.hits]
            if not _same_order(found, expected):
                raise _not_verified(entry, f"a query finds {found[:3]}; the snapshot's own vectors say {expected[:3]}")
        return len(queries)

    async def _take_over(
        self, place: Path, manifest: Manifest, generations: Mapping[str, str], *, replace: bool, deadline: Deadline
    ) -> None:
        def take_over(connection: sqlite3.Connection, _: int) -> Written[None]:
            if _collection_count(connection) and not replace:
                raise ConflictError("a collection was created meanwhile; set replace to lose it", reason="NOT_EMPTY", field="replace")
            old = connection.execute("SELECT generation, index_name FROM generation").fetchall()
            source = _opened(place)
            try:
                tables.replace_tables(connection, source, generations)
                _raise_sequences(connection, source)
            finally:
                source.close()
            failpoint("restore.tables.after")
            connection.execute("DELETE FROM staged_generation")
            found = tables.table_digests(connection, {new: before for before, new in generations.items()})
            if found != manifest.table_digests:
                wrong = sorted(name for name in found if found[name] != manifest.table_digests.get(name))
                raise ModelFaultError(
                    f"tables {', '.join(wrong)} differ from the snapshot; nothing was changed", reason="SNAPSHOT_NOT_VERIFIED"
                )
            # The points say what was known of them when they were read, which is not one moment.
            for generation in generations.values():
                marks.mark_learnt(connection, generation)
            due.adopt(connection)
            failpoint("restore.marks.after")
            return Written(None, tuple(DeleteGeneration(index, generation) for generation, index in old))

        await self._writer.submit(take_over, durability=Durability.POWER_LOSS, deadline=deadline)
        self._on_restored()


def _opened(place: Path) -> sqlite3.Connection:
    # Used by one thread at a time, but not always the same.
    return sqlite3.connect(f"file:{place / TABLES_FILE}?mode=ro", uri=True, check_same_thread=False)


def _collection_count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM collection").fetchone()[0])


def _spec(entry: GenerationEntry) -> IndexSpec:
    return IndexSpec(entry.index, entry.dimension, entry.dense_fingerprint, entry.lexical_fingerprint)


def _renamed(operation: Operation, generations: Mapping[str, str]) -> Operation | None:
    """Returns a write with its generation under the new id; None for one of a generation that the snapshot has not."""
    match operation:
        case UpsertPoints(index, points):
            kept = tuple(
                msgspec.structs.replace(one, generation=generations[one.generation], payload=without_projection(one.payload))
                for one in points
                if one.generation in generations
            )
            return UpsertPoints(index, kept) if kept else None
        case ReplacePayloads() | DeletePoints() | DeleteGeneration():
            new = generations.get(operation.generation)
            return None if new is None else msgspec.structs.replace(operation, generation=new)


def _expected(place: Path, generation: str) -> list[tuple[Float32Array, list[tuple[str, float]]]]:
    connection = _opened(place)
    try:
        final = FinalPoints(place, POINTS_FILE, connection, generation)
    finally:
        connection.close()
    # Ids are digests, so the first in their order are a sample.
    chosen: Iterator[str] = iter(sorted(final.points)[:_QUERIES])
    return [(final.points[one].dense, final.nearest(final.points[one].dense, count=2 * _NEIGHBOURS)) for one in chosen]


def _same_order(found: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]]) -> bool:
    """Whether the same memories come in the same order, where their cosines have one."""
    cosines = dict(expected)
    if len(found) != min(_NEIGHBOURS, len(expected)):
        return False
    for (memory_id, _), (_, cosine) in zip(found, expected, strict=False):
        if abs(cosines.get(memory_id, -2.0) - cosine) > _SAME_COSINE:
            return False
    return True


def _raise_sequences(connection: sqlite3.Connection, source: sqlite3.Connection) -> None:
    """Has every counter go on behind the numbers that the snapshot's rows have: none is used twice."""
    for name, seq in source.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
        if connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, name)).rowcount == 0:
            connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, seq))


def _not_verified(entry: GenerationEntry, why: str) -> AtlasError:
    return ModelFaultError(
        f"collection {entry.collection!r} was not restored: {why}", reason="SNAPSHOT_NOT_VERIFIED", collection=entry.collection
    )
