"""`atlas mcp`: gives the memory to an assistant as tools."""

from __future__ import annotations

import asyncio
import importlib.metadata
import signal
import sys
from typing import Annotated

import typer

from atlas.clock import SystemClock
from atlas.mcp.replies import MIN_REPLY_BYTES

from .options import DEFAULT_SERVER, ExitStatus, ServerOption, TimeoutOption, connect
from .printing import print_error

DEFAULT_REPLY_BYTES = 8_192
"""About 2,000 tokens of English: a few good passages, not a page."""
MAX_REPLY_BYTES = 1_048_576
_TIMEOUT_S = 30.0


def mcp(
    principal: Annotated[
        str, typer.Option(metavar="NAME", help="Whose searches and feedback these are. Default: the name that the assistant gives itself.")
    ] = "",
    max_reply_bytes: Annotated[
        int,
        typer.Option(
            min=MIN_REPLY_BYTES, max=MAX_REPLY_BYTES, metavar="N", help="Most UTF-8 bytes of a reply; what does not fit is named."
        ),
    ] = DEFAULT_REPLY_BYTES,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer no tool that writes, and let searches leave no evidence.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the block for the settings of an assistant on this machine, and end.")
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = _TIMEOUT_S,
) -> int:
    """Serves the memory to an assistant over the Model Context Protocol (standard input and output).

    An assistant starts this command by itself: put what --print-config prints into its settings. The services have to run
    (`atlas up --detach`); while they do not, each call says so. Standard output carries the protocol alone; logs go to standard error
    and hold no texts.
    """
    if len(principal.encode()) > 128:
        raise typer.BadParameter(f"it has {len(principal.encode())} bytes; at most 128 are allowed", param_hint="--principal")
    if print_config:
        sys.stdout.write(_settings(principal, max_reply_bytes, server, timeout_s, read_only=read_only) + "\n")
        return ExitStatus.OK
    if sys.stdin.isatty():
        print_error("waits for an assistant on standard input; `atlas mcp --print-config` prints the block for its settings, Ctrl-D ends")
    # A thread that waits for a line cannot be interrupted; nothing is kept here that an orderly end would save.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_serve(principal, max_reply_bytes, server, timeout_s, read_only=read_only))
    return ExitStatus.OK


def _settings(principal: str, max_reply_bytes: int, server: str, timeout_s: float, *, read_only: bool) -> str:
    from atlas.mcp.configuration import settings_block

    arguments = [
        *(["--server", server] if server != DEFAULT_SERVER else []),
        *(["--principal", principal] if principal else []),
        *(["--max-reply-bytes", str(max_reply_bytes)] if max_reply_bytes != DEFAULT_REPLY_BYTES else []),
        *(["--timeout", f"{timeout_s:g}"] if timeout_s != _TIMEOUT_S else []),
        *(["--read-only"] if read_only else []),
    ]
    return settings_block(arguments, program=sys.argv[0])


async def _serve(principal: str, max_reply_bytes: int, server: str, timeout_s: float, *, read_only: bool) -> None:
    # The SDK takes about a second of CPU to import; no other verb pays for it.
    from atlas.logs import configure_logs
    from atlas.mcp.server import McpOptions, McpServer

    configure_logs()
    options = McpOptions(server, timeout_s, principal, max_reply_bytes, read_only=read_only)
    async with connect(server, timeout_s) as client:
        await McpServer(client, options, version=importlib.metadata.version("atlas-memory"), clock=SystemClock()).serve()
