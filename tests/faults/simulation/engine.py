"""A store that is a dictionary: takes its time, dies between two messages, and keeps of what was not flushed what the seed says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from atlas.errors import DependencyDownError, NotFoundError, UnsupportedError
from atlas.failpoints import failpoint
from services.memory.store import (
    READ_TIMEOUT_S,
    BranchHit,
    BranchResult,
    DeleteGeneration,
    DeletePoints,
    IndexSpec,
    Operation,
    Page,
    Point,
    ReplacePayloads,
    Replay,
    SalienceProjection,
    SearchRequest,
    StoredPoint,
    StoreFilter,
    StoreState,
    UpsertPoints,
)

Key = tuple[str, str, str]
"""Index, generation, memory id."""


@dataclass
class Shelf:
    """What the engine keeps beyond its process."""

    specs: dict[str, IndexSpec] = field(default_factory=dict)
    points: dict[Key, Point] = field(default_factory=dict)
    unflushed: dict[Key, list[Point | None]] = field(default_factory=dict)
    """Of what changed since the flush: what was flushed, then every later version; None = not there."""

    def put(self, key: Key, point: Point | None) -> None:
        self.unflushed.setdefault(key, [self.points.get(key)]).append(point)
        if point is None:
            self.points.pop(key, None)
        else:
            self.points[key] = point

    def cut(self, chance: random.Random) -> None:
        """Loses power: of each point that changed, any version since the flush is there."""
        for key, versions in self.unflushed.items():
            kept = chance.choice(versions)
            if kept is None:
                self.points.pop(key, None)
            else:
                self.points[key] = kept
        self.unflushed = {}


class ModelEngine:
    """`Store` over a shelf."""

    def __init__(self, shelf: Shelf, chance: random.Random, *, death: float) -> None:
        """Starts over what the shelf holds; `death` is the chance that it dies at a message."""
        self.on_restart: Replay | None = None
        self.state = StoreState.SERVING
        self.deaths = 0
        self._shelf = shelf
        self._chance = chance
        self._death = death
        self._ways = random.Random("ways of searches, which leave the order of everything else as it is")
        self._ensured: set[str] = set()
        self._back = asyncio.Event()
        self._back.set()
        self._restarting: asyncio.Task[None] | None = None

    def check(self, operations: Sequence[Operation]) -> None:
        """Takes what the real stores take; vectors are the callers' affair here."""

    async def ensure_index(self, spec: IndexSpec) -> bool:
        await self._turn()
        created = spec.name not in self._shelf.specs
        self._shelf.specs[spec.name] = spec
        self._ensured.add(spec.name)
        return created

    async def apply(self, operations: Sequence[Operation]) -> None:
        await self._turn()
        await self._apply(operations)

    async def _apply(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            await asyncio.sleep(self._chance.expovariate(2000))
            if self._chance.random() < self._death:
                self._die()
                raise DependencyDownError("the model engine died", reason="ENGINE_DOWN")
            failpoint("engine.operation.before")
            self._put(operation)
            failpoint("engine.operation.after")

    def _put(self, operation: Operation) -> None:
        shelf, index = self._shelf, operation.index
        match operation:
            case UpsertPoints(_, points):
                for point in points:
                    shelf.put((index, point.generation, point.memory_id), point)
            case ReplacePayloads(_, generation, payloads):
                for memory_id, payload in payloads.items():
                    key = (index, generation, memory_id)
                    if (old := shelf.points.get(key)) is not None:
                        vectors = (old.dense, old.sparse_indices, old.sparse_values)
                        shelf.put(key, Point(memory_id, generation, *vectors, payload))
            case DeletePoints(_, generation, memory_ids):
                for memory_id in memory_ids:
                    shelf.put((index, generation, memory_id), None)
            case DeleteGeneration(_, generation):
                for key in [key for key in shelf.points if key[:2] == (index, generation)]:
                    shelf.put(key, None)

    async def project(self, projections: Sequence[SalienceProjection]) -> None:
        await self._turn()
        for projection in projections:
            for memory_id, value in projection.values.items():
                await asyncio.sleep(self._chance.expovariate(4000))
                key = (projection.index, projection.generation, memory_id)
                old = self._shelf.points.get(key)
                if old is None or value.sequence <= old.payload.get("salience_seq", -1):
                    continue
                written = {"salience": value.salience, "last_retrieved_us": value.last_retrieved_us, "salience_seq": value.sequence}
                vectors = (old.dense, old.sparse_indices, old.sparse_values)
                self._shelf.put(key, Point(memory_id, projection.generation, *vectors, {**old.payload, **written}))

    async def flush(self) -> None:
        await self._turn()
        await asyncio.sleep(self._chance.expovariate(100))
        failpoint("engine.flush.before")
        self._shelf.unflushed = {}
        failpoint("engine.flush.after")

    async def retrieve(
        self, index: str, generation: str, memory_ids: Sequence[str], *, with_vectors: bool = False, timeout_s: float = READ_TIMEOUT_S
    ) -> dict[str, StoredPoint]:
        await self._turn(index)
        return {
            one: StoredPoint(one, dict(point.payload)) for one in memory_ids if (point := self._shelf.points.get((index, generation, one)))
        }

    async def scroll(
        self,
        index: str,
        generation: str,
        condition: StoreFilter | None,
        *,
        limit: int,
        after: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Page:
        await self._turn(index)
        ids = self._ids(index, generation, condition)
        begin = 0 if after is None else ids.index(after)
        points = tuple(StoredPoint(one, dict(self._shelf.points[index, generation, one].payload)) for one in ids[begin : begin + limit])
        return Page(points, ids[begin + limit] if begin + limit < len(ids) else None)

    async def count(self, index: str, generation: str, condition: StoreFilter | None, *, timeout_s: float = READ_TIMEOUT_S) -> int:
        await self._turn(index)
        return len(self._ids(index, generation, condition))

    async def search(self, requests: Sequence[SearchRequest], *, timeout_s: float = READ_TIMEOUT_S) -> list[BranchResult]:
        """Finds every point of a generation, all alike; what it saw is a while under way."""
        results = []
        for request in requests:
            await self._turn(request.index)
            await asyncio.sleep(self._ways.expovariate(2000))
            ids = self._ids(request.index, request.generation, None)
            points = [StoredPoint(one, dict(self._shelf.points[request.index, request.generation, one].payload)) for one in ids]
            hits = [BranchHit(one.memory_id, one.payload["content_kind"], 0.5, 0.0, rank, None) for rank, one in enumerate(points, 1)]
            results.append(BranchResult(tuple(hits), 0.0, 0.0, tuple(points) if request.with_points else ()))
            await asyncio.sleep(self._ways.expovariate(500))
        return results

    async def facet(
        self, index: str, generation: str, key: str, condition: StoreFilter | None, *, timeout_s: float = READ_TIMEOUT_S
    ) -> dict[str, int]:
        raise UnsupportedError("the model engine does not count by field")

    async def purge(self, index: str) -> bool:
        await self._turn(index)
        return True

    def abandon(self) -> None:
        """Is gone: whatever still calls reaches nothing."""
        self._shelf = Shelf()

    def _ids(self, index: str, generation: str, condition: StoreFilter | None) -> list[str]:
        if condition is not None:
            raise UnsupportedError("the model engine does not filter")
        return sorted(memory_id for one, other, memory_id in self._shelf.points if (one, other) == (index, generation))

    async def _turn(self, index: str | None = None) -> None:
        await self._back.wait()
        if index is not None and index not in self._ensured:
            raise NotFoundError(f"index {index!r} was not ensured")

    def _die(self) -> None:
        """Ends as a killed process does: what was applied is in its log."""
        self.deaths += 1
        self.state = StoreState.RESTARTING
        self._back.clear()
        self._restarting = asyncio.ensure_future(self._restart())

    async def _restart(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.05, 2.0))
            try:
                if self.on_restart is not None:
                    await self.on_restart(self._replayed)
            except DependencyDownError:
                continue
            self.state = StoreState.SERVING
            self._back.set()
            return

    async def _replayed(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            await asyncio.sleep(self._chance.expovariate(4000))
            self._put(operation)
