"""Failpoints: nothing without a plan, what the plan says with one, and no plan that would never come true."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas import failpoints
from atlas.errors import StartupError
from atlas.failpoints import failpoint
from services.memory.failpoints import FAILPOINTS, REPAIR

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"write.before": "", "write.after": ""}


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm({}, KNOWN)


def arm(plan: str) -> None:
    failpoints.arm({failpoints.VARIABLE: plan}, KNOWN)


def passings_until_error(limit: int = 100) -> int:
    for count in range(1, limit + 1):
        try:
            failpoint("write.before")
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return count
    return 0


def test_without_a_plan_a_failpoint_does_nothing() -> None:
    failpoint("write.before")


def test_a_rule_fires_at_the_first_passing_of_its_own_name_alone() -> None:
    arm("write.before=error:EIO")
    failpoint("write.after")
    assert passings_until_error() == 1
    assert passings_until_error() == 0


def test_a_rule_fires_at_the_passing_it_names() -> None:
    arm("write.after=sleep:1;write.before=error:EIO@3")
    assert passings_until_error() == 3


def test_a_probability_is_drawn_from_its_seed() -> None:
    arm("write.before=error:EIO%0.1/7")
    first = [passings_until_error() for _ in range(3)]
    arm("write.before=error:EIO%0.1/7")
    assert [passings_until_error() for _ in range(3)] == first
    arm("write.before=error:EIO%0.1/8")
    assert [passings_until_error() for _ in range(3)] != first


def test_each_name_that_is_passed_is_noted_once(tmp_path: Path) -> None:
    arm(f"*=note:{tmp_path / 'seen'}")
    for name in ("write.before", "write.after", "write.before"):
        failpoint(name)
    assert (tmp_path / "seen").read_text().split() == ["write.before", "write.after"]


def test_a_plan_in_a_file_is_followed_as_it_changes_and_gone_once_it_came_true(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    arm(f"@{plan}")
    assert passings_until_error(5) == 0
    plan.write_text("write.before=error:EIO@2")
    assert passings_until_error() == 2
    assert not plan.exists()
    assert passings_until_error(5) == 0
    plan.write_text("write.before=error:EIO")
    assert passings_until_error() == 1


@pytest.mark.parametrize(
    "plan",
    ["write.never=kill", "write.before=burn", "write.before=kill:9", "write.before=sleep", "write.before=error:ENONE", "write.before"],
)
def test_a_plan_that_could_not_come_true_is_refused(plan: str) -> None:
    with pytest.raises(StartupError, match=failpoints.VARIABLE):
        arm(plan)


def program(plan: str) -> subprocess.Popen[str]:
    code = "import os; from atlas import failpoints as f; f.arm(os.environ, {'a.b': ''}); print('begun', flush=True); f.failpoint('a.b')"
    code += "; print('passed', flush=True)"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, failpoints.VARIABLE: plan}, stdout=subprocess.PIPE, text=True
    )


def test_a_process_is_killed_where_the_plan_says() -> None:
    with program("a.b=kill") as process:
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signal.SIGKILL, "begun\n")


def test_a_process_freezes_where_the_plan_says_and_goes_on_later() -> None:
    with program("a.b=freeze") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "begun\npassed\n")


def test_the_catalogue_holds_exactly_the_failpoints_of_the_code() -> None:
    called = [
        node.args[0].value
        for path in (ROOT / "services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "failpoint"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert sorted(called) == sorted({**FAILPOINTS, **REPAIR})
    assert len(FAILPOINTS) >= 20
