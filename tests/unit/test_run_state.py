"""What the command remembers of the processes that it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from atlas.cli.state import alive, read_state, record_of


def test_a_process_is_found_again_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(os.getpid())
    # The kernel has the machine started at another time of day from then on.
    began_s = psutil.boot_time() + 3_600.0
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: began_s)
    assert psutil.Process(os.getpid()).create_time() > record.started_s + began_s - 1.0
    found = alive(record)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    record = record_of(os.getpid())
    assert alive(replace(record, started_s=record.started_s - 10.0)) is None
    # Nor is one of another run of the machine, though it started as long after the machine.
    assert alive(replace(record, boot_id="another")) is None


def test_a_file_of_an_older_version_is_read_and_matches_nobody(tmp_path: Path) -> None:
    old = {"pid": os.getpid(), "create_time_s": psutil.Process().create_time()}
    (tmp_path / "atlas.json").write_text(json.dumps({"port_base": 50050, "supervisor": old, "parts": {"memory": old}}))
    state = read_state(tmp_path)
    assert state is not None
    assert alive(state.supervisor) is None
    assert alive(state.parts["memory"]) is None


def test_a_process_that_has_ended_is_not_found() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = record_of(child.pid)
    assert alive(record) is not None
    child.communicate(b"\n")
    assert alive(record) is None
