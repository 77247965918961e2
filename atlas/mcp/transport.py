"""Standard input and output as the protocol's streams, where a line that is no message is answered instead of dropped."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import TextIOWrapper
from typing import TypeAlias

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError

Requests: TypeAlias = ObjectReceiveStream[SessionMessage | Exception]
Replies: TypeAlias = ObjectSendStream[SessionMessage]
_NO_MESSAGE = SessionMessage(
    # The request's id is unknown: the protocol says null then.
    JSONRPCError(
        jsonrpc="2.0", id=None, error=ErrorData(code=PARSE_ERROR, message="a line of standard input is no JSON-RPC message in UTF-8")
    )
)
_logger = logging.getLogger(__name__)


@asynccontextmanager
async def standard_streams() -> AsyncIterator[tuple[Requests, Replies]]:
    """Opens the streams. While they are open, what anything else prints goes to standard error."""
    # The SDK's own reader replaces bytes that are no UTF-8, and the text that is stored would not be the one that was sent.
    text = anyio.wrap_file(TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape"))
    async with stdio_server(stdin=text) as (lines, replies), anyio.create_task_group() as tasks:
        messages, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        tasks.start_soon(_forward, lines, messages, replies)
        yield requests, replies


async def _forward(lines: Requests, messages: Replies, replies: Replies) -> None:
    async with messages:
        async for line in lines:
            if isinstance(line, Exception):
                _logger.warning("a line of standard input is no message")
                await replies.send(_NO_MESSAGE)
            else:
                await messages.send(line)
