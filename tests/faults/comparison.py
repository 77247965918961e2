"""Compares what is stored with what is to be there, by each way there is to read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from atlas.memory.v1 import collection_pb2, salience_pb2
from atlas.memory.v1 import memory_pb2 as pb
from atlas.passages import content_sha256
from atlas.type.v1 import salience_pb2 as learnt_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import Memory, id_of, query, scope

from .expected import CALL_S, COLLECTION, WEIGHTS, Happened, State, require


@dataclass(frozen=True)
class Stored:
    """What the service says that is there."""

    texts: dict[str, str]
    """By memory id."""
    salience: dict[str, learnt_pb2.Salience]
    now_s: float
    """When the salience was read."""
    sources: dict[str, str] = field(default_factory=dict)


async def read(memory: Memory, clock: Callable[[], float]) -> Stored:
    """Reads everything, by each way there is, and makes sure that they agree.

    Raises:
        ViolationError: They do not: a memory is there twice, or listed and not counted, not got, or not known to the ledger.
    """
    listed = await _listed(memory)
    texts = {each.memory_id: each.text for each in listed}
    require(len(texts) == len(listed), f"{len(listed) - len(texts)} memories are listed twice")
    altered = [each.memory_id for each in listed if each.content_sha256 != content_sha256(each.text)]
    require(not altered, f"{len(altered)} memories have another checksum than their text")
    counted = await memory.memories.CountMemories(pb.CountMemoriesRequest(scope=scope(), collection=COLLECTION), timeout=CALL_S)
    require(counted.memory_count == len(texts), f"the engine counts {counted.memory_count} memories and lists {len(texts)}")
    request = collection_pb2.GetCollectionRequest(scope=scope(), name=COLLECTION)
    catalog = (await memory.collections.GetCollection(request, timeout=CALL_S)).collection.memory_count
    require(catalog == len(texts), f"the catalog counts {catalog} memories, the engine lists {len(texts)}")
    salience: dict[str, learnt_pb2.Salience] = {}
    ids = list(texts)
    for begin in range(0, len(ids), 500):
        some = ids[begin : begin + 500]
        got = await memory.memories.BatchGetMemories(pb.BatchGetMemoriesRequest(scope=scope(), memory_ids=some), timeout=CALL_S)
        _same("got by id", [(each.memory_id, each.text) for each in got.memories], {one: texts[one] for one in some})
        known = await memory.salience.GetSalience(salience_pb2.GetSalienceRequest(scope=scope(), memory_ids=some), timeout=CALL_S)
        require(not known.missing_ids, f"{len(known.missing_ids)} memories are not known to the ledger")
        salience.update((each.memory_id, each) for each in known.salience)
    return Stored(texts, salience, clock(), {each.memory_id: each.source for each in listed})


Ask = Callable[..., pb.QueryMemoriesRequest]
"""Makes a query of a text, in the space that serves."""


async def compare(memory: Memory, state: State, clock: Callable[[], float], ask: Ask = query) -> None:
    """Compares catalog, engine and ledger with what was acknowledged; nobody may be writing.

    Raises:
        ViolationError: Something is missing, there twice, or there without anybody having written it.
    """
    stored = await read(memory, clock)
    check(stored, state)
    await check_findable(memory, state, ask)


def check(stored: Stored, state: State) -> None:
    """Compares what is stored with what is to be there.

    Raises:
        ViolationError: They differ.
    """
    expected = {id_of(name): known for name, known in state.items()}
    _same("listed", list(stored.texts.items()), {memory_id: known.text for memory_id, known in expected.items()})
    moved = [memory_id for memory_id, known in expected.items() if stored.sources[memory_id] != known.source]
    require(not moved, f"{len(moved)} memories come from another source than was acknowledged, such as {moved[:1]}")
    for memory_id, known in expected.items():
        _check_sums(stored.salience[memory_id], known.events, stored.now_s)


async def check_findable(memory: Memory, state: State, ask: Ask = query) -> None:
    """Looks for some memories by their own words."""
    for name, one in list(state.items())[:3]:
        request = ask(one.text, collections=[COLLECTION], candidate_count=20)
        found = await memory.memories.QueryMemories(request, timeout=CALL_S)
        require(id_of(name) in {each.memory.memory_id for each in found.candidates}, f"{name} is not found by its own words")


async def _listed(memory: Memory) -> list[type_pb2.Memory]:
    found: list[type_pb2.Memory] = []
    token = ""
    while True:
        request = pb.ListMemoriesRequest(scope=scope(), collection=COLLECTION, page_size=1000, page_token=token)
        page = await memory.memories.ListMemories(request, timeout=CALL_S)
        found.extend(page.memories)
        token = page.next_page_token
        if not token:
            return found


def _same(how: str, pairs: list[tuple[str, str]], texts: dict[str, str]) -> None:
    found = dict(pairs)
    require(len(found) == len(pairs), f"{how}: {len(pairs) - len(found)} memories are there twice")
    lost, strange = texts.keys() - found.keys(), found.keys() - texts.keys()
    other = [memory_id for memory_id, text in found.items() if texts.get(memory_id, text) != text]
    require(not (lost or strange or other), f"{how}: {len(lost)} lost, {len(strange)} not acknowledged, {len(other)} with another text")


def _check_sums(stored: learnt_pb2.Salience, events: Sequence[Happened], now_s: float) -> None:
    require(stored.event_count == len(events), f"{stored.memory_id} has {stored.event_count} events, not {len(events)}")
    for channel, (kind, weight, half_life_s) in WEIGHTS.items():
        weighed = [(each.relevance, weight * 2.0 ** ((each.time_s - now_s) / half_life_s)) for each in events if each.kind == kind]
        told = sum(mass * relevance for relevance, mass in weighed), sum(mass * (1.0 - relevance) for relevance, mass in weighed)
        summed = next((one for one in stored.channels if one.channel == channel), learnt_pb2.ChannelSalience())
        found = summed.evidence_for, summed.evidence_against
        # The clocks of this process and of the service differ by the call; an event lost or doubled is a hundred times more.
        near = abs(found[0] - told[0]) < 1e-3 and abs(found[1] - told[1]) < 1e-3
        require(near, f"{stored.memory_id}: sums of channel {channel} are {found}, the events give {told}")
