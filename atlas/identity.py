"""Ids that follow from content, so that the same thing stored twice is one thing."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID, uuid5

# One namespace a kind of id, never changed: stored ids depend on them.
_CHUNKS = UUID("6f1e6c1c-6a53-5d0c-9d8b-0d2f0f2f7a01")
_REMEMBERED = UUID("6f1e6c1c-6a53-5d0c-9d8b-0d2f0f2f7a02")


def memory_id(tenant: str, collection: str, source: str, text: str, ordinal: int) -> str:
    """Returns the id of a document's chunk.

    Args:
        tenant: Tenant that owns the collection.
        collection: Name of the collection.
        source: URI of the document.
        text: The chunk's text, without title or speaker.
        ordinal: Position among the chunks of `source` that have exactly this text, from 0. Not the
            position in the document: a paragraph inserted at the top must not move any id.
    """
    if ordinal < 0:
        raise ValueError(f"ordinal is {ordinal}; it counts from 0")
    return _derived(_CHUNKS, tenant, collection, source, _digest(text), str(ordinal))


def remembered_id(tenant: str, collection: str, text: str, speaker: str, event_time: datetime | None) -> str:
    """Returns the id of a text that has no source: the same words by the same speaker at the same time.

    Args:
        tenant: Tenant that owns the collection.
        collection: Name of the collection.
        text: The text, without title or speaker.
        speaker: Who said it; empty if unknown.
        event_time: When it happened, with time zone; None if unknown.
    """
    return _derived(_REMEMBERED, tenant, collection, _digest(text), speaker, _moment(event_time))


def _derived(namespace: UUID, *parts: str) -> str:
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") are different lists.
    return str(uuid5(namespace, json.dumps(parts)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _moment(time: datetime | None) -> str:
    if time is None:
        return ""
    if time.tzinfo is None:
        raise ValueError("event_time needs a time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds")
