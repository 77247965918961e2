"""What a caller says of a hit, and what it wants erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.type.v1 import salience_pb2 as types


class FeedbackKind(Enum):
    """What is said of a hit."""

    USED = "used"
    """The answer used it."""
    HELPFUL = "helpful"
    """It helped."""
    WRONG = "wrong"
    """It was wrong, stale or misleading."""
    OUTCOME = "outcome"
    """The task it was used for ended with a value."""
    PIN = "pin"
    """Keep it in favour until the pin is taken away."""
    UNPIN = "unpin"
    """Take the pin away."""


@dataclass(frozen=True, slots=True)
class HitFeedback:
    """What is said of one hit."""

    memory_id: str
    kind: FeedbackKind
    value: float | None = None
    """How well the task ended, [0, 1]; OUTCOME only, and required there."""


def feedback_message(item: HitFeedback) -> pb.HitFeedback:
    """Makes the message of what is said of a hit."""
    return pb.HitFeedback(memory_id=item.memory_id, kind=f"FEEDBACK_KIND_{item.kind.name}", value=item.value)


def erasure_message(memory_ids: Sequence[str], source: str, collection: str, principal: str, domain: str) -> types.ErasureSelection:
    """Makes the message of what to erase.

    Raises:
        InvalidInputError: Not exactly one of them is given, or a collection without a source.
    """
    chosen = sum(map(bool, (memory_ids, source, principal, domain)))
    if chosen != 1:
        raise InvalidInputError(
            f"{chosen} of memory_ids, source, principal and domain are given; exactly one says what to erase",
            field="selection",
            count=chosen,
        )
    if collection and not source:
        raise InvalidInputError("collection is given without source; it says where the source is", field="selection.source")
    if memory_ids:
        return types.ErasureSelection(ids=types.ErasureSelection.Ids(memory_ids=memory_ids))
    if source:
        return types.ErasureSelection(source=types.ErasureSelection.Source(collection=collection, source=source))
    # Only the one that is given may be set: setting one of a oneof unsets the others.
    return types.ErasureSelection(principal=principal) if principal else types.ErasureSelection(domain=domain)
