"""Remembers texts: stored, embedded and findable when the call returns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from atlas.deadlines import Deadline
from atlas.errors import ConflictError, InvalidInputError, NotFoundError, SchemaMismatchError
from atlas.identity import memory_id, remembered_id
from atlas.ranking import Kind

from .changes import Difference, differences
from .chunking import Chunk, identity_text
from .clients import MemoryClient, SourceIds
from .clients.memory import MAX_IDS, MOVED, Written
from .cutting import Cutter, Uncut
from .embedders import FOREIGN, Embedders, Encoder
from .memories import Durability, JsonValue, Memory, Place, Scope
from .steps import Steps
from .writes import Embedded, Writer, write_of

# The memory that is edited has to exist still; a fixed word, so that a repeated request stays the same request.
_MUST_EXIST = "*"
# What memory says of a write without vectors whose memory went away after it was compared: comparing again finds it new.
_DELETED_MEANWHILE = "VECTORS_NEEDED"


class RememberOutcome(IntEnum):
    """What happened to a remembered text; numbered as on the wire."""

    NEW = 1
    CHANGED = 2
    KNOWN = 3


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A text to remember; checked."""

    text: str
    """The text, not blank."""
    collection: str
    """Collection, created if it is not there."""
    collection_named: bool = False
    """Whether the caller named the collection; an edit without one stays where it is."""
    memory_id: str | None = None
    """Memory to edit."""
    domain: str = ""
    """Caller's partition of the collection."""
    speaker: str = ""
    """Who said it."""
    title: str = ""
    """Title of the document."""
    source: str = ""
    """URI of where it came from."""
    kind: Kind | None = None
    """What it is; None means MESSAGE if there is a speaker, else TEXT."""
    event_time: datetime | None = None
    """When it happened."""
    metadata: Mapping[str, JsonValue] | None = None
    """The caller's own fields; None if none were given."""
    source_id: str = ""
    """What ids are derived from; empty if that is `source`."""

    @property
    def origin(self) -> str:
        """What the ids of its memories are derived from; empty if it has no source."""
        return self.source_id or self.source


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a text."""

    memory_ids: tuple[str, ...]
    """Its memories: one, or one a chunk."""
    outcome: RememberOutcome
    """What happened."""
    collection: str
    """Collection it is in."""


@dataclass(frozen=True, slots=True)
class _Drafts:
    """All memories of a request."""

    of_each: Sequence[Sequence[Memory]]
    """Those of each text, in the order of the request."""
    edited_ids: frozenset[str]
    """Those that must exist already."""
    encoders: Mapping[str, Encoder]
    """Who makes the vectors of each collection."""
    last_move: int | None
    """Number of the tenant's last move when ids were derived; None if none was derived from a source."""

    @property
    def every(self) -> list[Memory]:
        """Each memory once."""
        return list({memory.memory_id: memory for drafts in self.of_each for memory in drafts}.values())

    @property
    def paths(self) -> dict[str, str]:
        """Which text of the request each memory is of, by its id."""
        return {memory.memory_id: _path(index) for index, drafts in enumerate(self.of_each) for memory in drafts}


class Rememberer:
    """Remembers texts."""

    def __init__(self, *, memory: MemoryClient, embedders: Embedders, cutter: Cutter, writer: Writer, interactive_text_count: int) -> None:
        """Embeds up to `interactive_text_count` texts ahead of bulk work, more along with it."""
        self._memory = memory
        self._embedders = embedders
        self._cutter = cutter
        self._writer = writer
        self._interactive_text_count = interactive_text_count

    async def remember(
        self, texts: Sequence[NewMemory], scope: Scope, steps: Steps, *, request_id: str, durability: Durability
    ) -> list[Remembered]:
        """Stores texts, all or nothing, and says what became of each, in their order.

        Raises:
            NotFoundError: A memory to edit does not exist.
            InvalidInputError: An edited text is too long for one memory, or two texts are one memory with different fields.
            SchemaMismatchError: A collection holds vectors of another model.
        """
        try:
            return await self._remembered(texts, scope, steps, request_id, durability)
        except ConflictError as error:
            if error.reason != MOVED:
                raise
            # A source was renamed while this was under way; nothing was written.
        except SchemaMismatchError as error:
            if error.reason != FOREIGN:
                raise
            # A collection points to another generation by now; nothing was written.
            await steps.run(lambda deadline: self._embedders.learn(scope, deadline=deadline))
        return await self._remembered(texts, scope, steps, request_id, durability)

    async def _remembered(
        self, texts: Sequence[NewMemory], scope: Scope, steps: Steps, request_id: str, durability: Durability
    ) -> list[Remembered]:
        drafts = await self._drafts(texts, scope, steps)
        try:
            outcomes = await self._store(drafts, scope, steps, request_id, durability)
        except SchemaMismatchError as error:
            if error.reason != _DELETED_MEANWHILE:
                raise
            outcomes = await self._store(drafts, scope, steps, request_id, durability)
        return [_remembered(memories, outcomes) for memories in drafts.of_each]

    async def _drafts(self, texts: Sequence[NewMemory], scope: Scope, steps: Steps) -> _Drafts:
        texts = await self._completed(texts, scope, steps)
        texts, last_move = await self._with_origins(texts, scope, steps)
        encoders = await self._encoders(texts, steps)
        chunks = await self._cut(texts, encoders, steps)
        pairs = enumerate(zip(texts, chunks, strict=True))
        of_each = [_memories(new, cut, scope.tenant, _path(index)) for index, (new, cut) in pairs]
        _check_same(of_each)
        return _Drafts(of_each, frozenset(new.memory_id for new in texts if new.memory_id is not None), encoders, last_move)

    async def _with_origins(self, texts: Sequence[NewMemory], scope: Scope, steps: Steps) -> tuple[list[NewMemory], int | None]:
        """Fills in what the ids of texts with a source are derived from: a source may have been renamed."""
        sources: dict[str, list[str]] = {}
        for new in texts:
            if new.source and new.memory_id is None:
                sources.setdefault(new.collection, []).append(new.source)
        found: dict[str, SourceIds] = {}
        for collection, named in sources.items():
            found[collection] = await steps.run(
                lambda deadline, collection=collection, named=named: self._memory.source_ids(  # type: ignore[misc]
                    scope, collection, list(dict.fromkeys(named)), deadline=deadline
                )
            )
        last_moves = [ids.last_move for ids in found.values() if ids.last_move is not None]
        with_origins = [
            replace(new, source_id=found[new.collection].of(new.source)) if new.source and new.collection in found else new for new in texts
        ]
        return with_origins, min(last_moves, default=None)

    async def _encoders(self, texts: Sequence[NewMemory], steps: Steps) -> dict[str, Encoder]:
        return {
            name: await steps.run(lambda deadline, name=name: self._embedders.of_collection(name, deadline=deadline))  # type: ignore[misc]
            for name in dict.fromkeys(new.collection for new in texts)
        }

    async def _cut(self, texts: Sequence[NewMemory], encoders: Mapping[str, Encoder], steps: Steps) -> list[list[Chunk]]:
        chunks: list[list[Chunk]] = [[] for _ in texts]
        for fingerprint in dict.fromkeys(encoder.model.fingerprint for encoder in encoders.values()):
            places = [index for index, new in enumerate(texts) if encoders[new.collection].model.fingerprint == fingerprint]
            encoder = encoders[texts[places[0]].collection]
            uncut = [
                Uncut(new.text, new.title, new.speaker, _kind(new), whole=True, path=_path(index))
                for index, new in ((index, texts[index]) for index in places)
            ]
            for index, cut in zip(places, await self._cutter.cut(uncut, encoder, steps), strict=True):
                chunks[index] = cut
        return chunks

    async def _embedded(self, memories: Sequence[Memory], drafts: _Drafts, steps: Steps) -> dict[str, Embedded]:
        encoders, paths = drafts.encoders, drafts.paths
        bulk = len(memories) > self._interactive_text_count
        embedded: dict[str, Embedded] = {}
        for name in dict.fromkeys(memory.collection for memory in memories):
            own = [memory for memory in memories if memory.collection == name]
            embedded |= await self._writer.embed(own, encoders[name], steps, bulk=bulk, path_of=lambda memory: paths[memory.memory_id])
        return embedded

    async def _completed(self, texts: Sequence[NewMemory], scope: Scope, steps: Steps) -> list[NewMemory]:
        """Fills in what an edit leaves as it is."""
        ids = list(dict.fromkeys(new.memory_id for new in texts if new.memory_id is not None))
        if not ids:
            return list(texts)
        stored = await steps.run(lambda deadline: self._memory.known(scope, ids, deadline=deadline))
        return [_completed(new, stored, _path(index)) for index, new in enumerate(texts)]

    async def _store(
        self,
        drafts: _Drafts,
        scope: Scope,
        steps: Steps,
        request_id: str,
        durability: Durability,
    ) -> dict[str, RememberOutcome]:
        every = drafts.every
        stored = await steps.run(lambda deadline: self._memory.known(scope, [memory.memory_id for memory in every], deadline=deadline))
        found = differences(every, stored)
        outcomes = {memory.memory_id: RememberOutcome.KNOWN for memory in every}
        # With a request id everything goes to memory, which knows whether it was asked before.
        due = [memory for memory, difference in found if request_id or difference is not Difference.NONE]
        if not due:
            return outcomes
        _check_count(len(due))
        collections = list(dict.fromkeys(memory.collection for memory, difference in found if difference is Difference.NEW))
        to_embed = [memory for memory, difference in found if difference in (Difference.NEW, Difference.CONTENT)]
        # Neither needs the other: a wrong collection costs an embedding, a right one saves a wait.
        encoders = drafts.encoders
        embedding = self._embedded(to_embed, drafts, steps)
        checking = asyncio.gather(*(self._writer.find_collection(scope, name, encoders[name].model, steps) for name in collections))
        embedded, _ = await asyncio.gather(embedding, checking)
        writes = [
            write_of(memory, embedded.get(memory.memory_id), if_match=_MUST_EXIST if memory.memory_id in drafts.edited_ids else "")
            for memory in due
        ]

        async def upsert(deadline: Deadline) -> Written:
            return await self._memory.upsert(
                scope, writes, durability=durability, request_id=request_id, last_move=drafts.last_move, deadline=deadline
            )

        try:
            written = await steps.run(upsert)
        except NotFoundError:
            # Only now is it known that the request may leave something behind: it repeats no other one's id.
            for name in collections:
                await self._writer.ensure_collection(scope, name, encoders[name].model, steps)
            written = await steps.run(upsert)
        outcomes.update((memory.memory_id, RememberOutcome(outcome)) for memory, outcome in zip(due, written.outcomes, strict=True))
        return outcomes


def _path(index: int) -> str:
    return f"memories[{index}]"


def _completed(new: NewMemory, stored: Mapping[str, Memory], path: str) -> NewMemory:
    if new.memory_id is None:
        return new
    old = stored.get(new.memory_id)
    if old is None:
        raise NotFoundError(f"{path}.memory_id {new.memory_id} does not exist", field=f"{path}.memory_id", memory_id=new.memory_id)
    if new.collection_named and new.collection != old.collection:
        raise InvalidInputError(
            f"{path}.collection is {new.collection!r}; memory {new.memory_id} is in {old.collection!r}, and an edit does not move it",
            field=f"{path}.collection",
            collection=new.collection,
            stored_collection=old.collection,
        )
    return NewMemory(
        text=new.text,
        collection=new.collection if new.collection_named else old.collection,
        collection_named=True,
        memory_id=new.memory_id,
        domain=new.domain or old.domain,
        speaker=new.speaker or old.speaker,
        title=new.title or old.title,
        source=new.source or old.source,
        kind=new.kind or old.kind,
        event_time=new.event_time or old.event_time,
        metadata=old.metadata if new.metadata is None else new.metadata,
    )


def _memories(new: NewMemory, chunks: Sequence[Chunk], tenant: str, path: str) -> list[Memory]:
    if new.memory_id is not None:
        if len(chunks) > 1:
            pieces = sum(chunk.piece_count for chunk in chunks)
            raise InvalidInputError(
                f"{path}.text holds about {pieces} word pieces, too many for the one memory that is edited; it would become {len(chunks)}",
                field=f"{path}.text",
                piece_count=pieces,
                chunk_count=len(chunks),
            )
        return [_memory(new, new.memory_id, new.text.strip(), None)]
    if not chunks:
        raise InvalidInputError(f"{path}.text holds nothing that the encoder reads", field=f"{path}.text")
    if len(chunks) == 1:
        text = chunks[0].text.strip()
        return [_memory(new, _whole_id(new, text, tenant), text, None)]
    return _cut_memories(new, chunks, tenant)


def _cut_memories(new: NewMemory, chunks: Sequence[Chunk], tenant: str) -> list[Memory]:
    document_id = _whole_id(new, new.text.strip(), tenant)
    seen: Counter[str] = Counter()
    memories: list[Memory] = []
    for chunk in chunks:
        # The whole text stands for the source that it does not have.
        identity = identity_text(chunk.text, _kind(new))
        chunk_id = memory_id(tenant, new.collection, new.origin or document_id, identity, seen[identity])
        seen[identity] += 1
        place = Place(document_id=document_id, ordinal=chunk.ordinal, begin=chunk.begin, end=chunk.end)
        memories.append(_memory(new, chunk_id, chunk.text, place))
    return memories


def _whole_id(new: NewMemory, text: str, tenant: str) -> str:
    # What is said is identified by who said it and when, also where its source is known: a chat holds many an "ok".
    if new.source and not new.speaker and new.event_time is None:
        return memory_id(tenant, new.collection, new.origin, text, 0)
    said_in = f"{new.origin}\n{text}" if new.source else text
    return remembered_id(tenant, new.collection, said_in, new.speaker, new.event_time)


def _memory(new: NewMemory, new_id: str, text: str, place: Place | None) -> Memory:
    return Memory(
        memory_id=new_id,
        collection=new.collection,
        text=text,
        domain=new.domain,
        title=new.title,
        speaker=new.speaker,
        source=new.source,
        place=place,
        kind=_kind(new),
        event_time=new.event_time,
        metadata=new.metadata or {},
    )


def _kind(new: NewMemory) -> Kind:
    return new.kind or (Kind.MESSAGE if new.speaker else Kind.TEXT)


def _check_same(of_each: Sequence[Sequence[Memory]]) -> None:
    first: dict[str, tuple[int, Memory]] = {}
    for index, memories in enumerate(of_each):
        for memory in memories:
            known_index, known = first.setdefault(memory.memory_id, (index, memory))
            if known != memory:
                raise InvalidInputError(
                    f"memories[{index}] and memories[{known_index}] are the same memory {memory.memory_id} with different fields",
                    field=f"memories[{index}]",
                    memory_id=memory.memory_id,
                )


def _check_count(count: int) -> None:
    if count > MAX_IDS:
        raise InvalidInputError(
            f"memories make {count} chunks; at most {MAX_IDS} are stored at once: use Ingest",
            field="memories",
            count=count,
            max_count=MAX_IDS,
        )


def _remembered(memories: Sequence[Memory], outcomes: Mapping[str, RememberOutcome]) -> Remembered:
    ids = tuple(memory.memory_id for memory in memories)
    different = {outcomes[memory_id] for memory_id in ids}
    outcome = different.pop() if len(different) == 1 else RememberOutcome.CHANGED
    return Remembered(memory_ids=ids, outcome=outcome, collection=memories[0].collection)
