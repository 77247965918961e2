"""Checks what callers report to the ledger, with errors that name field, value and limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from atlas import tensors
from atlas.errors import InvalidInputError
from atlas.memory.v1 import salience_pb2 as pb
from atlas.query_buckets import bucket_of
from atlas.salience import EventKind
from atlas.type.v1 import salience_pb2 as common_pb2

from ..limits import MAX_IDS, MAX_REQUEST_ID_BYTES, check_bytes, check_count, checked_id, checked_time_us
from ..scopes import MAX_NAME_BYTES, Scope
from .feedback import Report
from .policy import LedgerPolicy
from .records import Impression, NewEvent, Pool, PoolMember, SourceClass
from .revoking import Selector

MAX_POOL = 400
"""Most pool members and most events of one search: twice the largest clean pool."""
MAX_AHEAD_US = 300_000_000
"""How far the clock of a caller may be ahead, in microseconds."""
_OUTSIDE = (EventKind.USED, EventKind.EXPLICIT, EventKind.OUTCOME, EventKind.PIN)


def checked_impression(request: pb.RecordEventsRequest, scope: Scope, *, now_us: int) -> Impression:
    """Returns the search of a request.

    Raises:
        InvalidInputError: A part is missing or out of its range.
    """
    check_search_id(request.search_id)
    check_count(len(request.pool), "pool", least=0, most=MAX_POOL)
    check_count(len(request.events), "events", least=0, most=MAX_POOL)
    return Impression(
        tenant=scope.tenant,
        search_id=request.search_id,
        principal=scope.principal,
        source_class=_source_class(request.source_class),
        domains=tuple(sorted(scope.domains)),
        time_us=_time_us(request, "search_time", now_us),
        bucket=_bucket(request),
        fingerprint=request.fingerprint,
        pool=_checked_pool(request.pool),
    )


def checked_events(events: Sequence[pb.Event], policy: LedgerPolicy) -> tuple[list[NewEvent], list[tuple[str, str]]]:
    """Returns the events of a search that have finite values, and those that have not, with the reason.

    Raises:
        InvalidInputError: An event is of a kind that no search reports of itself, or of an unknown calibration.
    """
    checked: list[NewEvent] = []
    refused: list[tuple[str, str]] = []
    for index, event in enumerate(events):
        # Each field is read once: reading one costs as much as checking it.
        memory_id, version, raw_score, value = event.memory_id, event.calibration_version, event.raw_score, event.relevance
        if event.kind != common_pb2.EVENT_KIND_RERANK or version not in policy.calibrations:
            _refuse_event(event, f"events[{index}]", policy)
        memory_id = checked_id(memory_id, f"events[{index}].memory_id")
        if not (math.isfinite(raw_score) and math.isfinite(value)):
            refused.append((memory_id, "NOT_FINITE"))
        elif not 0.0 <= value <= 1.0:
            refused.append((memory_id, "OUT_OF_RANGE"))
        else:
            rank = max(0, event.rank_before_salience)
            checked.append(NewEvent(memory_id, EventKind.RERANK, value, raw_score, event.score_kind, version, rank))
    return checked, refused


def checked_feedback(request: pb.RecordFeedbackRequest, scope: Scope, *, now_us: int, new_id: Callable[[], str]) -> Report:
    """Returns the evidence of a request.

    Raises:
        InvalidInputError: A part is missing, out of its range, or there twice.
    """
    check_count(len(request.feedback), "feedback", least=1, most=MAX_POOL)
    events: dict[tuple[str, EventKind], NewEvent] = {}
    for index, one in enumerate(request.feedback):
        event = _checked_feedback(one, f"feedback[{index}]")
        if (event.memory_id, event.kind) in events:
            raise InvalidInputError(
                f"feedback[{index}] is about memory {event.memory_id} and {event.kind.name}, as an earlier one is; none may come twice",
                field=f"feedback[{index}]",
                memory_id=event.memory_id,
                kind=event.kind.name,
            )
        events[event.memory_id, event.kind] = event
    search_id = request.search_id
    if not search_id and all(kind is EventKind.PIN for _, kind in events):
        search_id = new_id()
    check_search_id(search_id)
    time_us = _time_us(request, "event_time", now_us)
    source_class, stated = _source_class(request.source_class), request.HasField("event_time")
    return Report(scope, search_id, tuple(events.values()), source_class, time_us, stated)


def checked_selector(selector: common_pb2.EventSelector) -> Selector:
    """Returns the conditions of a request.

    Raises:
        InvalidInputError: There are none, or one is out of its range.
    """
    for field in ("principals", "source_classes", "search_ids", "memory_ids", "kinds"):
        check_count(len(getattr(selector, field)), f"selector.{field}", least=0, most=MAX_IDS)
    for index, principal in enumerate(selector.principals):
        check_bytes(principal, f"selector.principals[{index}]", MAX_NAME_BYTES)
    checked = Selector(
        principals=tuple(selector.principals),
        source_classes=tuple(_source_class(one, f"selector.source_classes[{i}]") for i, one in enumerate(selector.source_classes)),
        search_ids=tuple(selector.search_ids),
        memory_ids=tuple(checked_id(one, f"selector.memory_ids[{i}]") for i, one in enumerate(selector.memory_ids)),
        kinds=tuple(_kind(one, f"selector.kinds[{i}]", tuple(EventKind)) for i, one in enumerate(selector.kinds)),
        begin_us=checked_time_us(selector.begin_time, "selector.begin_time") if selector.HasField("begin_time") else None,
        end_us=checked_time_us(selector.end_time, "selector.end_time") if selector.HasField("end_time") else None,
    )
    if checked == Selector():
        raise InvalidInputError("selector is empty; at least one condition is needed", field="selector")
    return checked


def check_search_id(search_id: str) -> None:
    """Refuses a search id that is missing or too long."""
    size_bytes = len(search_id.encode())
    if not 1 <= size_bytes <= MAX_REQUEST_ID_BYTES:
        raise InvalidInputError(
            f"search_id holds {size_bytes} bytes; 1 to {MAX_REQUEST_ID_BYTES} are allowed",
            field="search_id",
            size_bytes=size_bytes,
            max_bytes=MAX_REQUEST_ID_BYTES,
        )


def _time_us(request: pb.RecordEventsRequest | pb.RecordFeedbackRequest, field: str, now_us: int) -> int:
    if not request.HasField(field):
        return now_us
    time_us = checked_time_us(getattr(request, field), field)
    if time_us > now_us + MAX_AHEAD_US:
        raise InvalidInputError(
            f"{field} is {(time_us - now_us) / 1e6:.0f} s ahead of the server; at most {MAX_AHEAD_US / 1e6:.0f} s are allowed",
            field=field,
            ahead_s=(time_us - now_us) / 1e6,
            max_ahead_s=MAX_AHEAD_US / 1e6,
        )
    return time_us


def _bucket(request: pb.RecordEventsRequest) -> int | None:
    if not request.HasField("query"):
        if request.events:
            raise InvalidInputError("query is missing; events need the query's vector", field="query")
        return None
    query = tensors.to_array(request.query, field="query", dtype=np.float32, ndim=1)
    tensors.check_finite(query, field="query")
    if not request.fingerprint:
        raise InvalidInputError("fingerprint is missing; a query vector needs it", field="fingerprint")
    if query.size == 0 or not query.any():
        raise InvalidInputError("query is a zero vector", field="query")
    return bucket_of(query)


def _checked_pool(entries: Sequence[pb.PoolEntry]) -> tuple[PoolMember, ...]:
    pool: dict[str, PoolMember] = {}
    for index, entry in enumerate(entries):
        member = _member(entry, index)
        # Were it there twice, the kinder of its two places would decide whether its evidence counts.
        if member.memory_id in pool:
            raise InvalidInputError(
                f"pool[{index}].memory_id {member.memory_id} is in the pool already; no id may come twice",
                field=f"pool[{index}].memory_id",
                memory_id=member.memory_id,
            )
        pool[member.memory_id] = member
    return tuple(pool.values())


def _member(entry: pb.PoolEntry, index: int) -> PoolMember:
    rank, result_rank, propensity, pool = entry.rank, entry.result_rank, entry.propensity, entry.pool
    if rank < 0 or result_rank < 0:
        field, value = (f"pool[{index}].rank", rank) if rank < 0 else (f"pool[{index}].result_rank", result_rank)
        raise InvalidInputError(f"{field} is {value}; it counts from 1", field=field, value=value)
    if not 0.0 <= propensity <= 1.0:  # NaN is not in the range either
        field = f"pool[{index}].propensity"
        raise InvalidInputError(f"{field} is {propensity}; 0 to 1 are allowed", field=field, value=propensity)
    try:
        kind = Pool(pool) if pool else Pool.CLEAN
    except ValueError as error:
        field = f"pool[{index}].pool"
        raise InvalidInputError(f"{field} is {pool}; 0 to {max(Pool)} are known", field=field, value=pool) from error
    memory_id = checked_id(entry.memory_id, f"pool[{index}].memory_id")
    return PoolMember(memory_id, entry.collection, entry.generation, kind, rank, propensity or 1.0, result_rank)


def _refuse_event(event: pb.Event, field: str, policy: LedgerPolicy) -> NoReturn:
    _kind(event.kind, f"{field}.kind", (EventKind.RERANK,))
    version = event.calibration_version
    if not version:
        raise InvalidInputError(f"{field}.calibration_version is missing", field=f"{field}.calibration_version")
    known = ", ".join(sorted(policy.calibrations))
    raise InvalidInputError(
        f"{field}.calibration_version is {version[:64]!r}; this version knows {known}",
        reason="UNKNOWN_CALIBRATION",
        field=f"{field}.calibration_version",
        calibration_version=version[:64],
        known=known,
    )


def _checked_feedback(one: pb.Feedback, field: str) -> NewEvent:
    memory_id = checked_id(one.memory_id, f"{field}.memory_id")
    kind = _kind(one.kind, f"{field}.kind", _OUTSIDE)
    if not 0.0 <= one.value <= 1.0:  # NaN is not in the range either
        raise InvalidInputError(f"{field}.value is {one.value}; 0 to 1 are allowed", field=f"{field}.value", value=one.value)
    if kind is EventKind.PIN and one.value not in (0.0, 1.0):
        raise InvalidInputError(f"{field}.value is {one.value}; a pin is 1, and its removal 0", field=f"{field}.value", value=one.value)
    return NewEvent(memory_id, kind, one.value)


def _kind(number: int, field: str, allowed: Sequence[EventKind]) -> EventKind:
    if number not in allowed:
        names = ", ".join(kind.name for kind in allowed)
        raise InvalidInputError(f"{field} is {number}; {names} are allowed", field=field, kind=number, allowed=names)
    return EventKind(number)


def _source_class(number: int, field: str = "source_class") -> SourceClass:
    if number not in (0, *map(int, SourceClass)):
        raise InvalidInputError(f"{field} is {number}; 0 to {max(SourceClass)} are known", field=field, value=number)
    return SourceClass(number or SourceClass.USER)
