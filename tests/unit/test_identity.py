"""Ids that follow from content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from atlas.identity import memory_id, remembered_id

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_ids_never_change_because_they_are_stored() -> None:
    assert memory_id("default", "notes", "file://host/a.md", "Hello.", 0) == "214414d9-f84e-5ab7-bf7c-5224fca4e593"
    assert remembered_id("default", "notes", "Hello.", "Ada", NOON) == "5061ef8a-ef03-5bc7-bce5-f5d196b7b862"


def test_ids_are_version_five_uuids() -> None:
    assert UUID(memory_id("t", "c", "s", "x", 0)).version == 5


def test_each_part_of_a_chunks_identity_counts() -> None:
    ids = {
        memory_id(*parts) for parts in [("t", "c", "s", "x", 0), ("u", "c", "s", "x", 0), ("t", "d", "s", "x", 0), ("t", "c", "r", "x", 0)]
    }
    ids |= {memory_id("t", "c", "s", "y", 0), memory_id("t", "c", "s", "x", 1)}
    assert len(ids) == 6


def test_parts_do_not_run_into_each_other() -> None:
    assert memory_id("a", "bc", "s", "x", 0) != memory_id("ab", "c", "s", "x", 0)


def test_the_same_words_by_the_same_speaker_at_the_same_time_are_one_memory() -> None:
    first = remembered_id("t", "c", "hi", "Ada", NOON)
    assert remembered_id("t", "c", "hi", "Ada", NOON.astimezone(timezone(timedelta(hours=2)))) == first
    assert remembered_id("t", "c", "hi", "Bob", NOON) != first
    assert remembered_id("t", "c", "hi", "Ada", NOON + timedelta(microseconds=1)) != first
    assert remembered_id("t", "c", "hi", "Ada", None) != first


def test_a_time_without_zone_and_a_negative_ordinal_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        remembered_id("t", "c", "hi", "", datetime(2026, 5, 1))
    with pytest.raises(ValueError, match="ordinal is -1"):
        memory_id("t", "c", "s", "x", -1)
