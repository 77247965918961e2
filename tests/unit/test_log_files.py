"""Logs of parts that run for long."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.cli.log_files import rotate, rotate_regularly

WRITER = "import sys\nfor line in sys.stdin:\n  sys.stderr.write(line)\n  print(flush=True)\n"


def test_a_log_begins_anew_under_the_process_that_writes_it(tmp_path: Path) -> None:
    log = tmp_path / "memory.log"
    with (
        log.open("ab") as stream,
        subprocess.Popen(
            [sys.executable, "-uc", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True, bufsize=1
        ) as part,
    ):
        assert part.stdin is not None
        assert part.stdout is not None

        def write(line: str) -> None:
            print(line, file=part.stdin, flush=True)
            part.stdout.readline()  # type: ignore[union-attr]  # narrowed above, which a nested function does not see

        write("one " * 50)
        assert not rotate(log, limit_bytes=1_000)
        write("two " * 300)
        assert rotate(log, limit_bytes=1_000)
        write("three")
        assert not rotate(log, limit_bytes=1_000)
    assert log.read_text() == "three\n"
    kept = (tmp_path / "memory.log.1").read_text()
    assert kept.startswith("one ")
    assert kept.endswith("two \n")


async def test_logs_are_looked_at_for_ever_also_after_one_that_cannot_be_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = tmp_path / "bad.log", tmp_path / "good.log"
    (tmp_path / "bad.log.1").mkdir()
    for log in (bad, good):
        log.write_text("x" * 2_000)
    task = asyncio.create_task(rotate_regularly([bad, good], interval_s=0.01, limit_bytes=1_000))
    try:
        async with asyncio.timeout(10.0):
            while good.stat().st_size:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.01)
            good.write_text("x" * 2_000)
            while good.stat().st_size:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
    assert bad.stat().st_size == 2_000
    assert "a log was not begun anew" in caplog.text
