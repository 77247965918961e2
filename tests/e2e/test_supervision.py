"""Starting, stopping, dying: what `atlas up` and `atlas down` promise."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from atlas.turns import turn_ns

from .conftest import System


def eventually(holds: Callable[[], bool], timeout_s: float = 40.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def found(system: System, query: str, collection: str) -> bool:
    done = system.run("search", query, "--collection", collection, status=None)
    return done.returncode == 0 and "lantern" in done.stdout


def test_a_dead_part_is_brought_back_and_keeps_what_was_acknowledged(own_system: System) -> None:
    own_system.up()
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    for part in ("memory", "reranker", "embedder", "gateway"):
        os.kill(own_system.pids()[part], signal.SIGKILL)
        assert eventually(lambda: found(own_system, "where is the lantern?", "things")), part
    assert own_system.run("status", "--data", own_system.data_dir).returncode == 0


def test_a_second_copy_on_the_same_data_refuses_and_leaves_the_first_unharmed(own_system: System) -> None:
    own_system.up()
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    other = System(own_system.data_dir, own_system.port_base + 4)
    refused = other.run("up", "--data", other.data_dir, "--port-base", str(other.port_base), status=1)
    assert str(own_system.data_dir) in refused.stderr
    assert found(own_system, "where is the lantern?", "things")


def test_a_second_copy_on_the_same_ports_refuses_and_leaves_the_first_unharmed(own_system: System, tmp_path: Path) -> None:
    own_system.up()
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    refused = own_system.run("up", "--detach", "--data", tmp_path / "second", "--port-base", str(own_system.port_base), status=1)
    assert f"port {own_system.port_base}" in refused.stderr
    assert found(own_system, "where is the lantern?", "things")


def test_up_uses_services_that_already_run(own_system: System) -> None:
    own_system.up()
    before = own_system.pids()
    assert "already running" in own_system.up().stdout
    assert own_system.pids() == before


def test_down_ends_every_process(own_system: System) -> None:
    own_system.up()
    family = [psutil.Process(pid) for pid in own_system.pids().values()]
    family += [child for process in family for child in process.children(recursive=True)]
    own_system.down()
    assert eventually(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family), 10.0)


def test_parts_of_a_dead_supervisor_are_ended_before_new_ones_start(own_system: System) -> None:
    own_system.up()
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    before = own_system.pids()
    os.kill(before["supervisor"], signal.SIGKILL)
    own_system.up()
    assert set(own_system.pids().values()).isdisjoint(before.values())
    assert found(own_system, "where is the lantern?", "things")


def test_status_and_doctor_say_what_is_away(own_system: System, tmp_path: Path) -> None:
    assert own_system.run("status", "--data", own_system.data_dir, "--server", own_system.server, status=3).stdout
    own_system.up()
    shown = own_system.json("status", "--data", own_system.data_dir)
    assert shown["data_dir"] == str(own_system.data_dir)
    parts = {part["name"]: part for part in shown["parts"]}
    assert set(parts) == {"gateway", "embedder", "reranker", "memory"}
    assert "all-MiniLM-L6-v2" in parts["embedder"]["detail"]
    assert all(finding["ok"] for finding in own_system.json("doctor", "--data", own_system.data_dir, status=None))
    # Nor does it name a folder that the services were not started from.
    assert own_system.json("status", "--data", tmp_path / "elsewhere", "--server", own_system.server)["data_dir"] is None
    assert "not started from" in own_system.run("status", "--data", tmp_path / "elsewhere", "--server", own_system.server).stdout


def test_nobody_but_their_owner_may_look_at_what_is_remembered(own_system: System) -> None:
    own_system.up()
    assert stat.filemode(own_system.data_dir.stat().st_mode) == "drwx------"
    # A folder that is there already is left as it is, and named.
    own_system.data_dir.chmod(0o750)
    findings = own_system.json("doctor", "--data", own_system.data_dir, status=3)
    [wrong] = [finding for finding in findings if not finding["ok"]]
    assert wrong["mend"] == f"chmod 700 {own_system.data_dir}"
    backup = own_system.data_dir.parent / "backup"
    own_system.run("backup", backup)
    assert stat.filemode(backup.stat().st_mode) == "-rw-------"


def test_what_answers_gets_a_processor_before_what_computes(system: System) -> None:
    usual, short, pids = turn_ns(), 100_000, system.pids()
    assert usual != short
    found = {part: turn_ns(pid) for part, pid in pids.items()}
    if usual is None or found["memory"] == usual:
        pytest.skip("this kernel knows no turns of a wanted length (Linux from 6.12 on does), or does not let them be chosen")
    assert found == {"gateway": short, "memory": short, "embedder": usual, "reranker": usual, "supervisor": usual}
    memory = psutil.Process(pids["memory"])
    for engine in memory.children():
        assert (turn_ns(engine.pid), engine.nice()) == (usual, min(19, memory.nice() + 3))


def test_no_part_talks_to_anybody_else_or_has_a_child_that_does(own_system: System) -> None:
    own_system.up()
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    assert found(own_system, "where is the lantern?", "things")
    parts = {name: psutil.Process(pid) for name, pid in own_system.pids().items()}
    children = {name: [" ".join(child.cmdline()) for child in part.children()] for name, part in parts.items() if name != "supervisor"}
    assert [len(children[name]) for name in ("gateway", "embedder", "reranker")] == [0, 0, 0], children
    assert all("services.memory.stores." in child for child in children["memory"]), children
    peers = {peer.raddr.ip.removeprefix("::ffff:") for part in parts.values() for peer in part.net_connections("inet") if peer.raddr}
    assert peers == {"127.0.0.1"}


def test_a_folder_with_packages_of_the_same_names_is_no_part_of_it(own_system: System, tmp_path: Path) -> None:
    for name in ("atlas", "gateway", "services"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the package of a user was run')\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "atlas", "up", "--detach", "--data", own_system.data_dir, "--port-base", str(own_system.port_base)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    own_system.json("remember", "The lantern is in the boathouse.", "--collection", "things")
    assert found(own_system, "where is the lantern?", "things")
