"""Answers of the tools that write."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from atlas.client import FeedbackResult, Remembered

_MAX_IDS = 20


class RememberReply(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `remember`: the first ids, and how many there are."""

    outcome: str
    collection: str
    memory_count: int
    memory_ids: Sequence[str]


class FeedbackReply(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `feedback`: pieces that count now, that counted before, and that do not count."""

    accepted_count: int
    duplicate_count: int
    ignored_count: int
    durability: str


def remember_reply(stored: Remembered) -> RememberReply:
    """Says what became of a text."""
    ids = stored.memory_ids
    return RememberReply(outcome=stored.outcome.value, collection=stored.collection, memory_count=len(ids), memory_ids=ids[:_MAX_IDS])


def feedback_reply(done: FeedbackResult) -> FeedbackReply:
    """Says what became of feedback."""
    return FeedbackReply(
        accepted_count=done.accepted_count,
        duplicate_count=done.duplicate_count,
        ignored_count=done.ignored_count,
        durability=done.durability,
    )
