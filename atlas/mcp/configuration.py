"""The block that an assistant's settings need to start the server on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec


def settings_block(arguments: Sequence[str], *, program: str) -> str:
    """Gives the `mcpServers` block as JSON, with absolute paths: an assistant starts servers with a PATH of its own.

    Args:
        arguments: Options of `atlas mcp`.
        program: How this command was started, `sys.argv[0]`.
    """
    command, *first = command_of(program)
    block = {"mcpServers": {"atlas": {"command": command, "args": [*first, "mcp", *arguments]}}}
    return msgspec.json.format(msgspec.json.encode(block), indent=2).decode()


def command_of(program: str) -> list[str]:
    """Gives the absolute command line that starts `atlas`, by its script if it was started so, else by this Python."""
    found = shutil.which(program)
    if found and Path(found).name == "atlas":
        # Not resolved: the script of a virtual environment may be a link, and its place says which environment it is.
        return [str(Path(found).absolute())]
    return [sys.executable, "-P", "-m", "atlas.cli"]
