"""Makes the sums fit the rule that the process was started with."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace

from atlas.salience import Channel, SalienceRule, Sums, evidence_at, sums_of

from ..scopes import Scope
from . import facts, folding, sums
from .policy import LedgerPolicy


def fit_rule(connection: sqlite3.Connection, policy: LedgerPolicy, *, now_s: float) -> int:
    """Folds the sums anew if they were made with other half-lives, and says how many changed; in one transaction that is the caller's.

    What is left of a checkpoint now goes on decaying with the new half-life: when its events were is known no more.
    """
    changed = [channel for channel in Channel if _half_life(connection, channel) != policy.rule.of(channel).half_life_days]
    if not changed:
        return 0
    for channel in changed:
        before = _half_life(connection, channel)
        if not math.isnan(before):
            _restate(connection, channel, before, policy.rule, now_s)
        facts.write(connection, _name(channel), policy.rule.of(channel).half_life_days)
    tenants = connection.execute("SELECT DISTINCT tenant FROM memory").fetchall()
    return sum(
        folding.rebuild(connection, Scope(tenant, "", frozenset()), policy, recalibrate=False).changed_count for (tenant,) in tenants
    )


def _half_life(connection: sqlite3.Connection, channel: Channel) -> float:
    return facts.read(connection, _name(channel), default=math.nan)


def _name(channel: Channel) -> str:
    return f"half_life_days_{channel.name.lower()}"


def _restate(connection: sqlite3.Connection, channel: Channel, half_life_days: float, rule: SalienceRule, now_s: float) -> None:
    new = rule.of(channel)
    old = replace(new, half_life_days=half_life_days)
    rows = connection.execute(
        "SELECT positive, negative, event_count, tenant, memory_id, channel, space, bucket, principal, source_class, kind,"
        " calibration_version FROM checkpoint WHERE channel = ?",
        (channel,),
    ).fetchall()
    for *columns, tenant, memory_id, _, space, bucket, principal, source_class, kind, version in rows:
        total = sums.to_sums(*columns)
        left = evidence_at(total, now_s, old)
        positive = sums_of(1.0, left.positive, now_s, new).positive
        negative = sums_of(0.0, left.negative, now_s, new).negative
        restated = Sums(positive, negative, total.event_count)
        connection.execute(
            "UPDATE checkpoint SET positive = ?, negative = ? WHERE tenant = ? AND memory_id = ? AND channel = ? AND space = ?"
            " AND bucket = ? AND principal = ? AND source_class = ? AND kind = ? AND calibration_version = ?",
            (
                sums.to_bytes(restated.positive),
                sums.to_bytes(restated.negative),
                tenant,
                memory_id,
                channel,
                space,
                bucket,
                principal,
                source_class,
                kind,
                version,
            ),
        )
