"""The transaction of a write: decides what changes, updates the catalog, and says what the engine must do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from atlas.errors import ConflictError, InvalidInputError, SchemaMismatchError

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.collections import Collection
from ..catalog.memory_rows import MemoryRow
from ..catalog.spaces import Spaces
from ..generations.siblings import follow_writes
from ..scopes import Scope
from ..sources.aliases import last_move
from ..store import Operation, Payload, Point, ReplacePayloads, UpsertPoints
from .deletions import Forget, delete_rows
from .drafts import DenseVector, Draft
from .encoding import to_payload

Check = Callable[[Sequence[Operation]], None]
"""Raises for operations that the store would refuse."""
Rewritten = Callable[[sqlite3.Connection, str, Mapping[str, tuple[str, str]]], None]
"""Is told of memories of a tenant that were written again, with their old and new domain; runs in the transaction that writes them."""


class Outcome(IntEnum):
    """What a write did to a memory; the numbers are those of the contract."""

    NEW = 1
    CHANGED = 2
    UNCHANGED = 3


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one write."""

    memory_id: str
    outcome: Outcome
    etag: str


@dataclass(frozen=True, slots=True)
class Upserted:
    """Outcome of a request."""

    results: tuple[Result, ...]
    deleted_count: int
    operations: tuple[Operation, ...]
    adds_only: bool
    """Whether every operation writes a memory that was not there."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """A checked request; runs inside the writer's transaction."""

    scope: Scope
    drafts: Sequence[Draft]
    delete_memory_ids: Sequence[str]
    time_us: int
    """Now, in microseconds since the epoch."""
    check: Check
    forget: Forget
    rewritten: Rewritten
    expected_last_move: int | None = None
    """Number of the tenant's last move when the ids were derived from their sources; None = not checked."""

    def run(self, connection: sqlite3.Connection, seq: int) -> Upserted:
        """Writes catalog rows and returns what the engine must do, all or nothing.

        Raises:
            NotFoundError: A collection does not exist.
            ConflictError: An `if_match` fails, an id is taken, or a source moved since the ids were derived.
            SchemaMismatchError: A foreign fingerprint, or vectors are missing.
            InvalidInputError: A vector does not fit its space.
        """
        self._check_moves(connection)
        known = memory_rows.find_rows(connection, self.scope.tenant, [draft.content.memory_id for draft in self.drafts])
        changes = _Changes(self, seq)
        collections = self._collections(connection)
        for index, draft in enumerate(self.drafts):
            changes.add(draft, collections[draft.content.collection], known.get(draft.content.memory_id), f"writes[{index}]")
        operations = (*changes.operations(), *follow_writes(connection, self.scope.tenant, changes.added, changes.kept_vectors))
        self.check(operations)
        memory_rows.put_rows(connection, changes.added)
        tallies = catalog.tally_changes((row.tally_key for row in changes.added), (row.tally_key for row in changes.replaced))
        catalog.add_to_tallies(connection, tallies)
        if changes.replaced:
            self.rewritten(connection, self.scope.tenant, changes.domains())
        deletion = self._delete(connection)
        adds_only = not (changes.replaced or deletion[0])
        return Upserted(tuple(changes.results), len(deletion[0]), (*operations, *deletion[1]), adds_only)

    def _check_moves(self, connection: sqlite3.Connection) -> None:
        if self.expected_last_move is None:
            return
        last = last_move(connection, self.scope.tenant)
        if last != self.expected_last_move:
            raise ConflictError(
                f"expected_last_move is {self.expected_last_move}; a source moved since ({last}): derive the ids again",
                reason="SOURCES_MOVED",
                field="expected_last_move",
                expected_last_move=self.expected_last_move,
                last_move=last,
            )

    def _collections(self, connection: sqlite3.Connection) -> Mapping[str, Collection]:
        first: dict[str, int] = {}
        for index, draft in enumerate(self.drafts):
            first.setdefault(draft.content.collection, index)
        return {
            name: catalog.get_collection(connection, self.scope.tenant, name, field=f"writes[{index}].memory.collection")
            for name, index in first.items()
        }

    def _delete(self, connection: sqlite3.Connection) -> tuple[list[MemoryRow], tuple[Operation, ...]]:
        rows = memory_rows.find_rows(connection, self.scope.tenant, self.delete_memory_ids)
        covered = memory_rows.within(self.scope, rows.values())
        return covered, delete_rows(connection, self.scope.tenant, covered, self.forget)


class _Changes:
    """Collects what the drafts of one request change."""

    def __init__(self, request: Upsert, seq: int) -> None:
        self._request = request
        self._seq = seq
        self._points: dict[str, list[Point]] = {}
        self._payloads: dict[tuple[str, str], dict[str, Payload]] = {}
        self.results: list[Result] = []
        self.added: list[MemoryRow] = []
        self.replaced: list[MemoryRow] = []

    def add(self, draft: Draft, collection: Collection, stored: MemoryRow | None, field: str) -> None:
        """Compares one draft with what is stored."""
        memory_id = draft.content.memory_id
        self._check_stored(draft, stored, field)
        if draft.dense is not None:
            check_vector(draft.dense, collection, field=f"{field}.vectors[0]")
        elif stored is None or stored.content_sha256 != draft.content_sha256:
            raise SchemaMismatchError(
                f"{field} has no vectors, and memory {memory_id} is not stored with this text; send its vectors",
                reason="VECTORS_NEEDED",
                field=f"{field}.vectors",
                memory_id=memory_id,
            )
        if stored is not None and stored.fields_sha256 == draft.fields_sha256:
            self.results.append(Result(memory_id, Outcome.UNCHANGED, stored.etag))
            return
        row = _row(draft, collection, self._request, stored, self._seq)
        self._write(draft, collection, row)
        if stored is not None:
            self.replaced.append(stored)
        self.added.append(row)
        self.results.append(Result(memory_id, Outcome.NEW if stored is None else Outcome.CHANGED, row.etag))

    @property
    def kept_vectors(self) -> Mapping[str, Payload]:
        """Payloads of the memories whose vectors stay as they are, by id."""
        return {memory_id: payload for payloads in self._payloads.values() for memory_id, payload in payloads.items()}

    def domains(self) -> dict[str, tuple[str, str]]:
        """Returns the old and the new domain of what is written again, by memory id."""
        new = {row.memory_id: row.domain for row in self.added}
        return {row.memory_id: (row.domain, new[row.memory_id]) for row in self.replaced}

    def operations(self) -> tuple[Operation, ...]:
        """Returns what the engine must do."""
        upserts = [UpsertPoints(index, tuple(points)) for index, points in self._points.items()]
        replacements = [ReplacePayloads(index, generation, payloads) for (index, generation), payloads in self._payloads.items()]
        return (*upserts, *replacements)

    def _check_stored(self, draft: Draft, stored: MemoryRow | None, field: str) -> None:
        memory_id, scope = draft.content.memory_id, self._request.scope
        if stored is not None and stored.collection != draft.content.collection:
            raise ConflictError(
                f"{field}.memory.memory_id {memory_id} is used in collection {stored.collection!r} of this tenant",
                reason="ID_TAKEN",
                field=f"{field}.memory.memory_id",
                memory_id=memory_id,
                collection=stored.collection,
            )
        if stored is not None and not scope.covers(stored.domain):
            raise ConflictError(
                f"{field}.memory.memory_id {memory_id} is used in a domain outside the scope",
                reason="ID_TAKEN",
                field=f"{field}.memory.memory_id",
                memory_id=memory_id,
            )
        etag = stored.etag if stored is not None else ""
        if draft.if_match and (not etag or draft.if_match not in {"*", etag}):
            raise ConflictError(
                f"{field}.if_match is {draft.if_match!r}; the memory's etag is {etag!r}; read it again",
                reason="ETAG_MISMATCH",
                field=f"{field}.if_match",
                if_match=draft.if_match,
                etag=etag,
            )

    def _write(self, draft: Draft, collection: Collection, row: MemoryRow) -> None:
        payload = to_payload(draft.content, row, update_time_us=self._request.time_us)
        if draft.dense is None:
            self._payloads.setdefault((collection.index, row.generation), {})[row.memory_id] = payload
            return
        point = Point(
            memory_id=row.memory_id,
            generation=row.generation,
            dense=draft.dense.values,
            sparse_indices=draft.analyzed.indices,
            sparse_values=draft.analyzed.values,
            payload=payload,
        )
        self._points.setdefault(collection.index, []).append(point)


def check_vector(vector: DenseVector, collection: Collection, *, field: str) -> None:
    """Refuses a vector that does not belong to the collection's dense space.

    Raises:
        InvalidInputError: There is no space of that name, or its dimension is another.
        SchemaMismatchError: Its fingerprint is another.
    """
    spaces: Spaces = collection.spaces
    if vector.space != spaces.dense.name:
        raise InvalidInputError(
            f"{field}.space is {vector.space!r}; collection {collection.name!r} takes vectors of {spaces.dense.name!r}",
            field=f"{field}.space",
            space=vector.space,
            known_space=spaces.dense.name,
        )
    if vector.fingerprint != spaces.dense.fingerprint:
        raise SchemaMismatchError(
            f"{field}.fingerprint is {vector.fingerprint!r}; collection {collection.name!r} has {spaces.dense.fingerprint!r}",
            reason="FOREIGN_FINGERPRINT",
            field=f"{field}.fingerprint",
            collection=collection.name,
            fingerprint=vector.fingerprint,
            collection_fingerprint=spaces.dense.fingerprint,
        )
    if len(vector.values) != spaces.dense.dimension:
        raise InvalidInputError(
            f"{field}.dense has {len(vector.values)} values; collection {collection.name!r} has dimension {spaces.dense.dimension}",
            reason="DIMENSION",
            field=f"{field}.dense",
            dimension=len(vector.values),
            collection_dimension=spaces.dense.dimension,
        )


def _row(draft: Draft, collection: Collection, request: Upsert, stored: MemoryRow | None, seq: int) -> MemoryRow:
    content = draft.content
    return MemoryRow(
        tenant=request.scope.tenant,
        memory_id=content.memory_id,
        collection=collection.name,
        generation=collection.generation,
        domain=content.domain,
        source=content.source,
        document_id=content.chunk.document_id if content.chunk is not None else "",
        content_sha256=draft.content_sha256,
        fields_sha256=draft.fields_sha256,
        language=content.language,
        content_kind=content.kind.name,
        seq=seq,
        create_time_us=stored.create_time_us if stored is not None else request.time_us,
    )
