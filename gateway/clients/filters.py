"""Which memories a call is about: the caller's own filter and what the gateway adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.struct_pb2 import ListValue, Value

from atlas.ranking import Kind
from atlas.type.v1 import type_pb2

Filter = type_pb2.Filter
"""The caller's own filter as it came; memory reads it, the gateway does not look into it."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Conditions that all have to hold."""

    filter: Filter | None = None
    """The caller's own."""
    domain: str = ""
    """Domain that must match; empty means any."""
    sources: Sequence[str] = ()
    """Sources of which one must match; empty means any."""
    kinds: Sequence[Kind] = ()
    """Kinds of content of which one must match; empty means any."""
    begin: datetime | None = None
    """Earliest `event_time`, inclusive."""
    end: datetime | None = None
    """Latest `event_time`, exclusive."""


def filter_message(restriction: Restriction) -> Filter | None:
    """Returns the filter of a restriction, None where it leaves everything."""
    parts = list(_parts(restriction))
    if len(parts) > 1:
        return Filter(all_of=Filter.List(filters=parts))
    return parts[0] if parts else None


def own_path(restriction: Restriction) -> str:
    """Returns where the caller's own filter lies in the message of the restriction."""
    return "filter.all_of.filters[0]" if len(list(_parts(restriction))) > 1 else "filter"


def _parts(restriction: Restriction) -> Iterator[Filter]:
    if restriction.filter is not None:
        yield restriction.filter
    if restriction.domain:
        yield Filter(condition=type_pb2.Condition(field="domain", equals=Value(string_value=restriction.domain)))
    if restriction.sources:
        yield _one_of("source", restriction.sources)
    if restriction.kinds:
        yield _one_of("content_kind", [kind.name for kind in restriction.kinds])
    if restriction.begin is not None or restriction.end is not None:
        span = type_pb2.Range(gte=_time(restriction.begin), lt=_time(restriction.end))
        yield Filter(condition=type_pb2.Condition(field="event_time", range=span))


def _one_of(field: str, values: Sequence[str]) -> Filter:
    operands = ListValue(values=[Value(string_value=value) for value in values])
    condition = type_pb2.Condition(field=field)
    getattr(condition, "in").CopyFrom(operands)  # `in` is a word of Python's
    return Filter(condition=condition)


def _time(time: datetime | None) -> Value | None:
    return None if time is None else Value(string_value=time.isoformat())
