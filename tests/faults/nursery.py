"""Starts memory processes fast: `python -m tests.faults.nursery` imports the program once and forks a process for each start.

Each start is a process of its own that runs the program's `main`; only the second that Python needs to read the modules is saved.
Reads JSON lines {"environment", "log"} and answers {"pid"}; says {"ended", "status"} when one of them has.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys

from atlas.server import run
from services.memory.__main__ import main as memory

_PR_SET_PDEATHSIG = 1


def _become_memory(environment: dict[str, str], log: str) -> None:
    # Were the nursery killed, nobody would know of its children.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, written, written)):
        os.dup2(source, number)
    os.environ.update(environment)
    try:
        run(memory, computes=False)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr, flush=True)
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def _say(**values: int) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    """Serves until standard input ends, then kills what still runs."""
    waiting: dict[int, int] = {}
    orders = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    while True:
        ready, _, _ = select.select([orders, *waiting], [], [])
        for each in ready:
            if each is orders:
                line = orders.readline()
                if not line:
                    for pid in waiting.values():
                        os.kill(pid, signal.SIGKILL)
                    return
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become_memory(order["environment"], order["log"])
                waiting[os.pidfd_open(pid)] = pid
                _say(pid=pid)
            else:
                pid = waiting.pop(each)
                _, status = os.waitpid(pid, 0)
                os.close(each)
                _say(ended=pid, status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
