"""Appends events to the ledger, each once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from atlas.errors import ConflictError
from atlas.failpoints import failpoint
from atlas.salience import EventKind, SalienceRule, sums_of

from . import facts
from .policy import LedgerPolicy
from .records import Impression, NewEvent, Part, Place, PoolMember

Key = tuple[str, EventKind]
"""Memory id and kind: with tenant and search id, the identity of an event."""


class Appended(msgspec.Struct, frozen=True):
    """An event with the member of the pool that it is about."""

    event: NewEvent
    member: PoolMember


def known(connection: sqlite3.Connection, tenant: str, search_id: str, events: Sequence[NewEvent]) -> dict[Key, NewEvent]:
    """Reads those events of a search that the ledger has, revoked ones too."""
    rows = connection.execute(
        "SELECT memory_id, kind, value, raw_score, score_kind, calibration_version, rank_before_salience FROM event"
        " WHERE tenant = ? AND memory_id IN (SELECT value FROM json_each(?)) AND search_id = ?",
        (tenant, json.dumps(list({event.memory_id for event in events})), search_id),
    )
    return {(memory_id, EventKind(kind)): NewEvent(memory_id, EventKind(kind), *rest) for memory_id, kind, *rest in rows}


def check_equal(event: NewEvent, stored: NewEvent, *, search_id: str, field: str) -> None:
    """Makes sure that an event which the ledger has is repeated as it was.

    Raises:
        ConflictError: It has another score or value.
    """
    # A raw score outlives its calibration; a value of the same calibration must be the same.
    recalibrated = event.kind is EventKind.RERANK and event.calibration_version != stored.calibration_version
    same_score = (event.raw_score, event.score_kind) == (stored.raw_score, stored.score_kind)
    if same_score and (recalibrated or event.value == stored.value):
        return
    new, old = (event.value, stored.value) if same_score else (event.raw_score, stored.raw_score)
    raise ConflictError(
        f"{field}: the event {event.kind.name} of search {search_id} about memory {event.memory_id} was recorded with {old}, not {new}",
        reason="EVENT_DIFFERS",
        field=field,
        search_id=search_id,
        memory_id=event.memory_id,
        kind=event.kind.name,
        recorded=old,
        reported=new,
    )


def append(connection: sqlite3.Connection, impression: Impression, appended: Iterable[Appended], rule: SalienceRule) -> dict[str, Part]:
    """Appends events of a search at the time of `impression`, and returns what each memory's sums gain by it, by memory id.

    Pins gain nothing here. All events that are no pins must be of one channel, and each about another memory where they are of one kind.
    """
    rows = []
    parts: dict[str, Part] = {}
    time_s, space, bucket = impression.time_us / 1e6, impression.space, impression.bucket or 0
    weights: dict[tuple[EventKind, float], float] = {}
    for one in appended:
        event, member = one.event, one.member
        drawn = event.kind, member.propensity
        weight = weights.get(drawn)
        if weight is None:
            weight = weights[drawn] = rule.weights.of(event.kind, propensity=member.propensity)
        rows.append(
            (
                impression.tenant,
                event.memory_id,
                impression.search_id,
                int(event.kind),
                event.value,
                event.raw_score,
                event.score_kind,
                event.calibration_version,
                event.rank_before_salience,
                int(member.pool),
                member.propensity,
                weight,
                impression.principal,
                int(impression.source_class),
                space,
                bucket,
                impression.time_us,
                0,
            )
        )
        channel = event.kind.channel
        if channel is not None:
            part = Part(sums_of(event.value, weight, time_s, rule.of(channel)), impression.time_us)
            parts[event.memory_id] = parts[event.memory_id] + part if event.memory_id in parts else part
    failpoint("ledger.events.before")
    connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    failpoint("ledger.events.after")
    return parts


def too_old(connection: sqlite3.Connection, time_us: int, *, now_us: int, policy: LedgerPolicy) -> bool:
    """Whether an event is from before the time in which the ledger can tell a repetition."""
    return time_us < max(now_us - policy.retention_us, facts.read(connection, facts.COMPACTED_UNTIL, default=0.0))


def place_of(impression: Impression, kind: EventKind) -> Place:
    """Says where evidence of a search is summed; not for pins."""
    channel = kind.channel
    assert channel is not None, "a pin is summed nowhere"  # noqa: S101 - the caller's mistake
    return Place(channel, impression.space, impression.bucket or 0)


def by_id(pool: Iterable[PoolMember]) -> Mapping[str, PoolMember]:
    """Returns the members of a pool by memory id."""
    return {member.memory_id: member for member in pool}
