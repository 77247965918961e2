"""`atlas repair`: opens a damaged data folder again."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from .options import DataOption, ExitStatus
from .parts import DEFAULT_PORT_BASE, PARTS, layout_of
from .printing import print_error
from .state import supervised


def repair(
    data: DataOption = None,
    accept_loss: Annotated[bool, typer.Option("--accept-loss", help="Drop memories whose text and vectors are gone.")] = False,
) -> int:
    """Repairs a data folder that memory refuses to open: loses nothing readable, and says what could not be read.

    The services must be stopped. The damaged files are kept beside the new ones.
    """
    layout = layout_of(data, DEFAULT_PORT_BASE)
    if supervised(layout.data_dir):
        print_error(f"services run in {layout.data_dir}; stop them first: atlas down --data {layout.data_dir}")
        return ExitStatus.FAILED
    memory = next(part for part in PARTS if part.name == "memory")
    command = [sys.executable, "-P", "-m", f"{memory.module}.repair", *(["--accept-loss"] if accept_loss else [])]
    return subprocess.run(command, env=dict(layout.environment(memory)), check=False).returncode
