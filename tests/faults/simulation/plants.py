"""Bugs to plant: each takes one guard out of the program, so that a simulation can show that it would notice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from services.memory import startup
from services.memory.ledger import recording
from services.memory.persistence import journal, replay, writer
from services.memory.persistence.durability import Durability
from services.memory.persistence.journal import Entry
from services.memory.search.contents import ContentCache, Reading

from .engine import ModelEngine

_NUMBERS = itertools.count()


@contextmanager
def no_request_guard() -> Iterator[None]:
    """A request id is not looked up: a call that comes again is done again."""
    with patch.object(replay, "known_answer", lambda connection, key: None), patch.object(replay, "keep_answer", lambda *arguments: None):
        yield


@contextmanager
def no_event_guard() -> Iterator[None]:
    """An event is not known by its search: one that comes again counts again."""
    record = recording.record

    def forgetful(connection: Any, scope: Any, impression: Any, *rest: Any, **options: Any) -> Any:
        return record(connection, scope, replace(impression, search_id=f"{impression.search_id}-{next(_NUMBERS)}"), *rest, **options)

    with patch.object(recording, "record", forgetful):
        yield


@contextmanager
def no_journal_order() -> Iterator[None]:
    """The journal is applied again in no order."""
    part = journal.part

    def reversed_part(*arguments: Any, **options: Any) -> list[Entry]:
        entries = part(*arguments, **options)
        # The last one stays where it is: its number says how far the journal was read.
        return [*reversed(entries[:-1]), *entries[-1:]]

    with patch.object(journal, "part", reversed_part):
        yield


@contextmanager
def no_flush() -> Iterator[None]:
    """The journal is pruned of what the engine has not on disk."""

    async def flush(engine: ModelEngine) -> None:
        return None

    with patch.object(ModelEngine, "flush", flush):
        yield


@contextmanager
def no_replay() -> Iterator[None]:
    """What is journalled and not applied stays so at a start."""

    async def forget(self: writer.Writer, apply: Any) -> None:
        return None

    with patch.object(writer.Writer, "_replay", forget):
        yield


@contextmanager
def no_sync_before_deletions() -> Iterator[None]:
    """A deletion or change reaches the engine before its entry is on disk."""
    apply = writer.Writer._apply_until_done

    async def careless(self: writer.Writer, operations: Sequence[Any], *, adds_only: bool) -> None:
        await apply(self, operations, adds_only=True)

    with patch.object(writer.Writer, "_apply_until_done", careless):
        yield


@contextmanager
def no_sync() -> Iterator[None]:
    """Everything is committed as if nobody had asked for POWER_LOSS."""
    from .disk import SimulatedDatabase

    submit = SimulatedDatabase.submit

    def careless(self: SimulatedDatabase, works: Any, *, durability: Durability) -> Any:
        return submit(self, works, durability=Durability.PROCESS_CRASH)

    with patch.object(SimulatedDatabase, "submit", careless):
        yield


@contextmanager
def no_sweep() -> Iterator[None]:
    """What the engine kept and the catalog lost stays in the engine."""

    async def leave(*arguments: Any) -> int:
        return 0

    with patch.object(startup, "_delete_unlisted", leave):
        yield


@contextmanager
def no_forgetting() -> Iterator[None]:
    """What memories said before they were written is kept."""
    with patch.object(ContentCache, "_forget", lambda self, changed: None):
        yield


@contextmanager
def no_overtaking() -> Iterator[None]:
    """What a search read while it was written is kept."""
    with patch.object(Reading, "is_current", lambda self, key: True):
        yield


_GUARDS = (
    no_request_guard,
    no_event_guard,
    no_journal_order,
    no_flush,
    no_replay,
    no_sync_before_deletions,
    no_sync,
    no_sweep,
    no_forgetting,
    no_overtaking,
)
PLANTS: dict[str, Callable[[], Any]] = {function.__name__.replace("_", "-"): function for function in _GUARDS}
"""By the name that the command line takes."""
