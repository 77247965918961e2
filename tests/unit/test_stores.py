"""The pure parts of the stores: lanes, branches, field paths, locks, free space."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.errors import DependencyDownError, DiskFullError, InvalidInputError, StartupError
from services.memory.conditions import payload_path
from services.memory.persistence.free_space import FreeSpace
from services.memory.persistence.locks import hold
from services.memory.store import StoreState
from services.memory.stores import branches
from services.memory.stores.availability import Availability
from services.memory.stores.branches import Label, Listed
from services.memory.stores.edge.lanes import READS_BEFORE_A_WRITE, Lane, Lanes


def test_reads_go_before_writes_that_came_first() -> None:
    lanes: Lanes[str] = Lanes()
    for lane, item in ((Lane.WRITE, "w1"), (Lane.READ, "r1"), (Lane.WRITE, "w2"), (Lane.READ, "r2")):
        lanes.put(lane, item)
    assert [lanes.take() for _ in range(5)] == ["r1", "r2", "w1", "w2", None]


def test_a_write_is_passed_by_a_bounded_number_of_reads() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put(Lane.WRITE, "w")
    order = []
    for _ in range(READS_BEFORE_A_WRITE + 5):
        lanes.put(Lane.READ, "r")
        order.append(lanes.take())
    assert order.index("w") == READS_BEFORE_A_WRITE


async def test_calls_wait_for_an_engine_that_comes_back() -> None:
    availability = Availability(wait_s=60)
    waiting = asyncio.create_task(availability.serving(timeout_s=None))
    await asyncio.sleep(0)
    assert not waiting.done()
    availability.become(StoreState.SERVING)
    await waiting


@pytest.mark.parametrize(("wait_s", "timeout_s", "limit"), [(0.02, 10.0, "20 ms"), (10.0, 0.01, "10 ms"), (0.03, None, "30 ms")])
async def test_calls_wait_no_longer_than_the_shorter_limit(wait_s: float, timeout_s: float | None, limit: str) -> None:
    availability = Availability(wait_s=wait_s)
    with pytest.raises(DependencyDownError, match=f"RESTARTING .* {limit}") as caught:
        await availability.serving(timeout_s=timeout_s)
    assert caught.value.retry_after_ms == 500


def test_term_ids_are_asked_once_and_in_order() -> None:
    assert branches.term_ids([(3, 1), (1,), (2, 3)]) == [1, 2, 3]


def test_coverage_counts_groups_and_not_variants() -> None:
    assert branches.coverage([(1, 2), (3,)], [1, 2]) == 0.5
    assert branches.coverage([(1,), (2,)], [2, 1, 9]) == 1.0
    assert branches.coverage([], [1]) == 0.0


@pytest.mark.parametrize(
    ("hits", "best_first"),
    [
        ([], []),
        ([("a", 3.0), ("b", 2.0), ("c", 1.0)], ["a", "b", "c"]),
        ([("c", 3.0), ("b", 2.0), ("a", 2.0)], ["c", "a", "b"]),
        ([("c", 1.0), ("b", 2.0), ("a", 3.0)], ["a", "b", "c"]),
    ],
)
def test_hits_are_ordered_by_value_and_equal_ones_by_point(hits: list[tuple[str, float]], best_first: list[str]) -> None:
    listed = Listed.ordered(hits)
    assert listed.points == best_first
    assert list(listed.items()) == [(point, dict(hits)[point]) for point in best_first]
    assert bool(listed) == bool(hits)


def test_merged_hits_have_both_values_and_the_ranks_of_their_lists() -> None:
    labels = {name: Label(f"memory-{name}", "TEXT") for name in "abc"}
    result = branches.merged(
        Listed(["a", "b", "gone"], [0.9, 0.8, 0.7]),
        Listed(["b", "c"], [5.0, 4.0]),
        similarities={"c": 0.1},
        lexicals={},
        labels=labels,
        best_coverage=0.5,
        best=None,
    )
    rows = [(hit.memory_id[-1], hit.similarity, hit.lexical, hit.similarity_rank, hit.lexical_rank) for hit in result.hits]
    assert rows == [("a", 0.9, 0.0, 1, None), ("b", 0.8, 5.0, 2, 1), ("c", 0.1, 4.0, None, 2)]
    assert (result.best_lexical, result.best_coverage) == (5.0, 0.5)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("domain", "domain"),
        ("metadata.my-key_1", "metadata.my-key_1"),
        ("metadata.a b.ü", 'metadata."a b"."ü"'),
        ("metadata.a[0]", 'metadata."a[0]"'),
    ],
)
def test_unusual_segments_of_a_path_are_quoted(key: str, path: str) -> None:
    assert payload_path(key) == path


@pytest.mark.parametrize("key", ["", "metadata.", "a..b", 'metadata.a"b'])
def test_a_path_that_cannot_be_quoted_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError, match="segment"):
        payload_path(key)


HOLDER = """
import sys, pathlib
from services.memory.persistence.locks import hold
with hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "memory.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StartupError, match=f"process {holder.pid} .*another data folder"), hold(path):
            pass
        with pytest.raises(StartupError, match=f"process {holder.pid}"), hold(path, wait_s=0.1):
            pass
        holder.kill()
        holder.wait()
        with hold(path):
            assert path.exists()


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path / "a.lock"), pytest.raises(StartupError), hold(tmp_path / "a.lock"):
            pass


def test_writes_are_refused_below_the_watermark_with_both_numbers(tmp_path: Path) -> None:
    FreeSpace(tmp_path, watermark_bytes=1).check()
    with pytest.raises(DiskFullError) as caught:
        FreeSpace(tmp_path, watermark_bytes=1 << 60).check()
    free_bytes = caught.value.values["free_bytes"]
    assert isinstance(free_bytes, int)
    assert 0 < free_bytes < 1 << 60
    assert caught.value.values["watermark_bytes"] == 1 << 60
    assert str(free_bytes) in caught.value.message
