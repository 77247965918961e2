"""Plans which passages of a call have to be encoded, and in which groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColdPassage:
    """A passage whose token vectors are not known."""

    key: bytes
    ids: tuple[int, ...]
    """Word piece ids as the model reads them, [CLS] and [SEP] included."""
    token_count: int
    """Word pieces of the whole text, special tokens included."""

    @property
    def truncated(self) -> bool:
        """Whether the end of the text is not read."""
        return self.token_count > len(self.ids)


def within_budget(passages: Iterable[ColdPassage], max_tokens: int | None) -> list[ColdPassage]:
    """The passages from the first on whose word pieces together stay within `max_tokens`."""
    chosen: list[ColdPassage] = []
    spent = 0
    for passage in passages:
        spent += len(passage.ids)
        if max_tokens is not None and spent > max_tokens:
            break
        chosen.append(passage)
    return chosen


def grouped(passages: Sequence[ColdPassage], group_tokens: int) -> Iterator[list[ColdPassage]]:
    """Cuts passages, in order, into groups of at least one passage and otherwise at most `group_tokens` word pieces."""
    group: list[ColdPassage] = []
    spent = 0
    for passage in passages:
        if group and spent + len(passage.ids) > group_tokens:
            yield group
            group, spent = [], 0
        group.append(passage)
        spent += len(passage.ids)
    if group:
        yield group
