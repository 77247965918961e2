"""Logs: one line a record, constant messages, values beside them, never texts of users."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("atlas_request_id", default=None)
"""Id of the request that is being served, None outside one."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logs(level: LogLevel = "info", form: LogFormat = "text") -> None:
    """Sends all logs of this process to standard error. Called once, at start.

    Args:
        level: Least severe level that is written.
        form: `text` for people, `json` for collectors.
    """
    # No line shows these, and finding them out is half of what a line costs (the logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id and the record's values."""

    def format(self, record: logging.LogRecord) -> str:
        """Renders a record."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_values(record),
        }
        if record.exc_info:
            line["exception"] = exception_text(record.exc_info[1])
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One readable line; the stack of an exception follows it."""

    def format(self, record: logging.LogRecord) -> str:
        """Renders a record."""
        values = "".join(f" {name}={_shown(value)}" for name, value in _values(record).items())
        head = f"{_time(record)} {record.levelname.lower():7} {record.name}"
        line = f"{head}: {_one_line(record.getMessage())}{values}"
        if record.exc_info:
            line += "\n" + exception_text(record.exc_info[1])
        return line


def exception_text(error: BaseException | None) -> str:
    """Returns the classes and stacks of an exception and its causes, without their messages.

    Messages of foreign exceptions quote what they were given, and that may be a user's text.
    """
    lines: list[str] = []
    while error is not None and len(lines) < 200:
        lines += [f"{type(error).__module__}.{type(error).__qualname__}"]
        lines += [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


def _values(record: logging.LogRecord) -> dict[str, Any]:
    values = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current = request_id.get()
    if current is not None:
        values.setdefault("request_id", current)
    return values


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text.isprintable() or " " in text else text


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
