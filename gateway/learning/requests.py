"""Checks feedback and reports of usage, and turns them into values."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.errors import InvalidInputError
from atlas.gateway.v1 import gateway_pb2 as pb
from atlas.salience import EventKind

from ..clients import Piece
from ..memories import Caller, Durability, SourceClass
from ..requests import MAX_REQUEST_ID_BYTES, caller_of, check_memory_id, durability

MAX_PIECES = 400
"""Most pieces of feedback, or hits of a usage report, in one call."""
MAX_ANSWER_BYTES = 65_536
"""Longest answer, in UTF-8."""

_EVIDENCE = {
    pb.FEEDBACK_KIND_USED: (EventKind.USED, 1.0),
    pb.FEEDBACK_KIND_HELPFUL: (EventKind.EXPLICIT, 1.0),
    pb.FEEDBACK_KIND_WRONG: (EventKind.EXPLICIT, 0.0),
    pb.FEEDBACK_KIND_PIN: (EventKind.PIN, 1.0),
    pb.FEEDBACK_KIND_UNPIN: (EventKind.PIN, 0.0),
}


@dataclass(frozen=True, slots=True)
class Said:
    """Feedback; checked."""

    search_id: str
    """Id of the search; of pins their own, or empty."""
    pieces: tuple[Piece, ...]
    """What is said."""
    caller: Caller
    """Who says it."""
    durability: Durability
    """What the acknowledgement must survive."""


@dataclass(frozen=True, slots=True)
class AnswerGiven:
    """An answer that was made from hits; checked."""

    search_id: str
    """Id of the search."""
    answer: str
    """The answer's text, not blank."""
    query: str
    """The question; empty if unknown."""
    memory_ids: tuple[str, ...]
    """Hits that the answerer was given; empty means all results."""
    caller: Caller
    """Who answered."""
    dry_run: bool
    """Only measure, record nothing."""


def feedback_of(request: pb.FeedbackRequest) -> Said:
    """Returns checked feedback.

    Raises:
        InvalidInputError: There is none or too much, it says something twice or its opposite, or a field is missing or out of its range.
    """
    _check_count("feedback", len(request.feedback), least=1)
    pieces = tuple(_piece(message, f"feedback[{index}]") for index, message in enumerate(request.feedback))
    _check_once(pieces)
    pins = sum(piece.kind is EventKind.PIN for piece in pieces)
    if pins not in (0, len(pieces)):
        raise InvalidInputError(
            f"feedback holds {pins} pins among {len(pieces)} pieces; a pin belongs to no search, so pins go in a call of their own",
            field="feedback",
            pin_count=pins,
            count=len(pieces),
        )
    _check_search_id(request.search_id, required=not pins)
    return Said(request.search_id, pieces, caller_of(request), durability(request.durability, default=Durability.POWER_LOSS))


def usage_of(request: pb.ReportUsageRequest, *, max_query_bytes: int) -> AnswerGiven:
    """Returns a checked answer.

    Raises:
        InvalidInputError: A field is missing, too long or out of its range, or a memory is named twice.
    """
    _check_search_id(request.search_id, required=True)
    if not request.answer.strip():
        raise InvalidInputError("answer is empty or blank; there is nothing to measure", field="answer")
    _check_bytes("answer", request.answer, MAX_ANSWER_BYTES)
    _check_bytes("query", request.query, max_query_bytes)
    _check_count("memory_ids", len(request.memory_ids), least=0)
    ids = tuple(check_memory_id(value, path=f"memory_ids[{index}]") for index, value in enumerate(request.memory_ids))
    for index, memory_id in enumerate(ids):
        if memory_id in ids[:index]:
            raise InvalidInputError(
                f"memory_ids[{index}] names memory {memory_id} again", field=f"memory_ids[{index}]", memory_id=memory_id
            )
    caller = caller_of(request, absent=SourceClass.ASSISTANT)
    return AnswerGiven(request.search_id, request.answer, request.query, ids, caller, request.dry_run)


def _piece(message: pb.HitFeedback, path: str) -> Piece:
    memory_id = check_memory_id(message.memory_id, path=f"{path}.memory_id")
    if message.kind == pb.FEEDBACK_KIND_OUTCOME:
        if not message.HasField("value"):
            raise InvalidInputError(f"{path}.value is missing; an outcome says how well the task ended, 0 to 1", field=f"{path}.value")
        if not 0.0 <= message.value <= 1.0:  # NaN is not in the range either
            raise InvalidInputError(f"{path}.value is {message.value}; 0 to 1 are allowed", field=f"{path}.value", value=message.value)
        return Piece(memory_id, EventKind.OUTCOME, message.value)
    if message.kind not in _EVIDENCE:
        known = max(pb.FeedbackKind.values())
        raise InvalidInputError(f"{path}.kind is {message.kind}; 1 to {known} are known", field=f"{path}.kind", value=message.kind)
    if message.HasField("value"):
        raise InvalidInputError(f"{path}.value is {message.value}; only an outcome has a value", field=f"{path}.value", value=message.value)
    return Piece(memory_id, *_EVIDENCE[message.kind])


def _check_once(pieces: tuple[Piece, ...]) -> None:
    seen: dict[tuple[str, EventKind], int] = {}
    for index, piece in enumerate(pieces):
        first = seen.setdefault((piece.memory_id, piece.kind), index)
        if first != index:
            raise InvalidInputError(
                f"feedback[{index}] says of memory {piece.memory_id} what feedback[{first}] says, or the opposite",
                field=f"feedback[{index}]",
                memory_id=piece.memory_id,
                first_index=first,
            )


def _check_search_id(search_id: str, *, required: bool) -> None:
    if required and not search_id:
        raise InvalidInputError("search_id is empty; it says which search this is about", field="search_id")
    _check_bytes("search_id", search_id, MAX_REQUEST_ID_BYTES)


def _check_bytes(field: str, value: str, most: int) -> None:
    size_bytes = len(value.encode())
    if size_bytes > most:
        raise InvalidInputError(
            f"{field} holds {size_bytes} bytes; at most {most} are allowed", field=field, size_bytes=size_bytes, max_bytes=most
        )


def _check_count(field: str, count: int, *, least: int) -> None:
    if not least <= count <= MAX_PIECES:
        raise InvalidInputError(
            f"{field} holds {count} items; {least} to {MAX_PIECES} are allowed", field=field, count=count, max_count=MAX_PIECES
        )
