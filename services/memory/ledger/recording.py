"""Records a search: its impression and the evidence that it gave."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from atlas.salience import Channel, EventKind

from ..scopes import Scope
from . import budgets, events, impressions, marks, sums
from .events import Appended
from .policy import LedgerPolicy
from .records import Impression, NewEvent, Pool, PoolMember, Recorded, SourceClass


def record(
    connection: sqlite3.Connection, scope: Scope, impression: Impression, reported: Sequence[NewEvent], policy: LedgerPolicy, *, now_us: int
) -> Recorded:
    """Writes an impression with its evidence, in one transaction that is the caller's; what was written before counts as duplicate.

    Raises:
        ConflictError: The search was recorded with another pool, or an event with another score.
        SchemaMismatchError: The pool names a generation that its collection does not have.
    """
    standing = impressions.put(connection, impression)
    if not reported:
        return Recorded(0, 0, ())
    sorting = _Sorting(connection, scope, standing, policy, now_us)
    sorting.sort(reported)
    accepted = sorting.within_budget()
    if accepted:
        parts = events.append(connection, standing, accepted, policy.rule)
        place = events.place_of(standing, EventKind.RERANK)
        sums.add(connection, scope.tenant, place, parts, sorting.domains)
        budgets.spend(connection, scope.tenant, standing.principal, Channel.PASSIVE, now_us=now_us, count=len(accepted))
        marks.mark(connection, scope.tenant, parts)
    return Recorded(len(accepted), sorting.duplicate, tuple(sorting.rejected))


class _Sorting:
    """Tells apart what counts, what counted before, and what may not count."""

    def __init__(self, connection: sqlite3.Connection, scope: Scope, impression: Impression, policy: LedgerPolicy, now_us: int) -> None:
        self._connection = connection
        self._scope = scope
        self._impression = impression
        self._policy = policy
        self._now_us = now_us
        self._accepted: list[Appended] = []
        self.domains: Mapping[str, str] = {}
        self.duplicate = 0
        self.rejected: list[tuple[str, str]] = []

    def sort(self, reported: Sequence[NewEvent]) -> None:
        """Sorts events, in their order."""
        impression = self._impression
        pool = events.by_id(impression.pool)
        self.domains = impressions.domains_of(self._connection, impression.tenant, [event.memory_id for event in reported])
        known = events.known(self._connection, impression.tenant, impression.search_id, reported)
        whole = self._refusal_of_all()
        for index, event in enumerate(reported):
            key = event.memory_id, event.kind
            reason = self._refusal(event, pool)
            if not reason and key in known:
                events.check_equal(event, known[key], search_id=impression.search_id, field=f"events[{index}]")
                self.duplicate += 1
            elif reason or whole:
                self.rejected.append((event.memory_id, reason or whole))
            else:
                known[key] = event
                self._accepted.append(Appended(event, pool[event.memory_id]))

    def within_budget(self) -> list[Appended]:
        """Returns the first events that the principal has left today, and rejects the rest."""
        budget = budgets.left(
            self._connection,
            self._impression.tenant,
            self._impression.principal,
            Channel.PASSIVE,
            now_us=self._now_us,
            budget=self._policy.passive_budget,
        )
        self.rejected.extend((one.event.memory_id, "OVER_BUDGET") for one in self._accepted[budget:])
        return self._accepted[:budget]

    def _refusal(self, event: NewEvent, pool: Mapping[str, PoolMember]) -> str:
        member = pool.get(event.memory_id)
        if member is None:
            return "NOT_IN_POOL"
        if member.pool is Pool.EXTENDED:
            return "NOT_CLEAN"
        domain = self.domains.get(event.memory_id)
        return "UNKNOWN_MEMORY" if domain is None or not self._scope.covers(domain) else ""

    def _refusal_of_all(self) -> str:
        if self._impression.source_class is SourceClass.SYSTEM and not self._policy.count_system_traffic:
            return "SYSTEM_TRAFFIC"
        old = events.too_old(self._connection, self._impression.time_us, now_us=self._now_us, policy=self._policy)
        return "TOO_OLD" if old else ""
