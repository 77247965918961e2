"""An index whose files a power loss left empty: the engine panics on them, and opens without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas.errors import AtlasError
from services.memory.store import IndexSpec, Point, UpsertPoints
from services.memory.stores.edge.shard import Shard

SPEC = IndexSpec("atlas-000000000001", 4, "encoder/1", "bm25/1")
ENOUGH = 200
"""Points of which a build makes a segment of its own."""


def opened(folder: Path) -> Shard:
    shard, _ = Shard.opened(folder, SPEC, "float32")
    return shard


def filled(folder: Path, count: int = 1) -> Path:
    shard = opened(folder)
    nothing = np.zeros(0, np.uint32), np.zeros(0, np.float32)
    ids = (f"00000000-0000-0000-0000-{number:012x}" for number in range(count))
    points = (Point(one, "g", np.array([1, 0, 0, 0], np.float32), *nothing, {"content_kind": "TEXT"}) for one in ids)
    shard.apply(UpsertPoints(SPEC.name, tuple(points)))
    shard.flush()
    shard.close()
    return folder / SPEC.name / "shard"


def test_files_that_a_power_loss_left_empty_do_not_keep_an_index_shut(tmp_path: Path) -> None:
    home = filled(tmp_path)
    emptied = list(home.rglob("vector_storage-lexical/deleted/*.dat"))
    assert emptied
    for path in emptied:
        path.write_bytes(b"")
    shard = opened(tmp_path)
    assert shard.count("g", None) == 1
    shard.close()


def test_an_index_that_cannot_be_opened_says_so_and_loses_nothing(tmp_path: Path) -> None:
    home = filled(tmp_path)
    (home / "edge_config.json").write_bytes(b"{")
    before = {path: path.stat().st_size for path in home.rglob("*") if path.is_file()}
    with pytest.raises(AtlasError, match=r"cannot be opened.*from a copy") as caught:
        opened(tmp_path)
    assert caught.value.reason == "INDEX_DAMAGED"
    assert {path: path.stat().st_size for path in home.rglob("*") if path.is_file()} == before


def test_a_file_that_was_made_since_the_last_flush_and_lost_its_bytes_takes_writes_again(tmp_path: Path) -> None:
    shard, _ = Shard.opened(tmp_path, SPEC, "turbo8")
    shard.close()
    home = tmp_path / SPEC.name / "shard"
    (segment,) = (home / "segments").iterdir()
    for name in ("vector_storage-dense/vectors/chunk_0.mmap", "vector_storage-scan/tq_vectors/chunk_0.mmap"):
        assert not (segment / name).exists()
        (segment / name).write_bytes(b"")
    (home / "wear.json").write_bytes(b"\0\0")
    shard, _ = Shard.opened(tmp_path, SPEC, "turbo8")
    nothing = np.zeros(0, np.uint32), np.zeros(0, np.float32)
    point = Point("00000000-0000-0000-0000-000000000001", "g", np.array([1, 0, 0, 0], np.float32), *nothing, {"content_kind": "TEXT"})
    shard.apply(UpsertPoints(SPEC.name, (point,)))
    assert shard.count("g", None) == 1
    shard.close()


def test_files_that_a_build_left_empty_by_right_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path, ENOUGH)
    Shard.rebuild(tmp_path / SPEC.name, SPEC, graph=True)
    home = tmp_path / SPEC.name / "shard"
    empty = [path for path in home.rglob("*") if path.is_file() and path.stat().st_size == 0]
    assert empty, "no field without a value: the test shows nothing"
    before = {path: path.stat().st_ino for path in empty}
    shard = opened(tmp_path)
    assert shard.count("g", None) == ENOUGH
    shard.close()
    assert {path: path.stat().st_ino for path in empty} == before
    assert not caplog.records


def test_what_a_power_loss_left_empty_after_a_build_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path, ENOUGH)
    Shard.rebuild(tmp_path / SPEC.name, SPEC, graph=False)
    home = tmp_path / SPEC.name / "shard"
    for lost in ("empty.json", *(str(path.relative_to(home)) for path in home.rglob("vector_storage-lexical/deleted/*.dat"))):
        (home / lost).write_bytes(b"")
    shard = opened(tmp_path)
    assert shard.count("g", None) == ENOUGH
    shard.close()
    assert "left empty" in caplog.text
