"""Measures which hits of an earlier search an answer used, and records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atlas.deadlines import Deadline
from atlas.errors import InvalidInputError
from atlas.salience import EventKind

from ..clients import Given, MemoryClient, Piece, SalienceClient
from ..memories import Durability, Memory, Scope
from .requests import AnswerGiven
from .usage import Hit, HitUsage, Verdict, measured

_VALUES = {Verdict.USED: 1.0, Verdict.UNUSED: 0.0}


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What an answer used."""

    usage: list[HitUsage]
    """In the order of the request or of the results."""
    missing_ids: list[str]
    """Hits that are not there any more."""
    given: Given = field(default_factory=Given)
    """What became of the evidence."""


class UsageReporter:
    """Measures and records what answers used."""

    def __init__(self, memory: MemoryClient, salience: SalienceClient) -> None:
        self._memory = memory
        self._salience = salience

    async def report(self, asked: AnswerGiven, scope: Scope, *, deadline: Deadline) -> UsageReport:
        """Measures an answer and records what is certain; each hit counts once a search, however often it is reported.

        Raises:
            NotFoundError: The search is unknown.
            InvalidInputError: A named memory was not in that search's pool.
            ConflictError: An earlier report on this search said the opposite of a hit.
        """
        pool = await self._salience.shown(scope, asked.search_id, deadline=deadline)
        wanted = list(asked.memory_ids) or [memory_id for memory_id, rank in sorted(pool.items(), key=lambda item: item[1]) if rank]
        if not wanted:
            return UsageReport([], [])
        found, missing = await self._memory.found(scope, wanted, deadline=deadline)
        _check_pool(wanted, pool, found)
        hits = [Hit.of(memory_id, found[memory_id].indexed, found[memory_id].language) for memory_id in wanted if memory_id in found]
        usage = measured(asked.answer, asked.query, hits)
        pieces = [Piece(item.memory_id, EventKind.USED, _VALUES[item.verdict]) for item in usage if item.verdict in _VALUES]
        if asked.dry_run or not pieces:
            return UsageReport(usage, missing)
        given = await self._salience.give(
            scope,
            asked.search_id,
            pieces,
            source_class=asked.caller.source_class,
            durability=Durability.POWER_LOSS,
            deadline=deadline,
        )
        return UsageReport(usage, missing, given)


def _check_pool(wanted: list[str], pool: Mapping[str, int], found: Mapping[str, Memory]) -> None:
    for index, memory_id in enumerate(wanted):
        # A memory that was deleted since is in no pool any more: it is missing, not wrong.
        if memory_id in found and memory_id not in pool:
            raise InvalidInputError(
                f"memory_ids[{index}] is {memory_id}, which was not in that search's pool",
                reason="NOT_IN_POOL",
                field=f"memory_ids[{index}]",
                memory_id=memory_id,
            )
