"""Compares the generation that is being filled with the one that serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from atlas.deadlines import Deadline
from atlas.errors import ConflictError
from atlas.failpoints import failpoint

from ..catalog import collections as catalog
from ..catalog import memory_rows
from ..catalog.collections import Collection
from ..persistence import journal
from ..persistence.database import Database
from ..persistence.durability import Durability
from ..persistence.writer import Writer, Written
from ..store import BranchResult, SearchRequest, Store, StoredPoint
from . import due, operation_rows, roles
from .changes import no_migration
from .holds import WriteHolds
from .roles import Generation

LEAST_RECALL = 0.99
"""Share of the sample that has to find itself; what is missing are texts that another memory repeats."""
NEIGHBOURS = 10
"""How many nearest memories are compared."""
_BATCH = 32
_HOLDS_S = (2.0, 2.0, 4.0, 8.0)
"""Longest that writes wait while points are counted, try by try; a count during which one came counts nothing."""
_SAME_COSINE = 1e-4
"""Cosines closer than this are equal: vectors may be stored with 8 bits."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How two generations compare."""

    source: Generation
    target: Generation
    memory_count: int
    source_count: int
    target_count: int
    due_count: int
    failed_count: int
    """Of these, those that could not be embedded."""
    sample_count: int
    sample_recall: float
    """Share of the sample that its own vector finds first, [0, 1]; 1 for an empty collection."""
    neighbour_overlap: float
    """Mean share of the nearest that both have in common, [0, 1]; 1 for an empty collection."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Why the target may not take over, in sentences; what was written of late is not among it, since the switch embeds that."""
        found: list[str] = []
        if self.failed_count:
            found.append(f"{self.failed_count} memories could not be embedded")
        if self.source_count != self.memory_count:
            found.append(f"the generation that serves has {self.source_count} points for {self.memory_count} memories")
        # What is due may still have the vector of its older text.
        if not self.memory_count - self.due_count <= self.target_count <= self.memory_count:
            found.append(
                f"the new generation has {self.target_count} points for {self.memory_count} memories, of which {self.due_count} are due"
            )
        if self.sample_recall < LEAST_RECALL:
            found.append(f"{self.sample_recall:.3f} of the sample finds itself; {LEAST_RECALL} is needed")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Subject:
    collection: Collection
    source: Generation
    target: Generation
    memory_count: int
    due: due.DueCount
    sample: tuple[str, ...]


class Verifier:
    """Runs verifications; notes their outcome."""

    def __init__(self, database: Database, store: Store, writer: Writer, holds: WriteHolds) -> None:
        self._database = database
        self._store = store
        self._writer = writer
        self._holds = holds

    async def verify(self, tenant: str, name: str, *, sample_count: int, begin: str, deadline: Deadline) -> Verification:
        """Compares counts, then looks up `sample_count` memories, those whose ids follow `begin`; writes wait while it counts.

        Raises:
            NotFoundError: The collection does not exist.
            SchemaMismatchError: None of its generations is being filled.
            ConflictError: Writes came in the course of every count.
        """
        subject, counts = await self._counted(tenant, name, sample_count, begin, deadline)
        target = subject.target
        failpoint("generation.verify.counted")
        looked_up = await self._looked_up(subject, deadline.remaining_s)
        verification = Verification(
            subject.source, target, subject.memory_count, *counts, subject.due.due, subject.due.failed, len(subject.sample), *looked_up
        )
        verified = not verification.findings
        await self._database.write(
            lambda connection: roles.mark_verified(connection, target.generation, verified=verified), durability=Durability.POWER_LOSS
        )
        failpoint("generation.verify.after")
        return replace(verification, target=replace(target, verified=verified))

    async def _counted(self, tenant: str, name: str, sample_count: int, begin: str, deadline: Deadline) -> tuple[_Subject, tuple[int, int]]:
        for hold_s in _HOLDS_S:
            self._holds.hold(tenant, name, hold_s=hold_s)
            try:
                # A write may have been let through before the hold, and a slow store may take longer than the hold lasts.
                seq = await self._database.read(journal.next_seq)
                # Once this is through, so is everything before it, into the engine.
                await self._writer.submit(lambda *_: Written(None), durability=Durability.PROCESS_CRASH, deadline=deadline)
                subject = await self._database.read(lambda connection: _subject(connection, tenant, name, sample_count, begin))
                counts = await self._count(subject.source, deadline), await self._count(subject.target, deadline)
                if await self._database.read(journal.next_seq) == seq:
                    return subject, counts
            finally:
                self._holds.release(tenant, name)
        raise ConflictError(
            f"writes went on while the points of collection {name!r} were counted; verify again when there are fewer",
            reason="WRITES_WENT_ON",
            collection=name,
        )

    async def _count(self, generation: Generation, deadline: Deadline) -> int:
        return await self._store.count(generation.index, generation.generation, None, timeout_s=deadline.remaining_s)

    async def _looked_up(self, subject: _Subject, timeout_s: float) -> tuple[float, float]:
        found: dict[str, bool] = {}
        common: dict[str, float] = {}
        for begin in range(0, len(subject.sample), _BATCH):
            ids = subject.sample[begin : begin + _BATCH]
            in_source = await self._neighbours(subject.source, ids, timeout_s)
            in_target = await self._neighbours(subject.target, ids, timeout_s)
            for memory_id in ids:
                found[memory_id] = memory_id in in_target and _finds_itself(memory_id, in_target[memory_id])
                common[memory_id] = _overlap(in_source.get(memory_id), in_target.get(memory_id))
        # Nobody can find what was deleted meanwhile, and what was edited is to be embedded anew.
        same = await self._database.read(lambda connection: _unchanged(connection, subject))
        if not same:
            return 1.0, 1.0
        return sum(found[one] for one in same) / len(same), sum(common[one] for one in same) / len(same)

    async def _neighbours(self, generation: Generation, ids: Sequence[str], timeout_s: float) -> dict[str, BranchResult]:
        points = await self._store.retrieve(generation.index, generation.generation, ids, with_vectors=True, timeout_s=timeout_s)
        requests = [_request(generation, point) for point in points.values()]
        results = await self._store.search(requests, timeout_s=timeout_s) if requests else []
        return dict(zip(points, results, strict=True))


def _subject(connection: sqlite3.Connection, tenant: str, name: str, sample_count: int, begin: str) -> _Subject:
    collection = catalog.get_collection(connection, tenant, name, field="name")
    operation = operation_rows.operation_of(connection, tenant, name)
    target = None if operation is None else roles.find_other(connection, operation.generation)
    if target is None:
        raise no_migration(name)
    return _Subject(
        collection,
        roles.serving_generation(connection, collection),
        target,
        sum(catalog.languages_of(connection, collection.generation).values()),
        due.count_due(connection, target.generation),
        _sample(connection, collection, target, sample_count, begin),
    )


def _sample(connection: sqlite3.Connection, collection: Collection, target: Generation, count: int, begin: str) -> tuple[str, ...]:
    # Ids are digests, so those that follow a random one are a random sample; behind the last come the first.
    ids: list[str] = []
    for condition in (">=", "<"):
        rows = connection.execute(
            f"SELECT memory_id FROM memory WHERE tenant = ? AND generation = ? AND memory_id {condition} ?"  # noqa: S608 - one of two constants
            " AND memory_id NOT IN (SELECT memory_id FROM generation_due WHERE generation = ?) ORDER BY memory_id LIMIT ?",
            (collection.tenant, collection.generation, begin, target.generation, count - len(ids)),
        )
        ids.extend(memory_id for (memory_id,) in rows)
    return tuple(ids)


def _unchanged(connection: sqlite3.Connection, subject: _Subject) -> list[str]:
    rows = memory_rows.find_rows(connection, subject.collection.tenant, subject.sample)
    changed = due.due_among(connection, subject.target.generation, subject.sample)
    return [one for one in subject.sample if one in rows and one not in changed]


def _request(generation: Generation, point: StoredPoint) -> SearchRequest:
    return SearchRequest(index=generation.index, generation=generation.generation, dense=point.dense, terms=(), depth=NEIGHBOURS)


def _finds_itself(memory_id: str, result: BranchResult) -> bool:
    best = max((hit.similarity or 0.0 for hit in result.hits), default=0.0)
    return any(hit.memory_id == memory_id and (hit.similarity or 0.0) >= best - _SAME_COSINE for hit in result.hits)


def _overlap(source: BranchResult | None, target: BranchResult | None) -> float:
    if source is None or target is None:
        return 0.0
    old, new = ({hit.memory_id for hit in result.hits} for result in (source, target))
    return len(old & new) / max(1, min(len(old), len(new)))
