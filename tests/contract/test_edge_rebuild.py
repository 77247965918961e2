"""The edge store builds an index anew while it serves; whatever dies meanwhile, the store stays whole.

`ATLAS_TEST_REBUILD_KILLS` is the number of kills of the whole process in mid-build; a long run takes 50.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from atlas.errors import DependencyDownError, DiskFullError, NotFoundError
from services.memory.store import (
    DeleteGeneration,
    DeletePoints,
    Equals,
    IndexSpec,
    ProjectedSalience,
    SalienceProjection,
    StoreFilter,
    UpsertPoints,
)
from services.memory.stores.edge import EdgeStore, open_edge_store
from services.memory.stores.edge.layout import current
from services.memory.stores.edge.protocol import IndexState
from services.memory.stores.edge.rebuild import BUILD_PREFIX, BuildRule
from services.memory.stores.edge.store import DATA_FOLDER
from tests.contract.store_cases import edge_settings, filled, matching, memory_id, numbers, point, search, spec, unit

KILLS = int(os.environ.get("ATLAS_TEST_REBUILD_KILLS", "2"))
PATIENCE_S = 60


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[EdgeStore]:
    async with open_edge_store(edge_settings(**settings), folder) as store:
        yield store


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.005)


def second_engine(store: EdgeStore) -> psutil.Process | None:
    """The engine that builds, if there is one now."""
    for child in psutil.Process().children(recursive=True):
        try:
            if "--background" in child.cmdline():
                return child
        except psutil.NoSuchProcess:
            continue
    return None


async def answers(store: EdgeStore, index: str) -> list[Any]:
    results = await store.search(
        [
            search(index, query=3, terms=[[1], [2]], depth=30),
            search(index, query=4, depth=30, filter=Equals("even", True)),
            search(index, terms=[[2]], generation="g2", depth=30),
        ]
    )
    return [(result.hits, result.best_lexical, result.best_coverage) for result in results]


async def worn(store: EdgeStore, index: IndexSpec, *, count: int = 400) -> None:
    """An index of which half of the vectors are dead."""
    points = [point(n, generation="g2" if n % 4 == 0 else "g1", terms={1 + n % 3: 1.0 + n}, even=n % 2 == 0) for n in range(count)]
    await filled(store, *points, index=index)
    await store.apply([UpsertPoints(index.name, tuple(points))])
    await store.apply([DeletePoints(index.name, "g1", tuple(memory_id(n) for n in range(40)))])


@pytest.mark.parametrize("graph", [False, True])
async def test_an_index_that_was_built_anew_answers_as_before_and_keeps_its_writes(tmp_path: Path, graph: bool) -> None:
    index = spec()
    async with opened(tmp_path) as store:
        await worn(store, index)
        before, shard = await answers(store, index.name), current(tmp_path / DATA_FOLDER / index.name).shard
        await store.rebuild(index.name, graph=graph)
        used = current(tmp_path / DATA_FOLDER / index.name)
        assert used.shard != shard
        assert (used.graph_points > 0) is graph
        assert await answers(store, index.name) == before
        await store.apply([UpsertPoints(index.name, (point(900),))])
        await store.flush()
        assert sorted(path.name for path in (tmp_path / DATA_FOLDER).iterdir()) == [index.name, "engine.lock"]
    async with opened(tmp_path) as store:
        await store.ensure_index(index)
        assert 900 in await matching(store, index.name, None)
        await store.rebuild(index.name, graph=False)
        assert current(tmp_path / DATA_FOLDER / index.name).graph_points == 0


async def test_what_is_written_during_a_build_is_in_its_result(tmp_path: Path) -> None:
    index = spec()
    async with opened(tmp_path) as store:
        await worn(store, index, count=1200)
        build = asyncio.create_task(store.rebuild(index.name, graph=True))
        step = 0
        while not build.done():
            step += 1
            fresh = [point(1_000_000 + 8 * step + n, domain="late") for n in range(8)]
            await store.apply([UpsertPoints(index.name, tuple(fresh)), DeletePoints(index.name, "g1", (memory_id(100 + step),))])
            salience = SalienceProjection(index.name, "g1", {fresh[0].memory_id: ProjectedSalience(step / 10_000, step, step)})
            await store.project([salience])
            [result] = await store.search([search(index.name, dense=fresh[3].dense, depth=1)])
            assert result.hits[0].memory_id == fresh[3].memory_id
            await asyncio.sleep(0.02)  # the build shares these cores
        await build
        assert step > 3
        await store.apply([DeleteGeneration(index.name, "g2")])
        kept = numbers([each async for each in everything(store, index.name, Equals("domain", "late"))])
        assert kept == {1_000_000 + 8 * each + n for each in range(1, step + 1) for n in range(8)}
        assert not {100 + each for each in range(1, step + 1)} & numbers([each async for each in everything(store, index.name)])
        found = await store.retrieve(index.name, "g1", [memory_id(1_000_000 + 8 * each) for each in range(1, step + 1)])
        assert {each.payload["salience_seq"] for each in found.values()} == set(range(1, step + 1))
        assert await store.count(index.name, "g2", None) == 0


async def test_searches_are_answered_while_a_build_runs(tmp_path: Path) -> None:
    index = spec(64)
    async with opened(tmp_path) as store:
        await filled(store, *(point(n, dense=unit(n, 64)) for n in range(3000)), index=index)
        build = asyncio.create_task(store.rebuild(index.name, graph=True))
        await until(lambda: second_engine(store) is not None)
        answered = 0
        while not build.done():
            [result] = await store.search([search(index.name, dense=unit(5, 64), depth=3)])
            assert numbers([result.hits[0].memory_id]) == {5}
            answered += second_engine(store) is not None
        await build
        assert answered > 10


async def failing(build: Awaitable[None]) -> None:
    with pytest.raises(DependencyDownError):
        await build


async def test_a_second_engine_that_dies_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    index = spec()
    async with opened(tmp_path) as store:
        await worn(store, index)
        before, used = await answers(store, index.name), current(tmp_path / DATA_FOLDER / index.name)
        build = asyncio.create_task(store.rebuild(index.name, graph=True))
        await until(lambda: second_engine(store) is not None)
        child = second_engine(store)
        assert child is not None
        child.kill()
        await failing(build)
        assert current(tmp_path / DATA_FOLDER / index.name) == used
        assert await answers(store, index.name) == before
        assert not list((tmp_path / DATA_FOLDER).glob(f"{BUILD_PREFIX}*"))
        await store.rebuild(index.name, graph=True)
        assert await answers(store, index.name) == before


async def test_a_serving_engine_that_dies_in_mid_build_loses_nothing(tmp_path: Path) -> None:
    index = spec()
    async with opened(tmp_path) as store:
        await worn(store, index)
        before = await answers(store, index.name)
        build = asyncio.create_task(store.rebuild(index.name, graph=True))
        await until(lambda: second_engine(store) is not None)
        assert store.engine_pid is not None
        os.kill(store.engine_pid, signal.SIGKILL)
        await asyncio.wait([build])
        assert build.exception() is None or isinstance(build.exception(), DependencyDownError)
        assert await answers(store, index.name) == before
        await store.apply([UpsertPoints(index.name, (point(901),))])
        assert 901 in await matching(store, index.name, None)


async def test_a_build_without_space_is_refused(tmp_path: Path) -> None:
    index = spec()
    async with opened(tmp_path, free_space_watermark_bytes=1 << 50) as store:
        await filled(store, point(1), index=index)
        with pytest.raises(DiskFullError, match=index.name):
            await store.rebuild(index.name, graph=False)
        assert await matching(store, index.name, None) == {1}


async def test_an_index_that_was_not_ensured_is_not_built(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(NotFoundError, match="atlas-none"):
            await store.rebuild("atlas-none", graph=False)


async def test_a_worn_index_is_built_anew_by_itself(tmp_path: Path) -> None:
    index = spec()
    async with opened(tmp_path, edge_shape_interval_ms=50, edge_vacuum_least_dead=100) as store:
        shard = "shard"
        await worn(store, index)
        before = await answers(store, index.name)
        await until(lambda: current(tmp_path / DATA_FOLDER / index.name).shard != shard)
        assert await answers(store, index.name) == before


@pytest.mark.parametrize(
    ("state", "rule", "due"),
    [
        (IndexState(100_000, 0, 0), BuildRule(None, 0.3), False),
        (IndexState(100_000, 50_000, 0), BuildRule(None, 0.3), True),
        (IndexState(100_000, 40_000, 0), BuildRule(None, 0.3), False),
        (IndexState(1_000, 4_000, 0), BuildRule(None, 0.3), False),
        (IndexState(1_000, 5_000, 0), BuildRule(None, 0.3), True),
        (IndexState(9_999, 0, 0), BuildRule(10_000, 0.3), False),
        (IndexState(10_000, 0, 0), BuildRule(10_000, 0.3), True),
        (IndexState(20_000, 0, 15_000), BuildRule(10_000, 0.3), False),
        (IndexState(30_000, 0, 15_000), BuildRule(10_000, 0.3), True),
    ],
)
async def test_an_index_is_built_anew_once_it_is_worn_or_has_outgrown_its_graph(state: IndexState, rule: BuildRule, due: bool) -> None:
    assert rule.is_due(state) is due


WRITER = """
    import asyncio, sys
    from pathlib import Path
    from services.memory.store import UpsertPoints
    from services.memory.stores import StoreSettings
    from services.memory.stores.edge import open_edge_store
    from tests.contract.store_cases import point, spec

    async def main(folder: Path, index: str, number: int) -> None:
        async with open_edge_store(StoreSettings(), folder) as store:
            await store.ensure_index(spec(name=index))

            async def build() -> None:
                while True:
                    await store.rebuild(index, graph=True)
                    print("built", flush=True)

            builds = asyncio.create_task(build())
            while not builds.done():
                await store.apply([UpsertPoints(index, tuple(point(n) for n in range(number, number + 8)))])
                print(number, flush=True)
                number += 8
            builds.result()

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_a_process_killed_at_any_point_of_a_build_leaves_a_usable_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, index = random.Random(7), spec()
    acknowledged: set[int] = set()
    builds = following = 0
    async with opened(tmp_path) as store:
        await filled(store, *(point(n, generation="g2") for n in range(600)), index=index)
    for _ in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            *(os.sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path), index.name, str(following)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        lines = chance.randrange(3, 60)
        while lines and (line := await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)):
            lines -= 1
            if line == b"built\n":
                builds += 1
            else:
                acknowledged.update(range(int(line), int(line) + 8))
        await asyncio.sleep(chance.random() * 0.3)
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
        acknowledged.update(n + each for n in map(int, (x for x in rest.split(b"\n")[:-1] if x != b"built")) for each in range(8))
        following = max(acknowledged, default=0) + 9
        async with opened(tmp_path) as store:
            await store.ensure_index(index)
            assert acknowledged <= numbers([each async for each in everything(store, index.name)])
            assert await store.count(index.name, "g2", None) == 600
            assert not list((tmp_path / DATA_FOLDER).glob(f"{BUILD_PREFIX}*"))
            assert len(list((tmp_path / DATA_FOLDER / index.name).glob("shard*"))) == 1
    with capsys.disabled():
        print(f" {KILLS} kills, {builds} builds finished, {len(acknowledged)} acknowledged points, 0 lost ", end="")  # noqa: T201


async def everything(store: EdgeStore, index: str, condition: StoreFilter | None = None) -> AsyncIterator[str]:
    after = None
    while True:
        page = await store.scroll(index, "g1", condition, limit=1000, after=after)
        for each in page.points:
            yield each.memory_id
        after = page.next
        if after is None:
            return
