"""Keeps the token vectors of passages, which do not depend on the query, up to a number of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge

_ENTRY_BYTES = 512
"""About what an entry takes beside its vectors."""


@dataclass(frozen=True, slots=True)
class PassageTokens:
    """An encoded passage."""

    vectors: NDArray[np.floating]
    """[T, D], unit rows; half precision where the cache keeps them."""
    token_count: int
    """Word pieces of the whole text, special tokens included."""
    truncated: bool
    """Whether the end of the text was not read."""


class TokenCache:
    """Least recently used passages leave first. Belongs to one event loop."""

    def __init__(self, *, fingerprint: str, max_bytes: int, registry: CollectorRegistry) -> None:
        self.max_bytes = max_bytes
        """Most bytes that are kept."""
        self._salt = hashlib.sha256(fingerprint.encode()).digest()
        self._entries: LRUCache[bytes, PassageTokens] = LRUCache(max_bytes, getsizeof=_size_bytes)
        self._hits = Counter("atlas_reranker_token_cache_hits", "Passages whose token vectors were known.", registry=registry)
        self._misses = Counter("atlas_reranker_token_cache_misses", "Passages that had to be encoded.", registry=registry)
        held = Gauge("atlas_reranker_token_cache_bytes", "Bytes of the token vectors that are kept.", registry=registry)
        held.set_function(lambda: self._entries.currsize)

    def key(self, text: str) -> bytes:
        """Key of a text in this space of vectors: the space and the text's SHA-256."""
        return self._salt + hashlib.sha256(text.encode()).digest()

    def forget(self, content_sha256s: Iterable[bytes]) -> int:
        """Drops passages by the SHA-256 of their texts and says how many there were."""
        return sum(self._entries.pop(self._salt + one, None) is not None for one in content_sha256s)

    def find(self, key: bytes) -> PassageTokens | None:
        """Looks a passage up, and counts a hit or a miss."""
        found = self._entries.get(key)
        (self._misses if found is None else self._hits).inc()
        return found

    def keep(self, key: bytes, passage: PassageTokens) -> None:
        """Keeps a passage, unless it is larger than the whole cache."""
        if _size_bytes(passage) <= self._entries.maxsize:
            self._entries[key] = passage


def _size_bytes(passage: PassageTokens) -> int:
    return passage.vectors.nbytes + _ENTRY_BYTES
