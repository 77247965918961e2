"""Pure queue of one lane: which of the waiting items are computed together next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Owner = TypeVar("Owner")

_WINDOW_COUNT = 256
"""Items from the head of the queue among which companions of similar length are looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Generic[Item, Owner]):
    """One waiting item."""

    item: Item
    cost: int
    """Tokens, at least 1."""
    owner: Owner
    """The job that the item belongs to."""
    index: int
    """Position of the item in its job."""


class BatchQueue(Generic[Item, Owner]):
    """First come, first served, with companions of similar cost pulled forward so that little of a batch is padding."""

    def __init__(self) -> None:
        """Starts empty."""
        self._entries: deque[Entry[Item, Owner]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def head(self) -> Entry[Item, Owner] | None:
        """The item that has waited longest, or None."""
        return self._entries[0] if self._entries else None

    def push(self, entries: Iterable[Entry[Item, Owner]]) -> None:
        """Appends the items of one job, the most expensive first."""
        self._entries.extend(sorted(entries, key=lambda entry: -entry.cost))

    def drop_head(self, dead: Callable[[Entry[Item, Owner]], bool]) -> None:
        """Removes items from the head for as long as they are `dead`."""
        while self._entries and dead(self._entries[0]):
            self._entries.popleft()

    def take_all(self) -> list[Entry[Item, Owner]]:
        """Removes and returns everything."""
        entries = list(self._entries)
        self._entries.clear()
        return entries

    def take(self, budget: int, dead: Callable[[Entry[Item, Owner]], bool]) -> list[Entry[Item, Owner]]:
        """Removes and returns the next batch, most expensive first.

        It holds the item that has waited longest and those nearest to it in cost, as long as the number of items times the highest
        cost stays within `budget`; one item is taken whatever it costs. Items that are `dead` are removed and left out.
        """
        taken = [self._entries.popleft() for _ in range(min(_WINDOW_COUNT, len(self._entries)))]
        window = [entry for entry in taken if not dead(entry)]
        batch = _companions(window, budget)
        chosen = set(map(id, batch))
        self._entries.extendleft(entry for entry in reversed(window) if id(entry) not in chosen)
        return sorted(batch, key=lambda entry: -entry.cost)


def _companions(window: list[Entry[Item, Owner]], budget: int) -> list[Entry[Item, Owner]]:
    if not window:
        return []
    anchor = window[0].cost
    batch: list[Entry[Item, Owner]] = []
    highest = 0
    for entry in sorted(window, key=lambda entry: abs(entry.cost - anchor)):
        highest = max(highest, entry.cost)
        if batch and (len(batch) + 1) * highest > budget:
            break
        batch.append(entry)
    return batch
