"""The encoder's libraries tell nobody that they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# OpenVINO's package of its own accord tells nobody where one of these says that a test job runs: such a machine would prove nothing.
SILENT_IN_CI = {"CI", "TF_BUILD", "JENKINS_URL"}
WATCH = """
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in EVENTS else None)
EVENTS = {"os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen", "socket.connect", "socket.getaddrinfo", "socket.sendto"}
%s
import openvino
import time
time.sleep(1.0)  # a message would be sent by a thread
print(sorted(set(seen)), flush=True)
"""


def seen_with(first: str, home: Path) -> str:
    machines_own = {name: value for name, value in os.environ.items() if name not in SILENT_IN_CI}
    environment = {**machines_own, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", WATCH % first], env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip()


def test_importing_the_encoder_starts_no_process_connects_nowhere_and_leaves_no_file(tmp_path: Path) -> None:
    assert seen_with("import atlas.encoder.openvino", tmp_path) == "[]"
    assert not list(tmp_path.iterdir())


def test_openvino_alone_would_be_noticed(tmp_path: Path) -> None:
    assert seen_with("", tmp_path) != "[]" or list(tmp_path.iterdir())
