"""What has to be written so that a document is stored just so."""

from __future__ import annotations

from msgspec.structs import replace

from atlas.passages import content_sha256
from gateway.changes import Difference, change_of
from gateway.memories import Memory, Place

WANTED = Memory("m1", "notes", "a text", title="A title", place=Place("d", 0, 0, 6), metadata={"a": 1.0})


def as_stored(memory: Memory, **fields: object) -> Memory:
    """Returns a memory as it is listed: with its hash and etag, without its text."""
    stored = replace(memory, text="", content_sha256=content_sha256(memory.indexed), etag="1", generation="g", language="en")
    return replace(stored, **fields)


def difference(wanted: Memory, *stored: Memory) -> Difference:
    [(_, found)] = change_of([wanted], stored).differences
    return found


def test_what_is_stored_just_so_is_not_touched() -> None:
    change = change_of([WANTED], [as_stored(WANTED)])
    assert (change.to_write, change.to_embed, change.vanished_ids) == ([], [], [])


def test_what_is_not_stored_is_new_and_needs_a_vector() -> None:
    assert change_of([WANTED], []).to_embed == [WANTED]
    assert difference(WANTED) is Difference.NEW


def test_another_title_changes_the_indexed_text() -> None:
    assert difference(replace(WANTED, title="Another"), as_stored(WANTED)) is Difference.CONTENT


def test_moved_offsets_keep_the_vector() -> None:
    moved = replace(WANTED, place=Place("d", 3, 40, 46))
    change = change_of([moved], [as_stored(WANTED)])
    assert (change.to_write, change.to_embed) == ([moved], [])


def test_other_fields_keep_the_vector() -> None:
    assert difference(replace(WANTED, domain="home"), as_stored(WANTED)) is Difference.FIELDS
    assert difference(replace(WANTED, metadata={"a": 2}), as_stored(WANTED)) is Difference.FIELDS


def test_a_detected_language_is_no_difference_and_a_stated_one_is() -> None:
    assert difference(WANTED, as_stored(WANTED, language="de")) is Difference.NONE
    assert difference(replace(WANTED, language="en"), as_stored(WANTED, language="de")) is Difference.FIELDS


def test_what_is_no_longer_in_the_source_vanishes() -> None:
    gone = replace(WANTED, memory_id="m2")
    change = change_of([WANTED], [as_stored(WANTED), as_stored(gone)])
    assert change.vanished_ids == ["m2"]
    assert change.count(Difference.NONE) == 1
