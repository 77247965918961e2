"""Ingests a stream of documents: cut, compare with what is stored, embed what is new, store, acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from atlas.errors import (
    AtlasError,
    ConflictError,
    DeadlineError,
    DependencyDownError,
    DiskFullError,
    NotFoundError,
    OverloadedError,
    SchemaMismatchError,
)
from atlas.identity import memory_id
from atlas.ranking import Kind

from .changes import Change, Difference, change_of
from .chunking import Chunk, identity_text
from .clients import NO_SOURCES, MemoryClient, SourceIds
from .clients.memory import MAX_IDS, MOVED
from .cutting import Cutter, Uncut
from .embedders import FOREIGN, Embedders, Encoder
from .grouping import GroupRule, handled_in_groups
from .memories import Durability, JsonValue, Memory, Place, Scope
from .steps import Steps
from .writes import Embedded, Writer, write_of

_WRITES_PER_CALL = 256
_PATH = "document"
"""Where a document stands in the caller's request."""
# Trying a group's documents one by one cannot help against these.
_SHARED_FAILURES = (DependencyDownError, OverloadedError, DiskFullError, DeadlineError)


@dataclass(frozen=True, slots=True)
class Document:
    """A document to ingest; checked."""

    source: str
    """URI of where it came from; identifies it within its collection."""
    text: str
    """The extracted text; blank means that the source is gone."""
    document_id: str
    """Id in the caller's words."""
    title: str = ""
    """Title, indexed with each chunk."""
    kind: Kind = Kind.TEXT
    """What it is."""
    language: str = ""
    """ISO 639-1 code; empty means detected."""
    domain: str = ""
    """Caller's partition of the collection."""
    event_time: datetime | None = None
    """When it happened."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """The caller's own fields."""
    speaker: str = ""
    """Who said it."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What the first message of a stream decides for all of it."""

    collection: str
    """Collection, created if it is not there."""
    durability: Durability
    """What the acknowledgements have to survive."""
    in_search_all: bool
    """Whether "search all" includes a collection that the stream creates."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message of the stream: a document, or what is wrong with it."""

    sequence: int
    """The caller's number."""
    source: str
    """The document's source."""
    document: Document | None
    """The document; None if it is wrong."""
    error: AtlasError | None = None
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of one document."""

    sequence: int
    """The caller's number."""
    source: str
    """The document's source."""
    new_count: int = 0
    """Chunks stored for the first time."""
    changed_count: int = 0
    """Chunks stored with other content or fields."""
    unchanged_count: int = 0
    """Chunks that were stored just so."""
    removed_count: int = 0
    """Chunks of the source that are gone."""
    embedded_tokens: int = 0
    """Word pieces that were embedded."""
    error: AtlasError | None = None
    """Why the document failed; nothing of it was changed."""


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How documents are handled together."""

    document_count: int
    """Documents of a group."""
    text_bytes: int
    """Text of a group, in UTF-8."""
    linger_s: float
    """How long an incomplete group waits for the next document."""
    flight_count: int
    """Groups of a stream that are handled at the same time."""


class Ingester:
    """Ingests streams of documents."""

    def __init__(self, *, memory: MemoryClient, embedders: Embedders, cutter: Cutter, writer: Writer, limits: GroupLimits) -> None:
        self._memory = memory
        self._embedders = embedders
        self._cutter = cutter
        self._writer = writer
        self._limits = limits

    async def ingest(
        self, items: AsyncIterator[Item], options: StreamOptions, scope: Scope, steps: Steps
    ) -> AsyncGenerator[Acknowledgement]:
        """Stores documents as they come and acknowledges each, in their order. A document fails alone.

        Raises:
            SchemaMismatchError: The collection holds vectors of another model.
        """
        # A model that was known before may be another one by now: a stream asks once.
        self._embedders.forget()
        encoder = await self._encoder(options.collection, scope, steps)
        stream = _Stream(self._memory, self._embedders, self._cutter, self._writer, options, scope, steps, encoder)
        rule: GroupRule[Item] = GroupRule(
            max_count=self._limits.document_count,
            max_size=self._limits.text_bytes,
            size_of=_size_of,
            key_of=lambda item: item.source,
            linger_s=self._limits.linger_s,
        )
        async for acknowledgement in handled_in_groups(items, rule, stream.handle, flight_count=self._limits.flight_count):
            yield acknowledgement

    async def _encoder(self, collection: str, scope: Scope, steps: Steps) -> Encoder:
        encoder = await steps.run(lambda deadline: self._embedders.of_collection(collection, deadline=deadline))
        try:
            await self._writer.find_collection(scope, collection, encoder.model, steps)
        except SchemaMismatchError:
            await steps.run(lambda deadline: self._embedders.learn(scope, deadline=deadline))
            encoder = await steps.run(lambda deadline: self._embedders.of_collection(collection, deadline=deadline))
            await self._writer.find_collection(scope, collection, encoder.model, steps)
        return encoder


@dataclass(slots=True)
class _Stream:
    """One stream under way."""

    memory: MemoryClient
    embedders: Embedders
    cutter: Cutter
    writer: Writer
    options: StreamOptions
    scope: Scope
    steps: Steps
    encoder: Encoder
    """Who makes the vectors; another one after a switch of the collection."""

    async def handle(self, items: Sequence[Item]) -> Sequence[Acknowledgement]:
        """Stores a group and acknowledges its documents in their order."""
        sound = [(item, item.document) for item in items if item.document is not None]
        stored = iter(await self._isolated(sound))
        return [Acknowledgement(item.sequence, item.source, error=item.error) if item.document is None else next(stored) for item in items]

    async def _isolated(self, group: Sequence[tuple[Item, Document]]) -> list[Acknowledgement]:
        """Stores documents together; where one spoils that, one by one."""
        if not group:
            return []
        try:
            return await self._stored(group)
        except AtlasError as error:
            if len(group) == 1 or isinstance(error, _SHARED_FAILURES):
                return [Acknowledgement(item.sequence, item.source, error=error) for item, _ in group]
        return [acknowledgement for pair in group for acknowledgement in await self._isolated([pair])]

    async def _stored(self, group: Sequence[tuple[Item, Document]]) -> list[Acknowledgement]:
        try:
            return await self._stored_with(self.encoder, group)
        except ConflictError as error:
            if error.reason != MOVED:
                raise
            # A source was renamed while this was under way: ids are derived anew.
        except SchemaMismatchError as error:
            if error.reason != FOREIGN:
                raise
            # The collection points to another generation by now.
            await self.steps.run(lambda deadline: self.embedders.learn(self.scope, deadline=deadline))
            self.encoder = await self.steps.run(lambda deadline: self.embedders.of_collection(self.options.collection, deadline=deadline))
        return await self._stored_with(self.encoder, group)

    async def _stored_with(self, encoder: Encoder, group: Sequence[tuple[Item, Document]]) -> list[Acknowledgement]:
        documents = [document for _, document in group]
        uncut = [
            Uncut(document.text, document.title, document.speaker, document.kind, document.language, path=_PATH) for document in documents
        ]
        chunks = await self.cutter.cut(uncut, encoder, self.steps)
        stored, sources = await self._stored_by_source([document.source for document in documents])
        changes = [
            change_of(self._memories(document, cut, sources.of(document.source)), stored.get(document.source, ()))
            for document, cut in zip(documents, chunks, strict=True)
        ]
        if any(change.to_write for change in changes) and not stored:
            await self._ensure_collection(encoder)
        to_embed = [memory for change in changes for memory in change.to_embed]
        embedded = await self.writer.embed(to_embed, encoder, self.steps, bulk=True, path_of=lambda _: _PATH)
        await self._apply(changes, embedded, sources)
        return [_acknowledgement(item, change, embedded) for (item, _), change in zip(group, changes, strict=True)]

    async def _stored_by_source(self, sources: Sequence[str]) -> tuple[dict[str, list[Memory]], SourceIds]:
        try:
            memories, ids = await self.steps.run(
                lambda deadline: self.memory.of_sources(self.scope, self.options.collection, sources, deadline=deadline)
            )
        except NotFoundError:
            return {}, NO_SOURCES  # the collection comes with the first document that has a text
        by_source: dict[str, list[Memory]] = {}
        for memory in memories:
            by_source.setdefault(memory.source, []).append(memory)
        return by_source, ids

    def _memories(self, document: Document, chunks: Sequence[Chunk], source_id: str) -> list[Memory]:
        return list(_memories(document, chunks, self.options.collection, self.scope.tenant, source_id))

    async def _ensure_collection(self, encoder: Encoder) -> None:
        await self.writer.ensure_collection(
            self.scope, self.options.collection, encoder.model, self.steps, in_search_all=self.options.in_search_all
        )

    async def _apply(self, changes: Iterable[Change], embedded: Mapping[str, Embedded], sources: SourceIds) -> None:
        for writes, deletions in _batches(changes):
            # The ids to delete go with the writes of their document, in one transaction.
            along = deletions[:MAX_IDS] if writes else []
            if writes:
                await self.steps.run(
                    lambda deadline, writes=writes, along=along: self.memory.upsert(  # type: ignore[misc]
                        self.scope,
                        [write_of(memory, embedded.get(memory.memory_id)) for memory in writes],
                        delete_ids=along,
                        durability=self.options.durability,
                        last_move=sources.last_move,
                        deadline=deadline,
                    )
                )
            for begin in range(len(along), len(deletions), MAX_IDS):
                ids = deletions[begin : begin + MAX_IDS]
                await self.steps.run(
                    lambda deadline, ids=ids: self.memory.delete_ids(  # type: ignore[misc]
                        self.scope, ids, durability=self.options.durability, deadline=deadline
                    )
                )


def _size_of(item: Item) -> int:
    return 0 if item.document is None else len(item.document.text.encode())


def _memories(document: Document, chunks: Sequence[Chunk], collection: str, tenant: str, source_id: str) -> Iterator[Memory]:
    seen: Counter[str] = Counter()
    for chunk in chunks:
        identity = identity_text(chunk.text, document.kind)
        ordinal = seen[identity]
        seen[identity] += 1
        yield Memory(
            memory_id=memory_id(tenant, collection, source_id, identity, ordinal),
            collection=collection,
            text=chunk.text,
            domain=document.domain,
            title=document.title,
            speaker=document.speaker,
            source=document.source,
            place=Place(document_id=document.document_id, ordinal=chunk.ordinal, begin=chunk.begin, end=chunk.end),
            language=document.language,
            kind=document.kind,
            event_time=document.event_time,
            metadata=document.metadata,
        )


def _batches(changes: Iterable[Change]) -> Iterator[tuple[list[Memory], list[str]]]:
    """Packs whole documents into calls; one that is too large for a call is split, and its deletions come last."""
    writes: list[Memory] = []
    deletions: list[str] = []
    for change in changes:
        due, gone = change.to_write, change.vanished_ids
        if (writes and len(writes) + len(due) > _WRITES_PER_CALL) or len(deletions) + len(gone) > MAX_IDS:
            yield writes, deletions
            writes, deletions = [], []
        while len(due) > MAX_IDS:
            yield due[:_WRITES_PER_CALL], []
            due = due[_WRITES_PER_CALL:]
        writes.extend(due)
        deletions.extend(gone)
    if writes or deletions:
        yield writes, deletions


def _acknowledgement(item: Item, change: Change, embedded: Mapping[str, Embedded]) -> Acknowledgement:
    return Acknowledgement(
        sequence=item.sequence,
        source=item.source,
        new_count=change.count(Difference.NEW),
        changed_count=change.count(Difference.CONTENT, Difference.FIELDS),
        unchanged_count=change.count(Difference.NONE),
        removed_count=len(change.vanished_ids),
        embedded_tokens=sum(embedded[memory.memory_id].token_count for memory in change.to_embed),
    )
