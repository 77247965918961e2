"""The content cache: what it keeps is what the store holds, however reads and writes overlap."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.memory.operations import DeleteGeneration, DeletePoints, Operation, ReplacePayloads
from services.memory.search.contents import ContentCache, Key

ROOM = 100_000
A, B, OTHER = ("g1", "a"), ("g1", "b"), ("g2", "a")


def cache(max_bytes: int = ROOM, registry: CollectorRegistry | None = None) -> ContentCache:
    return ContentCache(max_bytes=max_bytes, registry=registry or CollectorRegistry())


def keep(contents: ContentCache, *keys: Key, content: bytes = b"said") -> None:
    with contents.reading() as reading:
        for key in keys:
            contents.keep(reading, key, content)


def writing(key: Key) -> Sequence[Operation]:
    generation, memory_id = key
    return [ReplacePayloads("index", generation, {memory_id: {}})]


def test_what_was_read_once_is_known() -> None:
    registry = CollectorRegistry()
    contents = cache(registry=registry)
    assert contents.find([A, B]) == [None, None]
    keep(contents, A)
    assert contents.find([A, B, OTHER]) == [b"said", None, None]
    assert registry.get_sample_value("atlas_memory_content_cache_hits_total") == 1
    assert registry.get_sample_value("atlas_memory_content_cache_misses_total") == 4


def test_the_least_recently_used_leave_first_and_the_bytes_are_bounded() -> None:
    registry = CollectorRegistry()
    contents = cache(3_000, registry)
    for number in range(100):
        keep(contents, ("g1", str(number)), content=bytes(300))
        assert contents.find([("g1", "0")]) == [bytes(300)]
        held = registry.get_sample_value("atlas_memory_content_cache_bytes")
        assert held is not None
        assert 0 < held <= 3_000
    assert contents.find([("g1", "1"), ("g1", "99")]) == [None, bytes(300)]


@pytest.mark.parametrize(("max_bytes", "size"), [(0, 1), (3_000, 3_000)])
def test_what_is_larger_than_the_room_is_not_kept(max_bytes: int, size: int) -> None:
    contents = cache(max_bytes)
    keep(contents, A, content=bytes(size))
    assert contents.find([A]) == [None]


def test_points_should_come_along_while_most_contents_have_to_be_read() -> None:
    contents = cache()
    assert contents.lacks_often
    keep(contents, A)
    contents.find([A])
    assert contents.lacks_often  # one pool is not many
    for _ in range(10):
        contents.find([A])
    assert not contents.lacks_often
    contents.find([])
    contents.find([B])
    assert not contents.lacks_often
    for _ in range(10):
        contents.find([A, B, OTHER])
    assert contents.lacks_often


def test_what_is_written_is_forgotten() -> None:
    contents = cache()
    keep(contents, A, B, OTHER)
    with contents.changing(writing(A)):
        assert contents.find([A, B, OTHER]) == [None, b"said", b"said"]
    with contents.changing([DeletePoints("index", "g1", ("b", "never seen"))]):
        pass
    assert contents.find([A, B, OTHER]) == [None, None, b"said"]


def test_a_deleted_generation_is_forgotten_as_a_whole() -> None:
    contents = cache()
    keep(contents, A, B, OTHER)
    with contents.reading() as reading:
        with contents.changing([DeleteGeneration("index", "g1")]):
            pass
        contents.keep(reading, A, b"late")
    assert contents.find([A, B, OTHER]) == [None, None, b"said"]


def test_a_read_that_overlaps_a_write_keeps_what_was_not_written() -> None:
    contents = cache()
    with ExitStack() as reads, ExitStack() as writes:
        before = reads.enter_context(contents.reading())
        writes.enter_context(contents.changing(writing(A)))
        during = reads.enter_context(contents.reading())
        writes.close()
        after = reads.enter_context(contents.reading())
        for reading in (before, during):
            contents.keep(reading, A, b"old")
            contents.keep(reading, B, b"said")
        assert contents.find([A, B]) == [None, b"said"]
        contents.keep(after, A, b"new")
    assert contents.find([A]) == [b"new"]


def test_a_write_that_failed_has_ended() -> None:
    contents = cache()
    with pytest.raises(RuntimeError), contents.changing(writing(A)):
        raise RuntimeError
    keep(contents, A)
    assert contents.find([A]) == [b"said"]


STEPS = st.lists(st.tuples(st.sampled_from(["begin read", "read", "end read", "begin write", "write", "end write"]), st.integers(0, 3)))


@given(STEPS)
def test_what_is_kept_is_what_the_store_holds(steps: list[tuple[str, int]]) -> None:
    """Any number of reads overlap; of writes one at a time, as the writer makes them. The store takes a write at one moment within it."""
    contents, store = cache(), dict.fromkeys(["0", "1", "2", "3"], 0)
    reads: list[tuple[ExitStack, object, dict[str, int]]] = []
    write: tuple[ExitStack, str] | None = None
    with ExitStack() as everything:
        for step, number in steps:
            name = str(number)
            match step:
                case "begin read":
                    stack = everything.enter_context(ExitStack())
                    reads.append((stack, stack.enter_context(contents.reading()), {}))
                case "read" if reads:
                    reads[number % len(reads)][2].update(store)
                case "end read" if reads:
                    stack, reading, seen = reads.pop(number % len(reads))
                    for key, value in seen.items():
                        contents.keep(reading, ("g", key), str(value).encode())  # type: ignore[arg-type]  # the stack gives what it entered
                    stack.close()
                case "begin write" if write is None:
                    stack = everything.enter_context(ExitStack())
                    stack.enter_context(contents.changing(writing(("g", name))))
                    write = stack, name
                case "write" if write is not None:
                    store[write[1]] += 1
                case "end write" if write is not None:
                    write[0].close()
                    write = None
            known = dict(zip(store, contents.find([("g", key) for key in store]), strict=True))
            assert all(value is None or value == str(store[key]).encode() for key, value in known.items())
