"""The embedded engine is killed, stopped and doubled; what was acknowledged stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from atlas.errors import AtlasError, DeadlineError, DependencyDownError, StartupError
from services.memory.persistence.locks import hold
from services.memory.store import Apply, Operation, StoreState, UpsertPoints
from services.memory.stores import open_store
from services.memory.stores.edge import EdgeStore, open_edge_store, process, protocol
from services.memory.stores.edge.conversation import Conversation
from services.memory.stores.edge.engine import LOCK_NAME
from services.memory.stores.edge.lanes import Lane
from services.memory.stores.edge.process import ENGINE_MODULE, EngineProcess
from services.memory.stores.edge.store import DATA_FOLDER
from tests.contract.store_cases import edge_settings, filled, matching, point, search, spec

PATIENCE_S = 60
"""How long a test waits for what must happen; a busy machine is slow, not wrong."""


@asynccontextmanager
async def edge_store(data_dir: Path, **settings: Any) -> AsyncIterator[EdgeStore]:
    async with open_edge_store(edge_settings(**settings), data_dir) as store:
        yield store


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.01)


def kill(store: EdgeStore, number: signal.Signals = signal.SIGKILL) -> int:
    pid = store.engine_pid
    assert pid is not None
    os.kill(pid, number)
    return pid


class Journal:
    """Writes as memory does: noted first, then applied, then acknowledged; replayed from the notes."""

    def __init__(self, store: EdgeStore, index: str) -> None:
        self._store = store
        self._index = index
        self._noted: list[Operation] = []
        self.acknowledged: set[int] = set()
        self.replay_count = 0
        store.on_restart = self.replay

    async def replay(self, apply: Apply) -> None:
        self.replay_count += 1
        await apply(list(self._noted))

    async def write(self, numbers: Sequence[int]) -> None:
        operation = UpsertPoints(self._index, tuple(point(number) for number in numbers))
        self._noted.append(operation)
        await self._store.apply([operation])
        self.acknowledged.update(numbers)

    async def write_until(self, stop: asyncio.Event) -> int:
        """Writes batch after batch; a batch whose outcome is unknown counts as not acknowledged."""
        begin = failures = 0
        while not stop.is_set():
            try:
                await self.write(range(begin, begin + 40))
            except DependencyDownError:
                failures += 1
            begin += 40
        return failures


async def test_no_acknowledged_write_is_lost_when_the_engine_is_killed(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store)
        journal = Journal(store, index)
        stop = asyncio.Event()
        writer = asyncio.create_task(journal.write_until(stop))
        for kill_count in range(1, 5):
            seen = len(journal.acknowledged)
            await until(lambda seen=seen: len(journal.acknowledged) >= seen + 120)  # type: ignore[misc]
            kill(store)
            await until(lambda count=kill_count: journal.replay_count == count)  # type: ignore[misc]
        stop.set()
        await writer
        stored = await store.retrieve(index, "g1", [point(number).memory_id for number in journal.acknowledged])
        assert len(stored) == len(journal.acknowledged)
        assert await store.count(index, "g1", None) >= len(journal.acknowledged)


async def test_without_any_replay_the_engine_still_has_what_it_acknowledged(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, *(point(number) for number in range(100)))
        first = kill(store)
        await until(lambda: store.engine_pid != first)
        assert await matching(store, index, None) == set(range(100))


async def test_an_engine_that_is_asked_to_end_ends_by_itself_after_its_flush(tmp_path: Path) -> None:
    for _ in range(3):
        async with edge_store(tmp_path) as store:
            await filled(store, point(1))
            process = store._supervisor._process
        assert process is not None
        assert process._conversation.exit_status == 0, "it was killed"


async def test_searches_resume_after_the_engine_was_killed(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1), point(2))
        before = await store.search([search(index, query=1, terms=[[1]])])
        first = kill(store)
        await until(lambda: store.engine_pid != first)
        assert await store.search([search(index, query=1, terms=[[1]])]) == before
        assert store.state is StoreState.SERVING
        assert store.engine_pid != first


async def test_a_dying_engine_fails_the_call_it_holds_and_its_successor_answers_the_next(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1))
        kill(store, signal.SIGSTOP)
        held = asyncio.create_task(store.count(index, "g1", None, timeout_s=PATIENCE_S))
        queued = asyncio.create_task(store.count(index, "g1", None, timeout_s=PATIENCE_S))
        await asyncio.sleep(0.05)
        kill(store)
        with pytest.raises(DependencyDownError) as caught:
            await held
        assert caught.value.retry_after_ms is not None
        assert await queued == 1


async def test_the_tail_is_replayed_before_the_store_serves_again(tmp_path: Path) -> None:
    async with edge_store(tmp_path, engine_restart_wait_ms=50) as store:
        index = await filled(store, point(1))
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def replay(apply: Apply) -> None:
            begun.set()
            await go_on.wait()
            await apply([UpsertPoints(index, (point(2),))])

        store.on_restart = replay
        kill(store)
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        assert store.state is StoreState.RESTARTING
        with pytest.raises(DependencyDownError, match="50 ms") as caught:
            await store.count(index, "g1", None)
        assert caught.value.retry_after_ms is not None
        go_on.set()
        await until(lambda: store.state is StoreState.SERVING)
        assert await matching(store, index, None) == {1, 2}


async def test_a_replay_that_fails_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    async with edge_store(tmp_path, engine_restart_wait_ms=20) as store:
        index = await filled(store, point(1))
        failing = True
        attempts = 0

        async def replay(apply: Apply) -> None:
            nonlocal attempts
            attempts += 1
            if failing:
                raise OSError("the journal cannot be read")

        store.on_restart = replay
        kill(store)
        await until(lambda: store.state is StoreState.DOWN)
        assert attempts >= 3
        with pytest.raises(DependencyDownError, match="DOWN"):
            await store.search([search(index, query=1)])
        failing = False
        await until(lambda: store.state is StoreState.SERVING)
        assert await store.count(index, "g1", None) == 1


async def test_a_stopped_engine_leads_to_deadline_errors_and_not_to_hangs(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1))
        kill(store, signal.SIGSTOP)
        calls = [store.count(index, "g1", None, timeout_s=0.1), store.search([search(index, query=1)], timeout_s=0.1)]
        outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE_S)
        assert [type(outcome) for outcome in outcomes] == [DeadlineError, DeadlineError]
        kill(store, signal.SIGCONT)
        assert await store.count(index, "g1", None) == 1


async def test_an_engine_that_stays_stuck_is_killed_and_replaced(tmp_path: Path) -> None:
    async with edge_store(tmp_path, engine_stall_limit_ms=6_000) as store:
        index = await filled(store, point(1))
        stuck = kill(store, signal.SIGSTOP)
        with pytest.raises(DependencyDownError, match="did not answer within 6 s"):
            await store.apply([UpsertPoints(index, (point(2),))])
        await until(lambda: store.engine_pid not in (None, stuck))
        assert not psutil.pid_exists(stuck)
        assert await store.count(index, "g1", None) >= 1
        assert store.engine_pid != stuck


async def test_an_engine_that_not_even_a_kill_ends_leads_to_errors_and_not_to_hangs(tmp_path: Path) -> None:
    async with edge_store(tmp_path, engine_stall_limit_ms=5_000, engine_restart_wait_ms=20, engine_lock_wait_ms=0) as store:
        index = await filled(store, point(1))
        with pytest.MonkeyPatch.context() as patch:
            # As a process is that hangs in its disk.
            patch.setattr(process, "_EXIT_WAIT_S", 0.1)
            patch.setattr(Conversation, "kill", lambda child: None)
            stuck = kill(store, signal.SIGSTOP)
            with pytest.raises(DependencyDownError, match="did not answer within 5 s"):
                await store.apply([UpsertPoints(index, (point(2),))])
            await until(lambda: store.state is StoreState.DOWN)
        os.kill(stuck, signal.SIGKILL)
        await until(lambda: store.state is StoreState.SERVING)
        await store.apply([UpsertPoints(index, (point(2),))])
        assert await matching(store, index, None) == {1, 2}


async def test_every_call_fails_when_talking_to_the_engine_does_whatever_it_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(header: bytes) -> int:
        raise LookupError("torn")

    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1))
        first = store.engine_pid
        with monkeypatch.context() as patch:
            patch.setattr(protocol, "body_length", torn)
            with pytest.raises(DependencyDownError, match="talking to it failed"):
                await store.apply([UpsertPoints(index, (point(2),))])
        await until(lambda: store.engine_pid not in (None, first) and store.state is StoreState.SERVING)
        assert 1 in await matching(store, index, None)


async def test_a_second_copy_is_refused_and_the_first_is_unharmed(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1))
        await store.flush()
        with pytest.raises(StartupError, match=f"locked by process {store.engine_pid}"):
            async with open_store(edge_settings(engine_lock_wait_ms=100), data_dir=tmp_path):
                pass
        await store.apply([UpsertPoints(index, (point(2),))])
        await store.flush()
        assert await matching(store, index, None) == {1, 2}


async def test_a_successor_waits_for_a_predecessor_that_is_about_to_end(tmp_path: Path) -> None:
    with hold(tmp_path / DATA_FOLDER / LOCK_NAME):
        opening = asyncio.create_task(edge_store(tmp_path).__aenter__())
        await asyncio.sleep(0.2)
        assert not opening.done()
    store = await asyncio.wait_for(opening, PATIENCE_S)
    assert store.state is StoreState.SERVING
    await store.stop()


async def test_the_engine_ends_when_its_input_does(tmp_path: Path) -> None:
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", ENGINE_MODULE, str(tmp_path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdin is not None
    assert engine.stdout is not None
    await engine.stdout.readexactly(4)
    engine.stdin.close()
    assert await asyncio.wait_for(engine.wait(), PATIENCE_S) == 0


async def test_the_engine_outlives_the_signals_that_end_its_parent_gently(tmp_path: Path) -> None:
    async with edge_store(tmp_path) as store:
        index = await filled(store, point(1))
        pid = kill(store, signal.SIGTERM)
        kill(store, signal.SIGINT)
        assert await store.count(index, "g1", None) == 1
        assert store.engine_pid == pid


PARENT = """
    import asyncio, sys
    from pathlib import Path
    from services.memory.stores.edge import open_edge_store
    from services.memory.stores import StoreSettings

    async def main() -> None:
        async with open_edge_store(StoreSettings(), Path(sys.argv[1])) as store:
            print(store.engine_pid, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


BUSY = """
    import services.memory
    import asyncio
    import grpc, uvloop

    async def echo(request, context):
        return request

    async def call(target):
        async with grpc.aio.insecure_channel(target) as channel:
            while True:
                await channel.unary_unary("/echo.Echo/Echo")(b"again")

    async def main() -> None:
        server = grpc.aio.server()
        method = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", method),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        calls = [asyncio.create_task(call(f"127.0.0.1:{port}")) for _ in range(4)]
        for _ in range(100):
            child = await asyncio.create_subprocess_exec("true")
            print(await child.wait())
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await server.stop(None)

    uvloop.run(main())
"""


async def test_a_child_of_a_process_whose_grpc_is_busy_always_starts() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(BUSY), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await asyncio.wait_for(parent.communicate(), PATIENCE_S)
    assert output.split() == [b"0"] * 100


async def test_the_engine_follows_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    engine = int(await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S))
    parent.kill()
    await parent.wait()
    await until(lambda: not psutil.pid_exists(engine) or psutil.Process(engine).status() == psutil.STATUS_ZOMBIE)
    with hold(tmp_path / DATA_FOLDER / LOCK_NAME):
        pass


async def test_an_engine_that_cannot_start_says_so(tmp_path: Path) -> None:
    (tmp_path / DATA_FOLDER).write_text("not a folder")
    with pytest.raises(StartupError, match="ended while starting"):
        async with edge_store(tmp_path):
            pass


async def test_a_half_made_index_is_made_anew(tmp_path: Path) -> None:
    index = spec()
    draft = tmp_path / DATA_FOLDER / f"{index.name}.draft" / "shard"
    draft.mkdir(parents=True)
    (draft / "edge_config.json").write_text("{")
    async with edge_store(tmp_path) as store:
        assert await store.ensure_index(index) is True


async def test_a_fault_of_the_engine_is_an_error_and_the_engine_lives_on(tmp_path: Path) -> None:
    ended = asyncio.Event()
    engine = await EngineProcess.start(tmp_path, start_timeout_s=PATIENCE_S, lock_wait_s=0, stall_limit_s=PATIENCE_S, on_end=ended.set)
    index = spec()
    await engine.ask(protocol.EnsureIndex(index, "float32"), Lane.WRITE, timeout_s=None)
    with pytest.raises(AtlasError, match="the vector engine refused") as caught:
        await engine.ask(protocol.Scroll(index.name, "g1", None, 1, "no id at all"), Lane.READ, timeout_s=None)
    assert caught.value.reason == "ENGINE_FAULT"
    await engine.ask(protocol.Count(index.name, "g1", None), Lane.READ, timeout_s=None)
    assert not ended.is_set()
    await engine.stop(grace_s=PATIENCE_S)
    assert ended.is_set()
