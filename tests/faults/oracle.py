"""Callers of the memory service that note each acknowledgement, and the comparison of what is stored with what was acknowledged.

All of it on the level of the contract: nothing here knows how memory keeps anything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from atlas import tensors
from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import salience_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import FINGERPRINT, Memory, id_of, query, scope, upsert, vector_of, write

OUTAGE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
"""What a caller is told while a process is away."""
CALL_S = 15.0
HALF_LIFE_S = 20 * 86_400.0
COLLECTION = "notes"
CRASH, POWER = type_pb2.DURABILITY_PROCESS_CRASH, type_pb2.DURABILITY_POWER_LOSS


@dataclass(frozen=True)
class Happened:
    """One acknowledged piece of evidence."""

    relevance: float
    time_s: float


@dataclass
class Known:
    """What was acknowledged about one memory."""

    text: str
    events: list[Happened] = field(default_factory=list)


@dataclass
class Oracle:
    """What was acknowledged."""

    memories: dict[str, Known] = field(default_factory=dict)
    """By the memory's name."""
    acknowledged: int = 0
    event_count: int = 0
    repeated: int = 0
    """Calls that were made again because a process was away."""
    duplicates: int = 0
    """Events that were sent again although they had been acknowledged."""


class ViolationError(AssertionError):
    """Something that was acknowledged is not so."""


def require(truth: object, message: str) -> None:
    if not truth:
        raise ViolationError(message)


@dataclass
class Caller:
    """One caller with memories of its own, one call after the other."""

    memory: Memory
    oracle: Oracle
    name: str
    chance: random.Random
    clock: Callable[[], float]
    names: int = 24
    most: int = 40
    """Most memories of one call; above 32 the front sends several messages to the engine."""
    step: int = 0
    running: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        """Calls for ever; stands still, with nothing under way, while `running` is not set."""
        while True:
            if not self.running.is_set():
                self.idle.set()
                await self.running.wait()
                self.idle.clear()
            await self.act()

    async def pause(self) -> None:
        """Lets the call under way be acknowledged, and stands still."""
        self.running.clear()
        await self.idle.wait()

    async def act(self) -> None:
        """Makes one call, until it is acknowledged."""
        self.step += 1
        chosen = self.chance.random()
        if chosen < 0.45:
            await self._upsert()
        elif chosen < 0.6:
            await self._delete()
        else:
            await self._record()
        self.oracle.acknowledged += 1

    async def _until_acknowledged(self, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in OUTAGE:
                    raise
                self.oracle.repeated += 1
                await asyncio.sleep(0.02)

    def _chosen(self, most: int) -> list[str]:
        count = self.chance.choice((1, 1, 2, most))
        return list(dict.fromkeys(f"{self.name}-{self.chance.randrange(self.names)}" for _ in range(count)))

    async def _upsert(self) -> None:
        names = self._chosen(self.most)
        texts = {name: f"text {name} of step {self.step}" for name in names}
        request = upsert(
            *(write(name, text) for name, text in texts.items()),
            request_id=f"{self.name}-{self.step}",
            durability=self.chance.choice((CRASH, POWER)),
        )
        answer = await self._until_acknowledged(lambda: self.memory.memories.UpsertMemories(request, timeout=CALL_S, wait_for_ready=True))
        known = self.oracle.memories
        outcomes = [pb.WRITE_OUTCOME_CHANGED if name in known else pb.WRITE_OUTCOME_NEW for name in names]
        require([each.outcome for each in answer.results] == outcomes, f"{self.name}: outcomes of step {self.step} are not what it did")
        for name, text in texts.items():
            known.setdefault(name, Known(text)).text = text

    async def _delete(self) -> None:
        names = self._chosen(6)
        ids = pb.DeleteMemoriesRequest.Ids(memory_ids=[id_of(name) for name in names])
        durability = self.chance.choice((CRASH, POWER))
        request = pb.DeleteMemoriesRequest(scope=scope(), ids=ids, request_id=f"{self.name}-{self.step}", durability=durability)
        answer = await self._until_acknowledged(lambda: self.memory.memories.DeleteMemories(request, timeout=CALL_S, wait_for_ready=True))
        count = sum(self.oracle.memories.pop(name, None) is not None for name in names)
        require(answer.deleted_count == count, f"{self.name}: step {self.step} deleted {answer.deleted_count} memories, not {count}")

    async def _record(self) -> None:
        own = [name for name in self.oracle.memories if name.startswith(f"{self.name}-")]
        if not own:
            return
        names = self.chance.sample(own, min(len(own), self.chance.choice((1, 5, 20))))
        relevance = {name: round(self.chance.uniform(0.1, 0.9), 2) for name in names}
        request = self._evidence(names, relevance)
        time_s = request.search_time.ToNanoseconds() / 1e9
        answer = await self._until_acknowledged(lambda: self.memory.salience.RecordEvents(request, timeout=CALL_S, wait_for_ready=True))
        told = answer.accepted_count + answer.duplicate_count, len(answer.rejected)
        require(told == (len(names), 0), f"{self.name}: step {self.step} recorded {told}, not {(len(names), 0)}")
        for name in names:
            self.oracle.memories[name].events.append(Happened(relevance[name], time_s))
        self.oracle.event_count += len(names)
        if self.chance.random() < 0.3:
            again = await self._until_acknowledged(lambda: self.memory.salience.RecordEvents(request, timeout=CALL_S, wait_for_ready=True))
            require((again.accepted_count, again.duplicate_count) == (0, len(names)), f"{self.name}: step {self.step} counted twice")
            self.oracle.duplicates += len(names)

    def _evidence(self, names: list[str], relevance: dict[str, float]) -> salience_pb2.RecordEventsRequest:
        request = salience_pb2.RecordEventsRequest(
            scope=scope(),
            search_id=f"{self.name}-{self.step}",
            query=tensors.to_message(vector_of(f"question {self.chance.randrange(3)}")),
            fingerprint=FINGERPRINT,
            pool=[salience_pb2.PoolEntry(memory_id=id_of(name), collection=COLLECTION, rank=rank) for rank, name in enumerate(names, 1)],
            events=[
                salience_pb2.Event(
                    memory_id=id_of(name),
                    kind=salience_pb2.EVENT_KIND_RERANK,
                    raw_score=relevance[name],
                    relevance=relevance[name],
                    calibration_version="test",
                )
                for name in names
            ],
            durability=self.chance.choice((CRASH, POWER)),
        )
        request.search_time.FromNanoseconds(int(self.clock() * 1e9))
        return request


async def compare(memory: Memory, oracle: Oracle, now_s: float) -> None:
    """Compares catalog, engine and ledger with what was acknowledged; nobody may be writing.

    Raises:
        ViolationError: Something is missing, there twice, or there without anybody having written it.
    """
    expected = {id_of(name): known for name, known in oracle.memories.items()}
    texts = {memory_id: known.text for memory_id, known in expected.items()}
    listed = await _listed(memory)
    _same("listed", listed, texts)
    counted = await memory.memories.CountMemories(pb.CountMemoriesRequest(scope=scope(), collection=COLLECTION), timeout=CALL_S)
    require(counted.memory_count == len(texts), f"the engine counts {counted.memory_count} memories, not {len(texts)}")
    if not texts:
        return
    got = await memory.memories.BatchGetMemories(pb.BatchGetMemoriesRequest(scope=scope(), memory_ids=list(texts)), timeout=CALL_S)
    _same("got by id", [(each.memory_id, each.text) for each in got.memories], texts)
    known = await memory.salience.GetSalience(salience_pb2.GetSalienceRequest(scope=scope(), memory_ids=list(texts)), timeout=CALL_S)
    require(not known.missing_ids, f"{len(known.missing_ids)} memories are not known to the ledger")
    for each in known.salience:
        _check_sums(each, expected[each.memory_id].events, now_s)
    for name, one in list(oracle.memories.items())[:3]:
        found = await memory.memories.QueryMemories(query(one.text, collections=[COLLECTION], candidate_count=20), timeout=CALL_S)
        require(id_of(name) in {each.memory.memory_id for each in found.candidates}, f"{name} is not found by its own words")


async def _listed(memory: Memory) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    token = ""
    while True:
        request = pb.ListMemoriesRequest(scope=scope(), collection=COLLECTION, page_size=1000, page_token=token)
        page = await memory.memories.ListMemories(request, timeout=CALL_S)
        found.extend((each.memory_id, each.text) for each in page.memories)
        token = page.next_page_token
        if not token:
            return found


def _same(how: str, pairs: list[tuple[str, str]], texts: dict[str, str]) -> None:
    found = dict(pairs)
    require(len(found) == len(pairs), f"{how}: {len(pairs) - len(found)} memories are there twice")
    lost, strange = texts.keys() - found.keys(), found.keys() - texts.keys()
    other = [memory_id for memory_id, text in found.items() if texts.get(memory_id, text) != text]
    require(not (lost or strange or other), f"{how}: {len(lost)} lost, {len(strange)} not acknowledged, {len(other)} with another text")


def _check_sums(stored: salience_pb2.Salience, events: list[Happened], now_s: float) -> None:
    require(stored.event_count == len(events), f"{stored.memory_id} has {stored.event_count} events, not {len(events)}")
    weights = [2.0 ** ((each.time_s - now_s) / HALF_LIFE_S) for each in events]
    positive = sum(weight * each.relevance for weight, each in zip(weights, events, strict=True))
    negative = sum(weight * (1.0 - each.relevance) for weight, each in zip(weights, events, strict=True))
    # The clocks of this process and of the service differ by the call; an event lost or doubled is a hundred times more.
    near = abs(stored.evidence_for - positive) < 1e-3 and abs(stored.evidence_against - negative) < 1e-3
    require(near, f"{stored.memory_id}: sums are {stored.evidence_for, stored.evidence_against}, the events give {positive, negative}")
