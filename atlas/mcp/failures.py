"""What a failed call answers: the reason, the field with value and limit, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from atlas.errors import AtlasError, DeadlineError, DependencyDownError, DiskFullError, OverloadedError

from .shortening import clip

_MESSAGE_BYTES = 1_000
_VALUE_BYTES = 200
_MAX_VALUES = 8
# The gateway names the fields of its own requests; an assistant knows the arguments of its tool.
_OWN_WORDS = (
    (re.compile(r"\bquery\.text\b"), "query"),
    (re.compile(r"\bevent_time\.begin\b"), "since"),
    (re.compile(r"\bevent_time\.end\b"), "until"),
    (re.compile(r"\binputs\[0\]\.text\b"), "text"),
    (re.compile(r"\bmemories\[0\]\."), ""),
    (re.compile(r"\bfeedback\[(\d+)\](\.memory_id\b|(?!\.))"), r"memory_ids[\1]"),
    (re.compile(r"\bfeedback\[\d+\]\.(\w+)"), r"\1"),
)


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a call failed."""

    reason: str
    message: str
    field: str = ""
    values: Mapping[str, str] = {}
    retry_after_ms: int | None = None


class ErrorReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer of a call that failed."""

    error: Failure
    next: str = ""


def error_reply(error: AtlasError, *, server: str, timeout_s: float) -> ErrorReply:
    """Says why a call failed and what to do about it."""
    failure = Failure(
        reason=error.reason,
        message=clip(own_words(error.message), _MESSAGE_BYTES),
        field=clip(own_words(error.field or ""), _VALUE_BYTES),
        values={name: clip(str(value), _VALUE_BYTES) for name, value in list(error.values.items())[:_MAX_VALUES]},
        retry_after_ms=error.retry_after_ms,
    )
    return ErrorReply(failure, _next_step(error, server, timeout_s))


def own_words(text: str) -> str:
    """Puts the tool's arguments in the place of the gateway's fields."""
    for pattern, word in _OWN_WORDS:
        text = pattern.sub(word, text)
    return text


def _next_step(error: AtlasError, server: str, timeout_s: float) -> str:
    match error:
        case DependencyDownError():
            return (
                f"ATLAS, or a part of it, does not answer (asked {server}). Ask the user to run `atlas up --detach` in a terminal;"
                " `atlas status` shows what is away and `atlas doctor` says how to mend it. Then call again."
            )
        case DeadlineError():
            return f"A call may take {timeout_s:g} s; `atlas mcp --timeout SECONDS` gives more."
        case DiskFullError():
            return "Nothing can be written until the user frees disk space; search and get go on."
        case OverloadedError():
            return "Call again later, and make fewer calls at once."
    return ""
