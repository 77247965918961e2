"""Callers of the memory service that note each acknowledgement, and what is to be there after a crash or a loss of power."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from atlas import tensors
from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import salience_pb2
from atlas.ranking import MINILM_MAXSIM
from atlas.type.v1 import salience_pb2 as learnt_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import FINGERPRINT, Memory, id_of, query, scope, upsert, vector_of, write

from .comparison import Stored, check
from .expected import CALL_S, COLLECTION, CRASH, OUTAGE, POWER, Happened, Known, State, ViolationError, require, with_event


@dataclass
class Step:
    """One call of a caller."""

    after: State
    """What is there once it has happened."""
    durability: int
    begin: int
    """Place of its beginning among the beginnings and acknowledgements of all callers."""
    acknowledged: int | None = None
    """Place of its acknowledgement; None while there is none."""


@dataclass
class Tally:
    """What all callers together did."""

    acknowledged: int = 0
    event_count: int = 0
    repeated: int = 0
    """Calls that were made again because a process was away."""
    duplicates: int = 0
    """Events that were sent again although they had been acknowledged."""
    searches: int = 0
    places: int = 0
    """Beginnings and acknowledgements so far."""

    def place(self) -> int:
        self.places += 1
        return self.places


@dataclass
class Caller:
    """One caller with memories of its own, one call after the other."""

    memory: Memory
    tally: Tally
    name: str
    chance: random.Random
    clock: Callable[[], float]
    names: int = 24
    most: int = 40
    """Most memories of one call; above 32 the front sends several messages to the engine."""
    again: bool = True
    """Whether a call that failed because a process is away is made again; else the caller ends."""
    search_share: float = 0.0
    """Share of calls that search."""
    power_share: float = 0.5
    """Share of calls that ask for POWER_LOSS."""
    oldest_s: float = 0.0
    """Greatest age of the searches that evidence is about; 0 = they are all of now."""
    state: State = field(default_factory=dict)
    """What was acknowledged."""
    origin: State = field(default_factory=dict)
    """What was there when the history begins."""
    history: list[Step] = field(default_factory=list)
    """Calls since `begin_anew`."""
    number: int = 0
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

    def begin_anew(self, state: State) -> None:
        """Takes `state` for what is there, and forgets how it came about."""
        self.state, self.origin, self.history = state, state, []

    async def act(self) -> None:
        """Makes one call, until it is acknowledged."""
        self.number += 1
        if self.state and self.chance.random() < self.search_share:
            await self._search()
            return
        chosen = self.chance.random()
        if chosen < 0.45 or not self.state:
            await self._upsert()
        elif chosen < 0.6:
            await self._delete()
        else:
            await self._record()

    async def _step(self, method: Callable[..., Awaitable[Any]], request: Any, after: State) -> Any:
        # A request that cannot ask for less asks for all.
        step = Step(after, getattr(request, "durability", POWER), self.tally.place())
        self.history.append(step)
        answer = await self._until_acknowledged(method, request)
        step.acknowledged = self.tally.place()
        self.tally.acknowledged += 1
        self.state = after
        return answer

    async def _until_acknowledged(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        while True:
            try:
                return await method(request, timeout=CALL_S, wait_for_ready=self.again)
            except grpc.aio.AioRpcError as error:
                if not self.again:
                    raise
                if error.code() not in OUTAGE:
                    said = f"{error.code().name} {error.details()}"
                    raise ViolationError(f"{self.name}: {type(request).__name__} of step {self.number} was refused: {said}") from error
                self.tally.repeated += 1
                await asyncio.sleep(0.02)

    def _durability(self) -> type_pb2.Durability:
        return POWER if self.chance.random() < self.power_share else CRASH

    def _chosen(self, most: int) -> list[str]:
        count = self.chance.choice((1, 1, 2, most))
        return list(dict.fromkeys(f"{self.name}-{self.chance.randrange(self.names)}" for _ in range(count)))

    async def _upsert(self) -> None:
        before = self.state
        texts = {name: f"text {name} of step {self.number}" for name in self._chosen(self.most)}
        sources = {name: self._source_of(name) for name in texts}
        known = {name: Known(text, before[name].events if name in before else (), sources[name]) for name, text in texts.items()}
        after = {**before, **known}
        writes = [write(name, text, source=sources[name]) for name, text in texts.items()]
        request = upsert(*writes, request_id=f"{self.name}-{self.number}", durability=self._durability())
        answer = await self._step(self.memory.memories.UpsertMemories, request, after)
        outcomes = [pb.WRITE_OUTCOME_CHANGED if name in before else pb.WRITE_OUTCOME_NEW for name in texts]
        require([each.outcome for each in answer.results] == outcomes, f"{self.name}: outcomes of step {self.number} are not what it did")

    def _source_of(self, name: str) -> str:
        """Where a memory comes from that is about to be written."""
        return ""

    async def _delete(self) -> None:
        names = set(self._chosen(6))
        ids = pb.DeleteMemoriesRequest.Ids(memory_ids=[id_of(name) for name in sorted(names)])
        durability = self._durability()
        request = pb.DeleteMemoriesRequest(scope=scope(), ids=ids, request_id=f"{self.name}-{self.number}", durability=durability)
        count = len(self.state.keys() & names)
        after = {name: known for name, known in self.state.items() if name not in names}
        answer = await self._step(self.memory.memories.DeleteMemories, request, after)
        require(answer.deleted_count == count, f"{self.name}: step {self.number} deleted {answer.deleted_count} memories, not {count}")

    async def _record(self) -> None:
        names = self.chance.sample(sorted(self.state), min(len(self.state), self.chance.choice((1, 5, 20))))
        relevance = {name: round(self.chance.uniform(0.1, 0.9), 2) for name in names}
        request = self._evidence(names, relevance)
        time_s = request.search_time.ToNanoseconds() / 1e9
        more = {name: with_event(self.state[name], Happened(relevance[name], time_s, request.search_id)) for name in names}
        answer = await self._step(self.memory.salience.RecordEvents, request, {**self.state, **more})
        told = answer.accepted_count + answer.duplicate_count, len(answer.rejected)
        require(told == (len(names), 0), f"{self.name}: step {self.number} recorded {told}, not {(len(names), 0)}")
        self.tally.event_count += len(names)
        if self.chance.random() < 0.3:
            again = await self._until_acknowledged(self.memory.salience.RecordEvents, request)
            require((again.accepted_count, again.duplicate_count) == (0, len(names)), f"{self.name}: step {self.number} counted twice")
            self.tally.duplicates += len(names)

    async def _search(self) -> None:
        name = self.chance.choice(sorted(self.state))
        request = query(self.state[name].text, collections=[COLLECTION], candidate_count=20)
        found = await self._until_acknowledged(self.memory.memories.QueryMemories, request)
        require(id_of(name) in {each.memory.memory_id for each in found.candidates}, f"{name} is not found by its own words")
        self.tally.acknowledged += 1
        self.tally.searches += 1

    def _evidence(self, names: list[str], relevance: dict[str, float]) -> salience_pb2.RecordEventsRequest:
        request = salience_pb2.RecordEventsRequest(
            scope=scope(),
            search_id=f"{self.name}-{self.number}",
            query=tensors.to_message(vector_of(f"question {self.chance.randrange(3)}")),
            fingerprint=FINGERPRINT,
            pool=[salience_pb2.PoolEntry(memory_id=id_of(name), collection=COLLECTION, rank=rank) for rank, name in enumerate(names, 1)],
            events=[
                salience_pb2.Event(
                    memory_id=id_of(name),
                    kind=learnt_pb2.EVENT_KIND_RERANK,
                    raw_score=relevance[name],
                    relevance=relevance[name],
                    calibration_version=MINILM_MAXSIM.calibration.version,
                )
                for name in names
            ],
            durability=self._durability(),
        )
        request.search_time.FromNanoseconds(int((self.clock() - self._age_s()) * 1e9))
        return request

    def _age_s(self) -> float:
        return self.chance.choice((0.1, 0.2, 0.8, 0.9)) * self.oldest_s if self.oldest_s else 0.0


def settle(callers: Sequence[Caller], stored: Stored, *, power_lost: bool) -> int:
    """Finds for each caller which of the states that may be there is, and has it go on from that; gives the calls that are gone.

    After a crash every acknowledged call counts. After a power loss those do that were acknowledged POWER_LOSS, and those that were
    acknowledged before one of these began, whoever made it: there is one journal.

    Raises:
        ViolationError: None of these states is there.
    """
    told = [step for caller in callers for step in caller.history if step.acknowledged is not None]
    synced = max((step.begin for step in told if step.durability == POWER), default=0)
    gone = 0
    for caller in callers:
        part = _of(stored, caller.name, caller.names)
        floor = 0
        for number, step in enumerate(caller.history, 1):
            if step.acknowledged is not None and (not power_lost or step.durability == POWER or step.acknowledged < synced):
                floor = number
        states = [caller.origin, *(step.after for step in caller.history)]
        found = _newest(part, states, floor=floor)
        gone += len(states) - 1 - found
        caller.begin_anew(states[found])
    known = {id_of(f"{caller.name}-{number}") for caller in callers for number in range(caller.names)}
    require(stored.texts.keys() <= known, "there is a memory that nobody wrote")
    return gone


def _newest(stored: Stored, states: Sequence[State], *, floor: int) -> int:
    reasons: list[str] = []
    for number in range(len(states) - 1, floor - 1, -1):
        try:
            check(stored, states[number])
        except ViolationError as error:
            reasons.append(str(error))
        else:
            return number
    raise ViolationError(f"none of the {len(reasons)} states that may be there is: {reasons[0]} … {reasons[-1]}")


def _of(stored: Stored, name: str, names: int) -> Stored:
    ids = {id_of(f"{name}-{number}") for number in range(names)}
    return Stored(
        {one: text for one, text in stored.texts.items() if one in ids},
        {one: known for one, known in stored.salience.items() if one in ids},
        stored.now_s,
        stored.sources,
    )
