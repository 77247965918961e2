"""The engine stays behind what answers, and long work steps back, never forward."""

from __future__ import annotations

import os
import platform
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


FORBIDDEN = """
import ctypes, os, platform, struct
numbers = {"x86_64": (314, 141), "aarch64": (274, 140)}[platform.machine()]
code = struct.pack("HBBI", 0x20, 0, 0, 0)  # the number of the call
for index, number in enumerate(numbers):
    code += struct.pack("HBBI", 0x15, len(numbers) - index, 0, number)
code += struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000) + struct.pack("HBBI", 0x06, 0, 0, 0x00050001)  # allowed; EPERM
kept = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept))
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program) == 0, "no filter of system calls"
from services.memory.stores.edge.background import stay_behind, step_back
stay_behind()
print(step_back(lambda: "done"), os.getpriority(os.PRIO_PROCESS, 0))
"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="the numbers of this processor's system calls are not known here"
)
def test_where_priorities_may_not_be_changed_the_engine_works_all_the_same() -> None:
    begin = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run([sys.executable, "-c", FORBIDDEN], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["done", str(begin)]), done.stderr
    assert "was not lowered" in done.stderr
