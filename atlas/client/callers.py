"""Who calls, for the provenance of evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from atlas.type.v1 import salience_pb2 as types


class SourceClass(Enum):
    """Who stands behind a call; evidence of SYSTEM traffic does not count."""

    USER = "user"
    """A person."""
    ASSISTANT = "assistant"
    """An assistant that works for a person."""
    SYSTEM = "system"
    """A job: background thought, tests, evaluation, replays."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for the provenance of evidence and its budget."""

    principal: str = ""
    """Name, at most 128 bytes; all the nameless share one budget."""
    source_class: SourceClass = SourceClass.USER
    """Who stands behind it."""


def caller_message(caller: Caller | None) -> types.Caller | None:
    """Makes the message of a caller; None leaves the server's default."""
    if caller is None:
        return None
    return types.Caller(principal=caller.principal, source_class=f"SOURCE_CLASS_{caller.source_class.name}")
