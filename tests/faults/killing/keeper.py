"""Callers that use all of the ledger, and remember what they did.

Beside writing, deleting, searching and reporting they judge what a search showed, take searches back, erase, move sources and have the
sums made anew. Each has memories, searches and sources of its own, so that what must be there is known without knowing the order in which
the service took the calls of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from atlas.memory.v1 import memory_pb2 as pb
from atlas.memory.v1 import salience_pb2
from atlas.passages import content_sha256
from atlas.type.v1 import salience_pb2 as learnt_pb2
from tests.rpc.memory_part import Memory, id_of, scope

from ..expected import CALL_S, COLLECTION, EXPLICIT, RERANK, Happened, State, require, with_event
from ..oracle import Caller

_CALLS = {
    "UpsertMemoriesRequest": "memories.UpsertMemories",
    "DeleteMemoriesRequest": "memories.DeleteMemories",
    "MoveSourceRequest": "memories.MoveSource",
    "RecordEventsRequest": "salience.RecordEvents",
    "RecordFeedbackRequest": "salience.RecordFeedback",
    "RevokeEventsRequest": "salience.RevokeEvents",
    "EraseRequest": "salience.Erase",
    "RebuildSalienceRequest": "salience.RebuildSalience",
}


@dataclass
class Keeper(Caller):
    """A caller of everything; keeps its acknowledged calls."""

    more_share: float = 0.4
    """Share of calls that are none of those which every caller makes."""
    log: list[Any] = field(default_factory=list)
    """Acknowledged requests, in their order."""

    async def act(self) -> None:
        """Makes one call, until it is acknowledged."""
        if not self.state or self.chance.random() >= self.more_share:
            await super().act()
            return
        self.number += 1
        (deed,) = self.chance.choices((self._judge, self._revoke, self._move, self._erase, self._rebuild), (4, 3, 3, 2, 1))
        await deed()

    async def _step(self, method: Any, request: Any, after: State) -> Any:
        answer = await super()._step(method, request, after)
        self.log.append(request)
        return answer

    def _source_of(self, name: str) -> str:
        known = self.state.get(name)
        return known.source if known is not None else f"{self.name}-from-{self.chance.randrange(4)}"

    async def _judge(self) -> None:
        """Says of some memories of one search whether they helped."""
        shown = [(event.search_id, name) for name, known in self.state.items() for event in _unjudged(known.events)]
        if not shown:
            return
        search_id, _ = self.chance.choice(shown)
        names = sorted(name for of, name in shown if of == search_id)[:3]
        values = {name: float(self.chance.randrange(2)) for name in names}
        request = salience_pb2.RecordFeedbackRequest(
            scope=scope(),
            search_id=search_id,
            feedback=[salience_pb2.Feedback(memory_id=id_of(name), kind=EXPLICIT, value=value) for name, value in values.items()],
            durability=self._durability(),
        )
        request.event_time.FromNanoseconds(int(self.clock() * 1e9))
        time_s = request.event_time.ToNanoseconds() / 1e9
        judged = {name: with_event(self.state[name], Happened(values[name], time_s, search_id, EXPLICIT)) for name in names}
        after = {**self.state, **judged}
        answer = await self._step(self.memory.salience.RecordFeedback, request, after)
        told = answer.accepted_count + answer.duplicate_count, answer.ignored_count
        require(told == (len(names), 0), f"{self.name}: feedback of step {self.number} counted {told}, not {(len(names), 0)}")
        self.tally.event_count += len(names)

    async def _revoke(self) -> None:
        """Takes back all that some searches gave."""
        searches = sorted({event.search_id for known in self.state.values() for event in known.events} - {""})
        if not searches:
            return
        gone = set(self.chance.sample(searches, min(len(searches), self.chance.choice((1, 2)))))
        selector = learnt_pb2.EventSelector(search_ids=sorted(gone))
        request = salience_pb2.RevokeEventsRequest(scope=scope(), selector=selector, request_id=f"{self.name}-{self.number}")
        count = sum(event.search_id in gone for known in self.state.values() for event in known.events)
        after = {
            name: replace(known, events=tuple(event for event in known.events if event.search_id not in gone))
            for name, known in self.state.items()
        }
        answer = await self._step(self.memory.salience.RevokeEvents, request, after)
        taken = answer.revocation.event_count
        require(taken == count, f"{self.name}: step {self.number} took {taken} events back, not {count}")

    async def _erase(self) -> None:
        """Erases some memories for good."""
        names = self._chosen(3)
        ids = learnt_pb2.ErasureSelection.Ids(memory_ids=[id_of(name) for name in names])
        selection = learnt_pb2.ErasureSelection(ids=ids)
        request = salience_pb2.EraseRequest(scope=scope(), selection=selection, request_id=f"{self.name}-{self.number}")
        texts = {content_sha256(self.state[name].text) for name in names if name in self.state}
        after = {name: known for name, known in self.state.items() if name not in names}
        answer = await self._step(self.memory.salience.Erase, request, after)
        told = answer.receipt.memory_count, answer.receipt.verified, set(answer.content_sha256s)
        require(told == (len(texts), True, texts), f"{self.name}: the receipt of step {self.number} says {told}, not {len(texts)} memories")

    async def _move(self) -> None:
        """Gives a source another name."""
        old, new = self.chance.choice(sorted({known.source for known in self.state.values()})), f"{self.name}-to-{self.number}"
        request = pb.MoveSourceRequest(
            scope=scope(), collection=COLLECTION, from_source=old, to_source=new, request_id=f"{self.name}-{self.number}"
        )
        after = {name: replace(known, source=new) if known.source == old else known for name, known in self.state.items()}
        count = sum(known.source == old for known in self.state.values())
        answer = await self._step(self.memory.memories.MoveSource, request, after)
        require(answer.memory_count == count, f"{self.name}: step {self.number} moved {answer.memory_count} memories, not {count}")

    async def _rebuild(self) -> None:
        """Has all sums made anew, which changes none."""
        answer = await self._step(self.memory.salience.RebuildSalience, salience_pb2.RebuildSalienceRequest(scope=scope()), self.state)
        require(answer.changed_count == 0, f"{answer.changed_count} sums were not what the events give")


def _unjudged(events: Iterable[Happened]) -> list[Happened]:
    judged = {event.search_id for event in events if event.kind == EXPLICIT}
    return [event for event in events if event.kind == RERANK and event.search_id and event.search_id not in judged]


async def repeat_all(memory: Memory, keepers: Iterable[Keeper]) -> None:
    """Makes all acknowledged calls once more, each once, at another service: those of one caller in order, all callers side by side."""
    await asyncio.gather(*(_repeat(memory, keeper.log) for keeper in keepers))


async def _repeat(memory: Memory, requests: Iterable[Any]) -> None:
    for request in requests:
        await attrgetter(_CALLS[type(request).__name__])(memory)(request, timeout=CALL_S)
