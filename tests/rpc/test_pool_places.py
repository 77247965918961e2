"""Places beyond the clean pool: what salience and chance bring in, from the real store and the real ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from atlas import tensors
from atlas.memory.v1 import memory_pb2, salience_pb2
from atlas.type.v1 import type_pb2
from tests.rpc.memory_part import (
    FINGERPRINT,
    TIMEOUT_S,
    Memory,
    create,
    failure_of,
    id_of,
    memory_service,
    query,
    scope,
    upsert,
    vector_of,
    write,
)

QUESTION = "harbour ferry"
NAMES = [f"m{place}" for place in range(12)]


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with memory_service(tmp_path) as opened:
        await create(opened)
        writes = [write(name, QUESTION + " word" * place) for place, name in enumerate(NAMES)]
        await opened.memories.UpsertMemories(upsert(*writes), timeout=TIMEOUT_S)
        yield opened


async def pool(memory: Memory, mode: str = "READ_WRITE", **fields: object) -> list[tuple[int, str, float]]:
    """Place of each candidate among the memories, why it is there, and its propensity; checks that the ranks are those of the list."""
    reply = await ask(memory, mode, **fields)
    assert [one.pool_rank for one in reply.candidates] == list(range(1, len(reply.candidates) + 1))
    names = {id_of(name): place for place, name in enumerate(NAMES)}
    return [(names[one.memory.memory_id], type_pb2.Pool.Name(one.pool).removeprefix("POOL_"), one.propensity) for one in reply.candidates]


async def ask(memory: Memory, mode: str, **fields: object) -> memory_pb2.QueryMemoriesResponse:
    request = query(QUESTION, candidate_count=3, salience_mode=f"SALIENCE_MODE_{mode}", **fields)
    reply: memory_pb2.QueryMemoriesResponse = await memory.memories.QueryMemories(request, timeout=TIMEOUT_S)
    return reply


async def learn(memory: Memory, name: str, relevance: float) -> None:
    """Reports that eight searches of different kinds found the memory so relevant."""
    for number in range(8):
        text = f"question {number} {name}"
        await memory.salience.RecordEvents(
            salience_pb2.RecordEventsRequest(
                scope=scope(),
                search_id=text,
                query=tensors.to_message(vector_of(text)),
                fingerprint=FINGERPRINT,
                pool=[salience_pb2.PoolEntry(memory_id=id_of(name), collection="notes", rank=1)],
                events=[
                    salience_pb2.Event(
                        memory_id=id_of(name),
                        kind="EVENT_KIND_RERANK",
                        raw_score=relevance,
                        score_kind="SCORE_KIND_MAXSIM",
                        relevance=relevance,
                        calibration_version="minilm-maxsim-1",
                    )
                ],
            ),
            timeout=TIMEOUT_S,
        )


CLEAN = [(0, "CLEAN", 1.0), (1, "CLEAN", 1.0), (2, "CLEAN", 1.0)]


async def test_where_nothing_is_learnt_the_pool_is_the_clean_one(memory: Memory) -> None:
    assert await pool(memory) == CLEAN
    assert await pool(memory, "READ", extended_count=9) == CLEAN


async def test_salience_brings_in_what_it_knows_to_be_worth_finding_behind_the_clean_pool(memory: Memory) -> None:
    await learn(memory, "m9", 1.0)
    await learn(memory, "m8", 0.0)
    await learn(memory, "m1", 1.0)
    for mode in ("READ", "READ_WRITE"):
        assert await pool(memory, mode, extended_count=4) == [*CLEAN, (9, "EXTENDED", 1.0)]
        assert await pool(memory, mode) == CLEAN
    assert await pool(memory, "OFF", extended_count=9) == CLEAN
    first, second = await ask(memory, "READ", extended_count=4), await ask(memory, "READ", extended_count=4)
    assert list(first.candidates) == list(second.candidates)
    worth = {one.memory.memory_id: one.salience_log_odds for one in first.candidates}
    assert worth[id_of("m9")] > 0.5
    assert worth[id_of("m0")] == 0.0
    assert all(one.outside_log_odds == 0.0 for one in first.candidates)
    assert not any(one.HasField("salience_log_odds") for one in (await ask(memory, "OFF")).candidates)


async def test_chance_brings_in_some_with_their_propensity_only_where_something_can_be_learnt(memory: Memory) -> None:
    drawn = await pool(memory, explore_count=2, exploration_seed="s")
    assert drawn[:3] == CLEAN
    assert [(why, propensity) for _, why, propensity in drawn[3:]] == [("EXPLORE", pytest.approx(2 / 9))] * 2
    assert drawn == await pool(memory, explore_count=2, exploration_seed="s")
    assert len({place for seed in "abcdefgh" for place, why, _ in await pool(memory, explore_count=2, exploration_seed=seed)}) > 5
    assert await pool(memory, "READ", explore_count=2) == CLEAN
    assert await pool(memory, "OFF", explore_count=2) == CLEAN


@pytest.mark.parametrize(
    ("field", "value", "most"),
    [("extended_count", 51, 50), ("extended_count", -1, 50), ("explore_count", 21, 20), ("explore_count", -1, 20)],
)
async def test_more_places_than_there_may_be_are_refused(memory: Memory, field: str, value: int, most: int) -> None:
    failure = await failure_of(ask(memory, "READ_WRITE", **{field: value}))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == (field,)
    assert failure.values == {"value": str(value), "max_value": str(most)}
