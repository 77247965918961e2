"""What the gateway answers while the network between it and a part is slow, torn, mute or wrong, and that it heals by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from atlas.gateway.v1 import gateway_pb2
from tests.rpc.gateway_stubs import IDS

from .network import PARTS, Town, freeze, open_town
from .proxy import Weather

RERANKED, POOL, LEXICAL_RERANKED = [4, 3, 2, 1, 0], [0, 1, 2, 3, 4], [2, 1, 3]
WHILE_AWAY = {"embedder": (["embed"], LEXICAL_RERANKED), "reranker": (["rerank"], POOL)}
"""Stages that an answer names, and its order, while a part does not answer."""
DEADLINE_S = 5.0


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as opened:
        await complete(opened)
        yield opened


def check_away(error: grpc.aio.AioRpcError) -> None:
    assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error


def order(answer: gateway_pb2.SearchResponse) -> list[int]:
    return [IDS.index(hit.memory.memory_id) for hit in answer.hits]


async def complete(town: Town) -> None:
    """Searches until an answer is complete: the town heals by itself, or the test never ends."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await town.search(DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                check_away(error)
            else:
                if not answer.degraded:
                    assert order(answer) == RERANKED
                    return
            await asyncio.sleep(0.05)


async def answered_without(town: Town, part: str, deadline_s: float = 2.0) -> None:
    """Searches while a part does not answer: what is said is what the part's absence means."""
    if part == "memory":
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await town.search(deadline_s)
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        return
    answer = await town.search(deadline_s)
    stages, places = WHILE_AWAY[part]
    assert [each.stage for each in answer.degraded] == stages
    assert order(answer) == places


@pytest.mark.parametrize("part", PARTS)
async def test_a_slow_and_uneven_network_changes_no_answer(town: Town, part: str) -> None:
    town.proxies[part].weather = Weather(delay_s=0.005, jitter_s=0.02, bytes_per_s=200_000)
    assert order(await town.search(30.0)) == RERANKED


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_is_frozen_costs_its_stage_and_the_call_ends(town: Town, part: str) -> None:
    town.proxies[part].freeze()
    await answered_without(town, part)
    town.proxies[part].thaw()
    await complete(town)


@pytest.mark.parametrize("part", PARTS)
async def test_a_network_that_swallows_everything_costs_the_stage_and_heals(town: Town, part: str) -> None:
    town.proxies[part].weather = Weather(blackhole=True)
    await answered_without(town, part)
    town.proxies[part].weather = Weather()
    town.proxies[part].reset()  # what was swallowed is missing in the connection for ever; the keepalive ends it at last
    await complete(town)


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_is_cut_off_costs_its_stage_and_comes_back(town: Town, part: str) -> None:
    town.proxies[part].weather = Weather(refuse=True)
    town.proxies[part].reset()
    await answered_without(town, part)
    town.proxies[part].weather = Weather()
    await complete(town)


@pytest.mark.parametrize(
    "weather", [Weather(reset_after=1), Weather(close_after=1), Weather(reset_after=150), Weather(corrupt_at=2)], ids=str
)
@pytest.mark.parametrize("part", PARTS)
async def test_connections_that_break_in_the_middle_never_give_a_wrong_answer(town: Town, part: str, weather: Weather) -> None:
    town.proxies[part].weather = weather
    town.proxies[part].reset()
    for _ in range(5):
        try:
            answer = await town.search(1.0)
        except grpc.aio.AioRpcError as error:
            check_away(error)
        else:
            assert order(answer) in (RERANKED, POOL, LEXICAL_RERANKED)
            assert bool(answer.degraded) is (order(answer) != RERANKED)
    town.proxies[part].weather = Weather()
    town.proxies[part].reset()
    await complete(town)


@pytest.mark.parametrize("part", PARTS)
async def test_bytes_that_drip_are_given_up_on_in_time(town: Town, part: str) -> None:
    town.proxies[part].weather = Weather(drip=True, delay_s=0.05)
    await answered_without(town, part)
    town.proxies[part].weather = Weather()
    await complete(town)


async def test_calls_that_wait_for_a_frozen_part_leave_nothing_behind(town: Town) -> None:
    before = len(asyncio.all_tasks())
    town.proxies["memory"].freeze()
    outcomes = await asyncio.gather(*(town.search(0.5) for _ in range(50)), return_exceptions=True)
    assert {outcome.code() for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)} <= {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    assert all(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes)
    town.proxies["memory"].thaw()
    await complete(town)
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > before + 5:  # noqa: ASYNC110 - tasks end without an event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("part", PARTS)
async def test_a_frozen_part_is_measured(part: str) -> None:
    found = await freeze(part, seconds=1.5, callers=4)
    print(f"\n{found}")
    assert found.calls >= 4
    assert found.most_in_flight <= 4
    if part != "memory":
        assert not found.outcomes.keys() - {f"degraded {'embed' if part == 'embedder' else 'rerank'}", "complete", "DEADLINE_EXCEEDED"}
