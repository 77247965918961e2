"""What the command remembers of the processes that it started."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from atlas.cli.state import ProcessRecord, alive, record_of


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
    assert alive(ProcessRecord(record.pid, record.started_s - 10.0)) is None


def test_a_process_that_has_ended_is_not_found() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = record_of(child.pid)
    assert alive(record) is not None
    child.communicate(b"\n")
    assert alive(record) is None
