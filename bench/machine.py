"""Says what machine a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil


def describe() -> str:
    """Describes machine, software and how busy the machine is, in a few lines."""
    cores = len(os.sched_getaffinity(0))
    memory_gib = psutil.virtual_memory().total / 2**30
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return "\n".join(
        (
            f"machine   {_processor()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}",
            f"software  Python {platform.python_version()}, commit {_commit()}",
            f"when      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {load} (a busy machine makes every figure worse)",
        )
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "")
    return f"{name} ({', '.join(flag for flag in ('amx_bf16', 'avx512_bf16', 'avx2') if flag in flags.split()) or 'no bf16'})"


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
