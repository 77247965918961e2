"""Parts that answer get a processor soon, engines and encoders as everybody does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas import turns

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import os, subprocess, sys, threading
from atlas.turns import take_short_turns, take_usual_turns, turn_ns
usual = turn_ns()
granted, short, niceness = take_short_turns(), turn_ns(), os.getpriority(os.PRIO_PROCESS, 0)
found = []
thread = threading.Thread(target=lambda: found.append(turn_ns()))
thread.start()
thread.join()
child = subprocess.run([sys.executable, "-c", "from atlas.turns import turn_ns; print(turn_ns())"], capture_output=True, text=True)
print(usual, granted, short, niceness, found[0], child.stdout.strip(), take_usual_turns(), turn_ns())
"""


def said(script: str, *, niceness: int = 0) -> list[str]:
    command = ["nice", "-n", str(niceness), sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.split()


@pytest.fixture
def linux_gives_turns() -> None:
    if said("from atlas.turns import take_short_turns; print(take_short_turns())") != ["True"]:
        pytest.skip("this kernel knows no turns of a wanted length (Linux from 6.12 on does), or does not let them be chosen")


@pytest.mark.usefixtures("linux_gives_turns")
def test_short_turns_are_inherited_and_can_be_given_back() -> None:
    begin = os.getpriority(os.PRIO_PROCESS, 0)
    usual, granted, short, niceness, thread, child, given_back, after = said(SHOW, niceness=2)
    assert (granted, short, thread, child) == ("True", "100000", "100000", "100000")
    assert int(niceness) == min(19, begin + 2), "a thread's niceness is its own affair"
    assert (given_back, after) == ("True", usual)
    assert int(usual) > 100_000


def test_what_has_a_policy_of_its_own_keeps_it() -> None:
    if not hasattr(os, "sched_setscheduler"):
        pytest.skip("this system knows no scheduling policies")
    idle = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)); from atlas.turns import *; print(take_short_turns(), {})"
    assert said(idle.format("os.sched_getscheduler(0) == os.SCHED_IDLE")) == ["False", "True"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("platform.machine", lambda: "riscv64"), ("sys.platform", "darwin"), ("sys.maxsize", 2**31 - 1)],
    ids=["processor", "system", "word"],
)
def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    monkeypatch.setattr(name, value)
    assert not turns.take_short_turns()
    assert turns.turn_ns() is None
