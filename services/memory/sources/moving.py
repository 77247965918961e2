"""Moves sources: their memories keep ids, vectors and what was learnt, and are told where they come from now."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from atlas.errors import ConflictError, InvalidInputError, NotFoundError
from atlas.failpoints import failpoint
from atlas.ranking import Kind

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.memory_rows import MemoryRow
from ..generations.siblings import follow_writes
from ..ledger.forgetting import rewritten
from ..memories.drafts import Chunk, Content
from ..memories.encoding import to_payload
from ..memories.validation import MAX_SOURCE_BYTES
from ..store import Operation, Payload, ReplacePayloads, StoredPoint
from .aliases import record_moves

MAX_MOVED = 20_000
"""Most memories of one move: they are written in one transaction."""
_BELOW = ("/", "#")
"""What follows a folder's name in the sources within it, and a file's in those of its rows."""


@dataclass(frozen=True, slots=True)
class Move:
    """A checked request."""

    tenant: str
    collection: str
    from_source: str
    to_source: str
    now_us: int
    """Now, in microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did."""

    source_count: int
    memory_count: int
    operations: tuple[Operation, ...]
    """What the engine must do."""


class StalePayloadsError(Exception):
    """A memory was written after its payload was read: it has to be read again. Never leaves this part."""


def moved_rows(connection: sqlite3.Connection, move: Move) -> list[MemoryRow]:
    """Reads the memories that a move is about, after checking that it can be made.

    Raises:
        NotFoundError: The collection does not exist, or the source has no memories.
        ConflictError: The new source has memories.
        InvalidInputError: There are too many, or a new source would be too long.
    """
    collection = catalog.get_collection(connection, move.tenant, move.collection, field="collection")
    rows = _rows_below(connection, collection.generation, move.from_source)
    if not rows:
        raise NotFoundError(
            f"collection {move.collection!r} has no memory of {move.from_source!r}",
            reason="SOURCE_NOT_FOUND",
            field="from_source",
            collection=move.collection,
            source=move.from_source,
        )
    if len(rows) > MAX_MOVED:
        raise InvalidInputError(
            f"from_source holds {len(rows)} memories; at most {MAX_MOVED} move at once: move what lies below it one by one",
            field="from_source",
            memory_count=len(rows),
            max_count=MAX_MOVED,
        )
    for old, new in sorted(_names(rows, move).items()):
        _check_target(connection, collection.generation, old, new)
    return rows


def run_move(connection: sqlite3.Connection, seq: int, move: Move, points: Mapping[str, StoredPoint]) -> Moved:
    """Writes the rows and returns what the engine must do, all or nothing.

    Raises:
        AtlasError: As `moved_rows`.
        StalePayloadsError: `points` is not what is stored now.
    """
    rows = moved_rows(connection, move)
    collection = catalog.get_collection(connection, move.tenant, move.collection, field="collection")
    names = _names(rows, move)
    written: list[MemoryRow] = []
    payloads: dict[str, Payload] = {}
    for row in rows:
        point = points.get(row.memory_id)
        if point is None or point.payload["seq"] != row.seq:
            raise StalePayloadsError
        content = _renamed(content_of(row, point.payload), names)
        new = replace(
            row,
            source=content.source,
            document_id=content.chunk.document_id if content.chunk is not None else "",
            fields_sha256=hashlib.sha256(msgspec.json.encode(content, order="deterministic")).digest(),
            seq=seq,
        )
        written.append(new)
        payloads[row.memory_id] = to_payload(content, new, update_time_us=move.now_us)
    memory_rows.put_rows(connection, written)
    failpoint("source.rows.after")
    rewritten(connection, move.tenant, {row.memory_id: (row.domain, row.domain) for row in written})
    record_moves(connection, move.tenant, move.collection, names, seq)
    failpoint("source.names.after")
    replaced = ReplacePayloads(collection.index, collection.generation, payloads)
    return Moved(len(names), len(written), (replaced, *follow_writes(connection, move.tenant, written, payloads)))


def content_of(row: MemoryRow, payload: Mapping[str, Any]) -> Content:
    """Returns what the caller stated about a stored memory; the inverse of `to_payload`."""
    inner = payload["memory"]
    place = inner["chunk"]
    return Content(
        memory_id=row.memory_id,
        collection=row.collection,
        domain=payload.get("domain", ""),
        text=inner["text"],
        title=payload.get("title", ""),
        speaker=payload.get("speaker", ""),
        source=payload.get("source", ""),
        chunk=None if place is None else Chunk(payload.get("document_id", ""), *place),
        language=payload.get("language", ""),
        kind=Kind[payload["content_kind"]],
        event_time_us=payload.get("event_time"),
        metadata=payload.get("metadata", {}),
    )


def _rows_below(connection: sqlite3.Connection, generation: str, source: str) -> list[MemoryRow]:
    ranges = [(source, source + "\0")] + [(source + mark, source + chr(ord(mark) + 1)) for mark in _BELOW]
    return [
        MemoryRow(*row)
        for begin, end in ranges
        for row in connection.execute("SELECT * FROM memory WHERE generation = ? AND source >= ? AND source < ?", (generation, begin, end))
    ]


def _names(rows: list[MemoryRow], move: Move) -> dict[str, str]:
    return {row.source: move.to_source + row.source.removeprefix(move.from_source) for row in rows}


def _check_target(connection: sqlite3.Connection, generation: str, old: str, new: str) -> None:
    size_bytes = len(new.encode())
    if size_bytes > MAX_SOURCE_BYTES:
        raise InvalidInputError(
            f"to_source makes {old!r} a source of {size_bytes} bytes; at most {MAX_SOURCE_BYTES} are allowed",
            field="to_source",
            source=old,
            size_bytes=size_bytes,
            max_bytes=MAX_SOURCE_BYTES,
        )
    if connection.execute("SELECT 1 FROM memory WHERE generation = ? AND source = ? LIMIT 1", (generation, new)).fetchone():
        raise ConflictError(
            f"{old!r} cannot become {new!r}: there are memories of both; delete one of them first",
            reason="SOURCE_EXISTS",
            field="to_source",
            from_source=old,
            to_source=new,
        )


def _renamed(content: Content, names: Mapping[str, str]) -> Content:
    new, chunk = names[content.source], content.chunk
    # A document that has no id of its own goes by its source.
    if chunk is not None and chunk.document_id == content.source:
        chunk = msgspec.structs.replace(chunk, document_id=new)
    return msgspec.structs.replace(content, source=new, chunk=chunk)
