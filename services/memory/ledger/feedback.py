"""Records what the reranker cannot know: use, words, outcomes and pins."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from atlas.errors import InvalidInputError, NotFoundError, OverloadedError
from atlas.salience import Channel, EventKind

from ..scopes import Scope
from . import budgets, events, impressions, marks, pins, sums
from .events import Appended
from .policy import LedgerPolicy
from .records import FedBack, Impression, NewEvent, Pool, PoolMember, SourceClass

MAX_BEFORE_US = 300_000_000
"""How far feedback may lie before its search, in microseconds: clocks differ."""
_JUDGED = {EventKind.EXPLICIT, EventKind.PIN}
"""Kinds that say what somebody saw in a memory. The others follow from its having been shown."""


@dataclass(frozen=True, slots=True)
class Report:
    """Checked evidence about one search, or pins on their own."""

    scope: Scope
    search_id: str
    """Of the search; of pins on their own, their own id."""
    events: Sequence[NewEvent]
    source_class: SourceClass
    time_us: int
    """When it happened, in microseconds since the epoch."""
    stated: bool = True
    """Whether the caller said so; else it is the time at which the report came."""

    @property
    def of_search(self) -> bool:
        """Whether it is about a search."""
        return any(event.kind is not EventKind.PIN for event in self.events)


def record(connection: sqlite3.Connection, report: Report, policy: LedgerPolicy, *, now_us: int) -> FedBack:
    """Appends evidence from outside, all or nothing, in one transaction that is the caller's.

    Raises:
        NotFoundError: The search or a memory is unknown, or not in scope.
        InvalidInputError: A memory was not in the pool, or the time lies before the search.
        ConflictError: An event was recorded with another value.
        OverloadedError: The principal's budget of the day does not reach.
    """
    tenant, scope = report.scope.tenant, report.scope
    searched = _searched(connection, report, policy, now_us) if report.of_search else None
    domains = impressions.domains_of(connection, tenant, [event.memory_id for event in report.events])
    for index, event in enumerate(report.events):
        _check_known(event, domains, scope, f"feedback[{index}].memory_id")
    pool = events.by_id(searched.pool) if searched else {}
    new: list[Appended] = []
    known = events.known(connection, tenant, report.search_id, report.events)
    for index, event in enumerate(report.events):
        if event.memory_id not in pool and report.of_search:
            raise _not_in_pool(event, report.search_id, f"feedback[{index}].memory_id")
        stored = known.get((event.memory_id, event.kind))
        if stored is not None:
            events.check_equal(event, stored, search_id=report.search_id, field=f"feedback[{index}]")
        else:
            new.append(Appended(event, pool.get(event.memory_id) or _alone(event.memory_id)))
    counted = [one for one in new if _counts(one, report.source_class, policy)]
    _spend(connection, report, policy, len(counted), now_us)
    if counted:
        _append(connection, _standing(report, searched), counted, domains, policy)
    return FedBack(len(counted), len(report.events) - len(new), len(new) - len(counted))


def _searched(connection: sqlite3.Connection, report: Report, policy: LedgerPolicy, now_us: int) -> Impression:
    found = impressions.find(connection, report.scope, report.search_id)
    # The ledger tells repetitions of an event only within its retention; no event is older than its search.
    if found is None or events.too_old(connection, found.time_us, now_us=now_us, policy=policy):
        raise NotFoundError(
            f"search {report.search_id!r} is unknown, or older than what is kept",
            reason="SEARCH_NOT_FOUND",
            field="search_id",
            search_id=report.search_id,
        )
    # A report of now is never too early: the clock has been set back since the search.
    if report.stated and report.time_us < found.time_us - MAX_BEFORE_US:
        before_s = (found.time_us - report.time_us) / 1e6
        raise InvalidInputError(
            f"event_time lies {before_s:.0f} s before the search; at most {MAX_BEFORE_US / 1e6:.0f} s are allowed",
            field="event_time",
            before_s=before_s,
            max_before_s=MAX_BEFORE_US / 1e6,
        )
    return found


def _standing(report: Report, searched: Impression | None) -> Impression:
    """What the events are appended under: the place of the search, the time and the caller of the report."""
    if searched is None:
        searched = Impression(
            report.scope.tenant, report.search_id, report.scope.principal, report.source_class, (), report.time_us, None, "", ()
        )
    return replace(
        searched,
        principal=report.scope.principal,
        source_class=report.source_class,
        time_us=max(report.time_us, searched.time_us),
    )


def _append(
    connection: sqlite3.Connection, standing: Impression, counted: Sequence[Appended], domains: Mapping[str, str], policy: LedgerPolicy
) -> None:
    parts = events.append(connection, standing, counted, policy.rule)
    if parts:
        sums.add(connection, standing.tenant, events.place_of(standing, EventKind.USED), parts, domains)
    for one in counted:
        if one.event.kind is EventKind.PIN:
            pin = (standing.time_us, standing.search_id, one.event.value)
            pins.put(connection, standing.tenant, one.event.memory_id, pin)
    marks.mark(connection, standing.tenant, {one.event.memory_id for one in counted})


def _spend(connection: sqlite3.Connection, report: Report, policy: LedgerPolicy, count: int, now_us: int) -> None:
    if not count:
        return
    tenant, principal = report.scope.tenant, report.scope.principal
    left = budgets.left(connection, tenant, principal, Channel.OUTSIDE, now_us=now_us, budget=policy.outside_budget)
    if count > left:
        raise OverloadedError(
            f"feedback holds {count} new events; {left} of today's {policy.outside_budget} are left for principal {principal!r}",
            reason="OVER_BUDGET",
            field="feedback",
            retry_after_ms=budgets.retry_after_ms(now_us),
            event_count=count,
            left_count=left,
            budget=policy.outside_budget,
            principal=principal,
        )
    budgets.spend(connection, tenant, principal, Channel.OUTSIDE, now_us=now_us, count=count)


def _counts(one: Appended, source_class: SourceClass, policy: LedgerPolicy) -> bool:
    if source_class is SourceClass.SYSTEM and not policy.count_system_traffic:
        return False
    # What salience itself brought in must not grow by being used: only somebody's word counts for it.
    return one.member.pool is not Pool.EXTENDED or one.event.kind in _JUDGED


def _alone(memory_id: str) -> PoolMember:
    return PoolMember(memory_id, "", "", Pool.CLEAN, 0, 1.0, 0)


def _check_known(event: NewEvent, domains: Mapping[str, str], scope: Scope, field: str) -> None:
    domain = domains.get(event.memory_id)
    if domain is None or not scope.covers(domain):
        raise NotFoundError(f"memory {event.memory_id} does not exist", reason="MEMORY_NOT_FOUND", field=field, memory_id=event.memory_id)


def _not_in_pool(event: NewEvent, search_id: str, field: str) -> InvalidInputError:
    return InvalidInputError(
        f"{field} {event.memory_id} was not in the pool of search {search_id}",
        reason="NOT_IN_POOL",
        field=field,
        memory_id=event.memory_id,
        search_id=search_id,
    )
