"""Poisoning, exactly: what is left once a principal's evidence is taken back, in the whole numbers of the ledger's rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from atlas.salience import (
    NOTHING,
    Channel,
    SalienceRule,
    Sums,
    base_rate,
    evidence_at,
    read_channel,
    read_salience,
    sums_of,
)

from .placing import Lever, ranked
from .pools import Floats, Numbers, Pools
from .replay import Said

Ledger = dict[tuple[Channel, int, int], Sums]
"""Channel, memory and bucket to its sums; a bucket of -1 and the domain in place of the memory is the scope's base rate."""
SCOPE = -1


@dataclass(frozen=True, slots=True)
class Revocation:
    """What taking back did."""

    event_count: int
    """Hostile events that were taken back."""
    total_count: int
    """Events of all principals."""
    sums_equal: bool
    """Whether every sum is bit for bit what it would be had the principal never been there."""
    ranking_count: int
    """Rankings that were compared."""
    moved_count: int
    """Rankings that the hostile evidence had changed."""
    rankings_equal: bool
    """Whether all are the same as without the principal, once it is taken back."""


def revoke(pools: Pools, log: Sequence[Said], lever: Lever, rule: SalienceRule, *, time_s: float) -> Revocation:
    """Folds a poisoned log, takes the hostile events back, and compares sums and rankings with a ledger that never had them."""
    parts = [(key, sums, said.hostile) for said in log for key, sums in _parts(pools, said, rule)]
    poisoned = _folded((key, sums) for key, sums, _ in parts)
    clean = _folded((key, sums) for key, sums, hostile in parts if not hostile)
    restored = dict(poisoned)
    for key, sums, hostile in parts:
        if hostile:
            restored[key] = restored[key] - sums
    restored = {key: sums for key, sums in restored.items() if sums != NOTHING}
    before = _rankings(pools, poisoned, lever, rule, time_s)
    after, without = _rankings(pools, restored, lever, rule, time_s), _rankings(pools, clean, lever, rule, time_s)
    return Revocation(
        event_count=sum(len(said.members) for said in log if said.hostile),
        total_count=sum(len(said.members) for said in log),
        sums_equal=restored == clean,
        ranking_count=len(without),
        moved_count=sum(not np.array_equal(one, other) for one, other in zip(before, without, strict=True)),
        rankings_equal=all(np.array_equal(one, other) for one, other in zip(after, without, strict=True)),
    )


def _parts(pools: Pools, said: Said, rule: SalienceRule) -> Iterable[tuple[tuple[Channel, int, int], Sums]]:
    channel = Channel.OUTSIDE if said.outside else Channel.PASSIVE
    for member, value in zip(said.members.tolist(), said.values.tolist(), strict=True):
        sums = sums_of(value, said.weight, said.time_s, rule.of(channel))
        yield (channel, member, said.bucket), sums
        yield (channel, int(pools.domain[member]), SCOPE), sums


def _folded(parts: Iterable[tuple[tuple[Channel, int, int], Sums]]) -> Ledger:
    ledger: Ledger = {}
    for key, sums in parts:
        ledger[key] = ledger.get(key, NOTHING) + sums
    return ledger


def _rankings(pools: Pools, ledger: Ledger, lever: Lever, rule: SalienceRule, time_s: float) -> list[Numbers]:
    worth = outside_worth(pools, ledger, rule, time_s)
    found = []
    for begin, end in zip(pools.split, pools.split[1:], strict=False):
        rows = np.arange(begin, end)[: lever.budget]
        member = pools.member[rows]
        order = ranked(
            pools.final_score[rows],
            worth[member],
            influence=lever.influence.final,
            limit=lever.influence.log_odds_limit,
            logits_per_unit=pools.logits_per_unit,
        )
        found.append(member[order])
    return found


def outside_worth(pools: Pools, ledger: Mapping[tuple[Channel, int, int], Sums], rule: SalienceRule, time_s: float) -> Floats:
    """Reads the log-odds from outside of every memory [M] with the very functions of the ledger."""
    buckets: dict[tuple[Channel, int], list[Sums]] = {}
    for (channel, member, bucket), sums in ledger.items():
        if bucket != SCOPE:
            buckets.setdefault((channel, member), []).append(sums)
    worth = np.zeros(pools.memory_count)
    for member in {member for _, member in buckets}:
        domain = int(pools.domain[member])
        readings = []
        for channel in Channel:
            constants = rule.of(channel)
            prior = base_rate(evidence_at(ledger.get((channel, domain, SCOPE), NOTHING), time_s, constants), constants)
            evidence = [evidence_at(sums, time_s, constants) for sums in buckets.get((channel, member), [])]
            readings.append(read_channel(evidence, prior, constants))
        worth[member] = read_salience(readings[0], readings[1], pinned=False, rule=rule).outside_log_odds
    return worth
