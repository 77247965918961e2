"""Keeps what memories say, so that a search need not read from the engine what an earlier one has shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cachetools import LRUCache
from prometheus_client import CollectorRegistry, Counter, Gauge

from ..catalog.collections import Collection
from ..memories.encoding import to_content
from ..operations import Operation, touched
from ..store import Store
from .query import Found, PoolMember

Key = tuple[str, str]
"""Generation and memory id."""

_ENTRY_BYTES = 400
"""About what an entry takes beside its content."""
_OFTEN = 0.5
"""Share of the contents of recent pools that had to be read, above which those of the next one had better come along with its hits: sent
for nothing they cost a search about what a read of its own does."""
_WEIGHT = 0.1
"""Weight of the last pool in that share."""


@dataclass(slots=True, eq=False)
class Reading:
    """A read of the store under way."""

    overtaken: set[tuple[str, str | None]] = field(default_factory=set)
    """What was being written when it began or later: what it reads of that may be of before. None = all of a generation."""

    def is_current(self, key: Key) -> bool:
        """Whether what it read of a memory is what the store holds."""
        return key not in self.overtaken and (key[0], None) not in self.overtaken


class ContentCache:
    """Contents by memory: a `Memory` message without collection and salience, encoded. The least recently used leave first.

    Every write to the store goes through `changing`, so that what is kept is what the store holds. Belongs to one event loop.
    """

    def __init__(self, *, max_bytes: int, registry: CollectorRegistry) -> None:
        """Keeps at most `max_bytes`; 0 keeps nothing."""
        self._entries: LRUCache[Key, bytes] = LRUCache(max_bytes, getsizeof=_size_bytes)
        self._readings: set[Reading] = set()
        self._changing: list[Sequence[tuple[str, str | None]]] = []
        self._lacking_share = 1.0
        self._hits = Counter("atlas_memory_content_cache_hits", "Candidates whose content was known.", registry=registry)
        self._misses = Counter("atlas_memory_content_cache_misses", "Candidates whose content had to be read.", registry=registry)
        held = Gauge("atlas_memory_content_cache_bytes", "Bytes of the contents that are kept.", registry=registry)
        held.set_function(lambda: self._entries.currsize)

    @property
    def lacks_often(self) -> bool:
        """Whether so many contents of recent pools had to be read that those of the next one had better come along with its hits."""
        return self._lacking_share > _OFTEN

    def find(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Looks the contents of a pool up, and counts hits and misses."""
        found = [self._entries.get(key) for key in keys]
        lacking = found.count(None)
        self._hits.inc(len(keys) - lacking)
        self._misses.inc(lacking)
        if keys:
            self._lacking_share += _WEIGHT * (lacking / len(keys) - self._lacking_share)
        return found

    def keep(self, reading: Reading, key: Key, content: bytes) -> None:
        """Keeps what was read, unless it may be out of date or is larger than all that may be kept."""
        if reading.is_current(key) and _size_bytes(content) <= self._entries.maxsize:
            self._entries[key] = content

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Reads from the store for the length of the block."""
        reading = Reading({one for changed in self._changing for one in changed})
        self._readings.add(reading)
        try:
            yield reading
        finally:
            self._readings.discard(reading)

    @contextmanager
    def changing(self, operations: Sequence[Operation]) -> Iterator[None]:
        """Writes to the store for the length of the block: what is written is forgotten, and not kept from reads that overlap."""
        changed = [one for operation in operations for one in touched(operation)]
        self._changing.append(changed)
        for reading in self._readings:
            reading.overtaken.update(changed)
        self._forget(changed)
        try:
            yield
        finally:
            self._changing.remove(changed)

    def _forget(self, changed: Sequence[tuple[str, str | None]]) -> None:
        if not self._entries:
            return
        for generation, memory_id in changed:
            gone = [(generation, memory_id)] if memory_id is not None else [key for key in self._entries if key[0] == generation]
            for key in gone:
                self._entries.pop(key, None)


class PoolContents:
    """What the members of one search's pool say: known from an earlier search, come along with the hits, or read now."""

    def __init__(
        self, store: Store, cache: ContentCache, reading: Reading, found: Sequence[Found], collections: Mapping[str, Collection]
    ) -> None:
        """Takes what was found in which collections, by name; `reading` began before the store was asked."""
        self._store = store
        self._cache = cache
        self._reading = reading
        self._points = {one.collection: {point.memory_id: point for point in one.result.points} for one in found}
        self._collections = collections

    async def of(self, pool: Sequence[PoolMember], *, timeout_s: float) -> list[bytes | None]:
        """Returns the content of each member; None for a memory that was deleted since the search."""
        keys = [(self._collections[member.collection].generation, member.hit.memory_id) for member in pool]
        contents = self._cache.find(keys)
        if None not in contents:
            return contents
        await self._read([member for member, content in zip(pool, contents, strict=True) if content is None], timeout_s)
        return [content or self._new(key, member.collection) for key, member, content in zip(keys, pool, contents, strict=True)]

    async def _read(self, lacking: Sequence[PoolMember], timeout_s: float) -> None:
        """Reads the points that did not come along."""
        wanted: dict[str, list[str]] = {}
        for member in lacking:
            if member.hit.memory_id not in self._points[member.collection]:
                wanted.setdefault(member.collection, []).append(member.hit.memory_id)
        asked = [self._collections[name] for name in wanted]
        reads = (self._store.retrieve(one.index, one.generation, wanted[one.name], timeout_s=timeout_s) for one in asked)
        for one, read in zip(asked, await asyncio.gather(*reads), strict=True):
            self._points[one.name].update(read)

    def _new(self, key: Key, collection: str) -> bytes | None:
        """Encodes what was read, and keeps it."""
        generation, memory_id = key
        point = self._points[collection].get(memory_id)
        if point is None:
            return None
        content = to_content(memory_id, point.payload, generation=generation)
        self._cache.keep(self._reading, key, content)
        return content


def _size_bytes(content: bytes) -> int:
    return len(content) + _ENTRY_BYTES
