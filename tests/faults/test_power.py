"""A few power cuts; `python -m tests.faults power` makes 200. And the disk that they need, by itself.

`ATLAS_TEST_POWER_CUTS` is the number of cuts, `ATLAS_TEST_SEED` repeats a run's choices.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
from pathlib import Path

import pytest

from services.memory.snapshots.manifest import MANIFEST_FILE, Shelf

from .disk.image import PAGE, ROOT, DiskError, Image, Loss
from .disk.mounted import missing, mounted
from .power import run_cuts

CUTS = int(os.environ.get("ATLAS_TEST_POWER_CUTS", "4"))
SEED = int(os.environ.get("ATLAS_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
NOTHING_KEPT = Loss(seed=1, keep=0.0, torn=0.0)
needs_disk = pytest.mark.skipif(bool(missing()), reason=f"skipped: {missing()}")


@needs_disk
@pytest.mark.timeout(240 + 20 * CUTS)
async def test_what_was_acknowledged_for_it_survives_the_loss_of_power(tmp_path: Path) -> None:
    figures = await run_cuts(CUTS, seed=SEED, folder=tmp_path)
    print(f"\nATLAS_TEST_SEED={SEED} {figures}")
    assert not figures.violations, str(figures)
    assert figures.cuts == CUTS
    assert figures.acknowledged["POWER_LOSS"]
    assert figures.dirty_pages, "no cut has put anything at stake"


@needs_disk
async def test_a_snapshot_that_has_its_name_keeps_it_and_one_that_was_deleted_stays_so(tmp_path: Path) -> None:
    kept, deleted = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    async with mounted(tmp_path / "disk") as disk:
        shelf = Shelf(disk.folder / "snapshots")

        def change() -> None:
            for snapshot_id in (kept, deleted):
                draft = shelf.folder / f"{snapshot_id}.draft"
                draft.mkdir(parents=True)
                (draft / MANIFEST_FILE).write_bytes(b"what it says of itself")
                shelf.publish(draft, snapshot_id)
            shelf.delete(shelf.place(deleted))

        await asyncio.to_thread(change)
        await disk.cut(seed=1, keep=0.0, torn=0.0)
        await disk.power()
        shelf.clear_leftovers()
        assert [place.name for place in shelf.folder.iterdir()] == [kept]
        assert (shelf.place(kept) / MANIFEST_FILE).read_bytes() == b"what it says of itself"


def file_of(image: Image, content: bytes):
    node = image.make(ROOT, "file", 0o100644)
    image.write(node, 0, content)
    image.sync(node)
    return node


def test_what_was_synced_survives_a_cut_and_what_was_not_is_lost() -> None:
    image = Image()
    node = file_of(image, b"a" * 3 * PAGE)
    image.write(node, PAGE - 2, b"bbbb")
    image.write(node, 3 * PAGE, b"more")
    left = image.cut(NOTHING_KEPT)
    kept = left.find(ROOT, "file")
    assert left.read(kept, 0, 3 * PAGE) == b"a" * 3 * PAGE
    assert left.read(kept, 3 * PAGE, 10) in (b"", b"\0" * 4)


def test_any_set_of_unsynced_pages_may_survive() -> None:
    image = Image()
    node = file_of(image, b"a" * 4 * PAGE)
    image.write(node, 0, b"b" * 4 * PAGE)
    left = {seed: image.cut(Loss(seed=seed, keep=0.5, torn=0.0)) for seed in range(200)}
    found = {each.read(each.find(ROOT, "file"), 0, 4 * PAGE)[::PAGE] for each in left.values()}
    assert len(found) == 16


def test_a_page_may_be_torn_at_a_sector() -> None:
    image = Image()
    node = file_of(image, b"a" * PAGE)
    image.write(node, 0, b"b" * PAGE)
    left = image.cut(Loss(seed=3, keep=1.0, torn=1.0))
    content = left.read(left.find(ROOT, "file"), 0, PAGE)
    kept = content.count(b"b")
    assert 0 < kept < PAGE
    assert kept % 512 == 0
    assert content == b"b" * kept + b"a" * (PAGE - kept)


def test_names_reach_the_medium_in_their_order() -> None:
    image = Image()
    for name in "abc":
        image.make(ROOT, name, 0o100644)
    for seed in range(50):
        names = set(image.cut(Loss(seed=seed, keep=0.5, torn=0.0)).node(ROOT).names)
        assert names in (set(), {"a"}, {"a", "b"}, {"a", "b", "c"})


def test_a_sync_brings_the_names_before_it() -> None:
    image = Image()
    image.make(ROOT, "first", 0o100644)
    image.sync(image.make(ROOT, "second", 0o100644))
    assert set(image.cut(NOTHING_KEPT).node(ROOT).names) == {"first", "second"}


def test_a_full_disk_refuses_a_page_more() -> None:
    image = Image()
    image.capacity_pages = 2
    node = file_of(image, b"a" * 2 * PAGE)
    image.write(node, 0, b"b")
    with pytest.raises(DiskError) as caught:
        image.write(node, 2 * PAGE, b"b")
    assert caught.value.number == errno.ENOSPC
    image.resize(node, PAGE)
    image.write(node, PAGE, b"b")
