"""The engine stays behind what answers, and long work steps back, never forward."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = """
import os, threading
from services.memory.stores.edge.background import step_back
os.nice({nice})
print(step_back(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())), os.getpriority(os.PRIO_PROCESS, 0))
"""


@pytest.mark.parametrize(("niceness", "at_work"), [(0, 15), (19, 19)])
def test_work_is_done_at_low_priority_and_never_at_a_higher_one(niceness: int, at_work: int) -> None:
    begin = os.getpriority(os.PRIO_PROCESS, 0)
    script = WORK.format(nice=niceness)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    own = min(19, begin + niceness)
    assert done.stdout.split() == [str(max(at_work, own)), str(own)]


BEHIND = """
import os
from atlas.turns import take_short_turns, turn_ns
from services.memory.stores.edge.background import stay_behind
usual = turn_ns()
take_short_turns()
stay_behind()
print(turn_ns() == usual, os.getpriority(os.PRIO_PROCESS, 0))
"""


def test_an_engine_stays_behind_the_process_that_asks_it() -> None:
    begin = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run([sys.executable, "-c", BEHIND], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", str(min(19, begin + 3))]
