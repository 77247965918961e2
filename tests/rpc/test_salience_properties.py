"""The promises of learnt worth, over the RPCs of a real service, on generated histories.

`ATLAS_PROPERTY_EXAMPLES` sets how many histories each promise is tried on, `ATLAS_SCOPE_OPERATIONS` how many operations of two tenants
are mixed; both run small by default.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from atlas.clock import FakeClock
from atlas.ranking import MINILM_MAXSIM, rank_score
from atlas.type.v1 import salience_pb2, type_pb2
from tests.rpc.ledger_part import (
    CLEAN,
    DAY_S,
    EXPLICIT,
    OUTCOME,
    PIN,
    START,
    USED,
    Ledger,
    ledger_service,
    query_of,
    scope,
    search,
)
from tests.rpc.memory_part import TIMEOUT_S, create, id_of, query, upsert, write

EXAMPLES = int(os.environ.get("ATLAS_PROPERTY_EXAMPLES", "8"))
SCOPE_OPERATIONS = int(os.environ.get("ATLAS_SCOPE_OPERATIONS", "2000"))
NAMES = ("a", "b", "c", "d")
IDS = [id_of(name) for name in NAMES]

# Without shrinking: each try is a hundred calls, and `tests/unit/test_ledger.py` finds the small case of the same promise.
tried = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
histories = st.lists(
    st.tuples(
        st.integers(0, 3),  # which question
        st.dictionaries(st.sampled_from(IDS), st.floats(0, 1), min_size=1),
        st.integers(0, 80),  # days before now
        st.sampled_from(["anna", "bert"]),
    ),
    min_size=1,
    max_size=6,
)
sayings = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(IDS), st.sampled_from([USED, EXPLICIT, OUTCOME]), st.floats(0, 1)), max_size=4
)


@dataclass(frozen=True)
class World:
    """A running service, and a loop to call it from tests that are not asynchronous."""

    runner: asyncio.Runner
    ledger: Ledger
    numbers: Iterator[int]

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def tenant(self) -> str:
        """Makes a tenant with four memories, whose ids are those of every other such tenant."""
        name = f"tenant-{next(self.numbers)}"
        await create(self.ledger.memory, tenant=name)
        await self.ledger.memory.memories.UpsertMemories(
            upsert(*(write(one, f"note {one}") for one in NAMES), tenant=name), timeout=TIMEOUT_S
        )
        return name

    async def tell(
        self, tenant: str, history: Any, said: Any = (), *, order: random.Random | None = None, prefix: str = "s", split: bool = False
    ) -> None:
        """Reports a history; with `order` shuffled, and each call twice; with `split` one event a call."""
        now = self.ledger.clock.now()
        calls = []
        for number, (question, values, days, principal) in enumerate(history):
            parts = [{one: value} for one, value in values.items()] if split else [values]
            for part in parts:
                request = search(
                    f"{prefix}{number}",
                    part,
                    query=query_of(question),
                    pool=dict.fromkeys(IDS, CLEAN),
                    caller=scope(tenant, principal),
                )
                request.search_time.FromDatetime(now - timedelta(days=days))
                calls.append(request)
        words: dict[tuple[str, str, int], tuple[float, int, str]] = {}
        for number, memory_id, kind, value in said:
            _, _, days, principal = history[number % len(history)]
            words.setdefault((f"{prefix}{number % len(history)}", memory_id, kind), (value, days, principal))
        spoken = list(words.items())
        if order:
            calls, spoken = calls * 2, spoken * 2
            order.shuffle(calls)
            order.shuffle(spoken)
        for call in calls:
            await self.ledger.record(call)
        for (search_id, memory_id, kind), (value, days, principal) in spoken:
            when = now - timedelta(days=days) + timedelta(seconds=1)
            await self.ledger.feedback(search_id, {memory_id: value}, kind, caller=scope(tenant, principal), event_time=when)

    async def digest(self, tenant: str) -> salience_pb2.StateDigest:
        digest = await self.ledger.digest(caller=scope(tenant))
        assert digest.consistent
        return digest

    async def worth(self, tenant: str) -> list[salience_pb2.Salience]:
        return await self.ledger.salience(*IDS, caller=scope(tenant))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        ledger = runner.run(stack.enter_async_context(ledger_service(tmp_path_factory.mktemp("world"), clock=FakeClock(START))))
        yield World(runner, ledger, itertools.count())
        runner.run(stack.aclose())


@tried
@given(history=histories, said=sayings, seed=st.integers(0, 2**32))
def test_order_repetition_and_splitting_change_nothing(world: World, history, said, seed) -> None:
    async def told() -> None:
        straight, shuffled, split = [await world.tenant() for _ in range(3)]
        await world.tell(straight, history, said)
        await world.tell(shuffled, history, said, order=random.Random(seed))
        await world.tell(split, history, said, split=True)
        digest = await world.digest(straight)
        assert await world.digest(shuffled) == digest
        assert await world.digest(split) == digest
        assert await world.worth(straight) == await world.worth(shuffled) == await world.worth(split)

    world.run(told())


@tried
@given(history=histories, said=sayings, hostile=histories, lies=sayings)
def test_after_a_revocation_everything_is_as_if_it_had_never_been_reported(world: World, history, said, hostile, lies) -> None:
    async def told() -> None:
        clean, poisoned = await world.tenant(), await world.tenant()
        attack = [(*one[:3], "mallory") for one in hostile]
        await world.tell(clean, history, said)
        await world.tell(poisoned, attack, lies, prefix="x")
        await world.tell(poisoned, history, said)
        before = await world.digest(poisoned)
        dry = await world.ledger.revoke(caller=scope(poisoned), principals=["mallory"], dry_run=True)
        assert await world.digest(poisoned) == before
        assert await world.ledger.revoke(caller=scope(poisoned), principals=["mallory"], request_id="r") == dry
        # A repetition of the request, of the revocation, and of the events.
        assert await world.ledger.revoke(caller=scope(poisoned), principals=["mallory"], request_id="r") == dry
        assert (await world.ledger.revoke(caller=scope(poisoned), principals=["mallory"])).event_count == 0
        await world.tell(poisoned, attack, lies, prefix="x")
        assert (await world.digest(poisoned)).state_sha256 == (await world.digest(clean)).state_sha256
        assert await world.worth(poisoned) == await world.worth(clean)
        assert (await world.ledger.rebuild(caller=scope(poisoned))).changed_count == 0

    world.run(told())


@tried
@given(history=histories, said=sayings)
def test_worth_is_bounded_and_more_praise_never_lowers_it(world: World, history, said) -> None:
    async def told() -> None:
        tenant = await world.tenant()
        await world.tell(tenant, history, said)
        before = {one.memory_id: one for one in await world.worth(tenant)}
        await world.ledger.record(search("extra", {IDS[0]: 1.0}, query=query_of(1), caller=scope(tenant)))
        await world.ledger.feedback("extra", {IDS[0]: 1.0}, caller=scope(tenant))
        after = {one.memory_id: one for one in await world.worth(tenant)}
        for one in (*before.values(), *after.values()):
            assert 0.0 < one.salience < 1.0
            assert abs(one.log_odds) <= 3.0
            assert abs(one.outside_log_odds) <= 3.0
        told_before = {channel.channel: channel.mean for channel in before[IDS[0]].channels}
        for channel in after[IDS[0]].channels:
            assert channel.mean >= told_before.get(channel.channel, 0.0) - 1e-12

    world.run(told())


@tried
@given(history=histories, said=sayings, final=st.lists(st.floats(0, 1), min_size=4, max_size=4), alpha=st.floats(0, 2))
def test_worth_displaces_no_result_beyond_the_bound(world: World, history, said, final, alpha) -> None:
    async def told() -> None:
        tenant = await world.tenant()
        await world.tell(tenant, history, said)
        worth = [one.outside_log_odds for one in await world.worth(tenant)]
        limit = 2.0
        ranked = [rank_score(score, salience_logit=odds, influence=alpha, limit=limit) for score, odds in zip(final, worth, strict=True)]
        for i, j in itertools.permutations(range(4), 2):
            if MINILM_MAXSIM.logits_per_unit * (final[i] - final[j]) > 2 * alpha * limit + 1e-9:
                assert ranked[i] > ranked[j]

    world.run(told())


@tried
@given(history=histories, said=sayings)
def test_reading_changes_nothing_and_gives_the_same_bytes_twice(world: World, history, said) -> None:
    async def told() -> None:
        tenant = await world.tenant()
        caller = scope(tenant)
        await world.tell(tenant, history, said)
        before = await world.digest(tenant)
        seen = []
        for _ in range(2):
            asked = query("note a", tenant=tenant, collections=["notes"], salience_mode=type_pb2.SALIENCE_MODE_READ)
            found = await world.ledger.memory.memories.QueryMemories(asked, timeout=TIMEOUT_S)
            found.ClearField("timing")
            worth = {one.memory_id: one for one in await world.worth(tenant)}
            for candidate in found.candidates:
                known = worth[candidate.memory.memory_id]
                assert (candidate.salience_log_odds, candidate.outside_log_odds) == (known.log_odds, known.outside_log_odds)
            explained = [(await world.ledger.explain(one, caller)).SerializeToString(deterministic=True) for one in IDS]
            shown = (await world.ledger.impression("s0", caller)).SerializeToString(deterministic=True)
            seen.append((found.SerializeToString(deterministic=True), explained, shown))
            await world.ledger.revoke(caller=caller, principals=["anna"], dry_run=True)
        assert seen[0] == seen[1]
        assert await world.digest(tenant) == before

    world.run(told())


def test_worth_of_a_memory_returns_to_the_base_rate_whatever_was_said(world: World) -> None:
    async def told() -> None:
        tenant = await world.tenant()
        for number in range(20):
            await world.ledger.record(search(f"s{number}", {IDS[0]: 1.0, IDS[1]: 0.0}, query=query_of(number), caller=scope(tenant)))
            await world.ledger.feedback(f"s{number}", {IDS[0]: 1.0}, caller=scope(tenant))
        assert (await world.worth(tenant))[0].log_odds > 1.0
        world.ledger.clock.advance(4_000 * DAY_S)
        late = (await world.worth(tenant))[0]
        assert late.salience == pytest.approx(late.prior, abs=1e-9)
        assert late.prior == pytest.approx(0.25, abs=1e-6)

    world.run(told())


def test_one_percent_of_hostile_events_is_bounded_and_taken_back_to_the_last_bit(world: World) -> None:
    """A principal reports the opposite of the truth about one memory in every question, in 1 % of all events."""

    async def told() -> None:
        clean, poisoned = await world.tenant(), await world.tenant()
        truth = random.Random(3)
        worth = dict(zip(IDS, (0.9, 0.6, 0.3, 0.1), strict=True))
        hostile = 0
        for number in range(100):
            values = {one: min(1.0, max(0.0, truth.gauss(mean, 0.05))) for one, mean in worth.items()}
            for tenant in (clean, poisoned):
                await world.ledger.record(search(f"s{number}", values, query=query_of(number), caller=scope(tenant)))
            if number % 25 == 0:
                mallory = scope(poisoned, "mallory")
                lie = search(f"x{number}", {IDS[3]: 1.0}, query=query_of(number), pool=dict.fromkeys(IDS, CLEAN), caller=mallory)
                hostile += (await world.ledger.record(lie)).accepted_count
        assert hostile == 4
        honest, lied = await world.worth(clean), await world.worth(poisoned)
        loss = max(abs(one.log_odds - other.log_odds) for one, other in zip(honest, lied, strict=True))
        # Shown by `pytest -s`.
        print(f"1 % hostile events move a memory by at most {loss:.3f} log-odds")  # noqa: T201
        assert 0.0 < loss < 0.5
        assert [one.memory_id for one in sorted(honest, key=lambda s: -s.salience)] == [
            one.memory_id for one in sorted(lied, key=lambda s: -s.salience)
        ]
        await world.ledger.revoke(caller=scope(poisoned), principals=["mallory"])
        assert await world.worth(poisoned) == honest
        left, right = await world.digest(poisoned), await world.digest(clean)
        assert (left.state_sha256, left.memory_sha256, left.event_count) == (right.state_sha256, right.memory_sha256, right.event_count)

    world.run(told())


def test_nothing_of_a_tenant_or_domain_ever_reaches_another(world: World) -> None:
    """Random calls of two tenants and two domains each; every id and count that comes back must be the caller's own."""
    world.run(_scopes(world.ledger, random.Random(11), SCOPE_OPERATIONS))


class Corner:
    """What one tenant may see in one of its domains, or in both."""

    def __init__(self, tenant: str, domains: tuple[str, ...]) -> None:
        self.tenant, self.domains = tenant, domains
        self.caller = scope(tenant, f"{tenant}-{'-'.join(domains)}", domains if len(domains) == 1 else ())
        self.own = {id_of(f"{tenant}/{domain}/{number}") for domain in domains for number in range(5)}


async def _scopes(ledger: Ledger, chance: random.Random, count: int) -> None:
    corners = []
    everything: set[str] = set()
    for tenant in ("scope-one", "scope-two"):
        await create(ledger.memory, tenant=tenant)
        for domain in ("red", "blue"):
            writes = [write(f"{tenant}/{domain}/{number}", f"{domain} note {number} of {tenant}", domain=domain) for number in range(5)]
            await ledger.memory.memories.UpsertMemories(upsert(*writes, tenant=tenant), timeout=TIMEOUT_S)
        corners += [Corner(tenant, domains) for domains in (("red",), ("blue",), ("red", "blue"))]
    for corner in corners:
        everything |= corner.own
    for number in range(count):
        corner = chance.choice(corners)
        asked = set(chance.sample(sorted(everything), 6))
        await _operation(ledger, corner, asked, number, chance)
    for corner in corners:
        digest = await ledger.digest(caller=corner.caller)
        assert digest.consistent
        assert digest.memory_count == len(corner.own)


async def _operation(ledger: Ledger, corner: Corner, asked: set[str], number: int, chance: random.Random) -> None:
    caller, own, other = corner.caller, corner.own & asked, asked - corner.own
    match chance.randrange(8):
        case 0 | 1 | 2:
            request = search(f"{caller.principal}-{number}", dict.fromkeys(sorted(asked), 0.5), caller=caller, query=query_of(number % 7))
            reply = await ledger.record(request)
            assert reply.accepted_count == len(own)
            assert {(one.memory_id, one.reason) for one in reply.rejected} == {(one, "UNKNOWN_MEMORY") for one in other}
            shown = await ledger.impression(f"{caller.principal}-{number}", caller)
            assert {one.memory_id for one in shown.pool} == own
        case 3:
            reply = await ledger.salience(*sorted(asked), caller=caller)
            assert {one.memory_id for one in reply} == own
        case 4:
            for one in sorted(other)[:1]:
                await _missing(ledger.explain(one, caller))
                await _missing(ledger.feedback(f"pin-{number}", {one: 1.0}, PIN, caller=caller))
            for one in sorted(own)[:1]:
                assert (await ledger.explain(one, caller)).salience.memory_id == one
        case 5:
            taken = await ledger.revoke(caller=caller, memory_ids=sorted(asked), dry_run=True)
            assert {one.memory_id for one in taken.changes} <= own
            if not own:
                assert taken.event_count == 0
        case 6:
            erased = await ledger.erase(ids={"memory_ids": sorted(other)}, caller=caller) if other and number % 40 == 0 else None
            assert erased is None or (erased.receipt.memory_count, erased.receipt.event_count, list(erased.content_sha256s)) == (0, 0, [])
            found = await ledger.memory.memories.QueryMemories(
                query("note", tenant=corner.tenant, domains=caller.domains, candidate_count=50), timeout=TIMEOUT_S
            )
            assert {one.memory.memory_id for one in found.candidates} <= corner.own
        case 7:
            if number % 5 == 0:
                before = await ledger.digest(caller=caller, verify=False)
                stranger = next(iter(sorted(other)), None)
                if stranger is not None:
                    foreign = search(f"f-{caller.principal}-{number}", {stranger: 0.9}, caller=caller)
                    assert (await ledger.record(foreign)).accepted_count == 0
                after = await ledger.digest(caller=caller, verify=False)
                assert (after.state_sha256, after.event_count, after.memory_sha256) == (
                    before.state_sha256,
                    before.event_count,
                    before.memory_sha256,
                )


async def _missing(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
