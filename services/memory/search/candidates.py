"""Finds the candidates of a query: both branches of every collection, one pool, its payloads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from atlas.salience import Worth

from ..catalog import collections as catalog
from ..catalog.collections import Collection
from ..filters import domains_asked
from ..ledger.records import Learnt
from ..memories.drafts import DenseVector
from ..memories.upserts import check_vector
from ..persistence.database import Database
from ..scopes import Scope
from ..store import Best, SearchRequest, Store, StoreFilter
from .analyzer import Analyzer, languages_that_matter
from .contents import ContentCache, PoolContents, Reading
from .query import Found, Places, PoolMember, united


class SalienceOf(Protocol):
    """Reads what was learnt about a tenant's memories."""

    def __call__(self, tenant: str, memory_ids: Sequence[str], rest_ids: Sequence[str] = ()) -> Awaitable[Learnt]:
        """Reads all about `memory_ids`, and of `rest_ids` the log-odds alone: they are many, and few are shown."""
        ...


WHOLE_POOL = 100
"""Least depth of a branch: candidates from one branch alone are found up to here."""


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query."""

    scope: Scope
    collections: tuple[str, ...]
    """Names without repetition; empty = all that "search all" includes."""
    text: str
    dense: DenseVector | None
    fragmentation: float
    condition: StoreFilter | None
    candidate_count: int
    other_vectors: tuple[DenseVector, ...] = ()
    """The same query in the spaces of further models, each of another fingerprint than `dense`."""
    places: Places = field(default_factory=Places)
    """Places beyond the clean pool."""

    def vector_for(self, collection: Collection) -> DenseVector | None:
        """Returns the vector of the collection's own space, else the first one; None if the query has none."""
        own = collection.spaces.dense.fingerprint
        return next((vector for vector in self.other_vectors if vector.fingerprint == own), self.dense)


@dataclass(frozen=True, slots=True)
class Searched:
    """A collection as it was searched."""

    collection: Collection
    memory_count: int
    domain_known: bool
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of the pool with what it says."""

    member: PoolMember
    content: bytes
    """A `Memory` message without collection and salience, encoded."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Answer to a query."""

    candidates: tuple[Candidate, ...]
    searched: tuple[Searched, ...]
    known: Mapping[str, Worth]
    """What has been learnt of the candidates, by memory id; empty where it was not asked for."""


class SearchedCollections:
    """What queries need of the catalog: read anew only after the catalog changed."""

    def __init__(self, database: Database, *, capacity: int = 256) -> None:
        """Remembers what at most `capacity` kinds of query need."""
        self._database = database
        self._capacity = capacity
        self._version = -1
        self._known: dict[Hashable, list[Searched]] = {}

    async def of(self, query: Query) -> list[Searched]:
        """Returns the collections that a query is about.

        Raises:
            NotFoundError: A named collection does not exist.
        """
        version = self._database.catalog_version
        if version != self._version:
            self._version, self._known = version, {}
        key = (query.scope.tenant, query.collections, domains_asked(query.condition), query.scope.domains)
        found = self._known.get(key)
        if found is None:
            found = await self._database.read(lambda connection: _searched(connection, query))
            # What was read while the catalog changed may be older than the change.
            if version == self._version == self._database.catalog_version and len(self._known) < self._capacity:
                self._known[key] = found
        return found


class CandidateFinder:
    """Runs queries; changes nothing."""

    def __init__(self, database: Database, store: Store, analyzer: Analyzer, contents: ContentCache, *, depth: int = WHOLE_POOL) -> None:
        self._collections = SearchedCollections(database)
        self._store = store
        self._analyzer = analyzer
        self._contents = contents
        self._depth = depth

    async def find(self, query: Query, *, timeout_s: float, salience_of: SalienceOf | None = None) -> Candidates:
        """Returns the pool of a query, best first; `salience_of` is asked about it while the store reads what the pool says.

        Raises:
            NotFoundError: A named collection does not exist.
            InvalidInputError: The vector does not fit a collection.
            SchemaMismatchError: The vector's fingerprint is not a collection's.
            DependencyDownError: The engine is away.
        """
        searched = await self._collections.of(query)
        for one in searched:
            if (dense := query.vector_for(one.collection)) is not None:
                check_vector(dense, one.collection, field="vectors[0]")
        with self._contents.reading() as reading:
            return await self._found(query, searched, reading, timeout_s, salience_of)

    async def _found(
        self, query: Query, searched: Sequence[Searched], reading: Reading, timeout_s: float, salience_of: SalienceOf | None
    ) -> Candidates:
        requests = [request for one in searched if (request := self._request(query, one, alone=len(searched) == 1)) is not None]
        found = []
        if requests:
            names = {one.collection.generation: one.collection.name for one in searched}
            results = await self._store.search(requests, timeout_s=timeout_s)
            found = [Found(names[request.generation], result) for request, result in zip(requests, results, strict=True)]
        union = united(found, fragmentation=query.fragmentation, candidate_count=query.candidate_count)
        clean, places, tenant = union.clean, query.places, query.scope.tenant
        contents = PoolContents(self._store, self._contents, reading, found, {one.collection.name: one.collection for one in searched})
        # What salience may bring in has to be known of all that was found, in one read.
        rest_ids = union.rest_ids if places.extended_count else ()
        said, learnt = await asyncio.gather(contents.of(clean, timeout_s=timeout_s), _learnt(salience_of, tenant, _ids(clean), rest_ids))
        candidates = _saying(clean, said)
        known = learnt.known
        if places.any and (guests := union.guests(learnt.log_odds, places)):
            said, late = await asyncio.gather(contents.of(guests, timeout_s=timeout_s), _learnt(salience_of, tenant, _ids(guests)))
            candidates, known = candidates + _saying(guests, said), {**known, **late.known}
        return Candidates(candidates, tuple(searched), known)

    def _request(self, query: Query, searched: Searched, *, alone: bool) -> SearchRequest | None:
        terms = self._analyzer.analyze_query(query.text, searched.languages) if query.text else ()
        dense = query.vector_for(searched.collection)
        if dense is None and not terms:
            return None
        return SearchRequest(
            index=searched.collection.index,
            generation=searched.collection.generation,
            dense=dense.values if dense is not None else None,
            terms=terms,
            filter=query.scope.narrowed(query.condition),
            depth=max(self._depth, query.candidate_count),
            # What salience or chance may bring in is chosen among all.
            best=None if query.places.any else Best(query.candidate_count, query.fragmentation),
            # Of several searches most hits end up outside the pool: their points would be read for nothing.
            with_points=alone and not query.places.any and self._contents.lacks_often,
        )


async def _learnt(salience_of: SalienceOf | None, tenant: str, memory_ids: Sequence[str], rest_ids: Sequence[str] = ()) -> Learnt:
    return Learnt({}, {}) if salience_of is None or not (memory_ids or rest_ids) else await salience_of(tenant, memory_ids, rest_ids)


def _saying(pool: Sequence[PoolMember], contents: Sequence[bytes | None]) -> tuple[Candidate, ...]:
    # A memory that was deleted since the search has none.
    return tuple(Candidate(member, content) for member, content in zip(pool, contents, strict=True) if content is not None)


def _ids(pool: Sequence[PoolMember]) -> list[str]:
    return [member.hit.memory_id for member in pool]


def _searched(connection: sqlite3.Connection, query: Query) -> list[Searched]:
    tenant = query.scope.tenant
    if query.collections:
        collections = [
            catalog.get_collection(connection, tenant, name, field=f"collections[{index}]") for index, name in enumerate(query.collections)
        ]
    else:
        collections = catalog.searchable_collections(connection, tenant)
    return [_with_counts(connection, query, collection) for collection in collections]


def _with_counts(connection: sqlite3.Connection, query: Query, collection: Collection) -> Searched:
    languages = catalog.languages_of(connection, collection.generation)
    asked, seen = domains_asked(query.condition), query.scope.domains
    return Searched(
        collection=collection,
        memory_count=catalog.count_in(connection, collection.generation, seen) if seen else sum(languages.values()),
        domain_known=not (asked or seen) or catalog.count_in(connection, collection.generation, _both(asked, seen)) > 0,
        languages=languages_that_matter(languages),
    )


def _both(asked: frozenset[str], seen: frozenset[str]) -> frozenset[str]:
    return asked & seen if asked and seen else asked | seen
