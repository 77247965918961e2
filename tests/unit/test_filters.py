"""Filters of requests: which are refused, and what the store is asked."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from atlas.errors import InvalidInputError
from atlas.type.v1 import type_pb2
from services.memory.filters import checked_filter, domains_asked
from services.memory.store import AllOf, AnyOf, Equals, Exists, In, NoneOf, Range, TextMatch


def filter_of(tree: dict[str, Any]) -> type_pb2.Filter:
    return json_format.ParseDict(tree, type_pb2.Filter())


def condition(field: str, **test: Any) -> dict[str, Any]:
    return {"condition": {"field": field, **test}}


def nested(levels: int) -> dict[str, Any]:
    return condition("domain", equals="a") if levels == 1 else {"all_of": {"filters": [nested(levels - 1)]}}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (condition("domain", equals="home"), Equals("domain", "home")),
        (condition("domain", equals=""), NoneOf((Exists("domain"),))),
        (condition("content_kind", equals="CODE"), Equals("content_kind", "CODE")),
        (condition("metadata.stars", equals=5), Equals("metadata.stars", 5)),
        (condition("metadata.done", equals=False), Equals("metadata.done", False)),
        (condition("speaker", **{"in": ["Ann", "Bo"]}), In("speaker", ("Ann", "Bo"))),
        (condition("title", **{"in": ["", "A"]}), AnyOf((In("title", ("A",)), NoneOf((Exists("title"),))))),
        (condition("event_time", equals="1970-01-01T00:00:01Z"), Equals("event_time", 1_000_000)),
        (condition("event_time", range={"gte": "1970-01-01T01:00:00.5+01:00"}), Range("event_time", gte=500_000)),
        (condition("metadata.price", range={"gt": 1.5, "lte": 9}), Range("metadata.price", gt=1.5, lte=9.0)),
        (condition("source", exists=True), Exists("source")),
        (condition("source", exists=False), NoneOf((Exists("source"),))),
        (condition("metadata.tag", exists=True), AllOf((Exists("metadata.tag"), NoneOf((Equals("metadata.tag", ""),))))),
        (condition("title", textMatch="user guide"), TextMatch("title", "user guide")),
        ({"any_of": {"filters": [condition("domain", equals="a")]}}, AnyOf((Equals("domain", "a"),))),
        ({"none_of": {"filters": [condition("domain", equals="a")]}}, NoneOf((Equals("domain", "a"),))),
    ],
)
def test_a_filter_is_said_in_the_words_of_the_store(tree: dict[str, Any], expected: object) -> None:
    assert checked_filter(filter_of(tree)) == expected


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({}, "filter"),
        ({"all_of": {}}, "filter.all_of.filters"),
        ({"all_of": {"filters": [condition("domain", equals="a"), {}]}}, "filter.all_of.filters[1]"),
        (condition("domain"), "filter.condition"),
        (condition("salience", equals="a"), "filter.condition.field"),
        (condition("", equals="a"), "filter.condition.field"),
        (condition("metadata.", equals="a"), "filter"),
        (condition("metadata.a..b", equals="a"), "filter"),
        (condition("metadata." + "k" * 300, equals="a"), "filter.condition.field"),
        (condition("domain", equals=3), "filter.condition.equals"),
        (condition("domain", equals=None), "filter.condition.equals"),
        (condition("content_kind", equals="PROSE"), "filter.condition.equals"),
        (condition("metadata.a", equals={"b": 1}), "filter.condition.equals"),
        (condition("event_time", equals="yesterday"), "filter.condition.equals"),
        (condition("event_time", equals="2026-01-01T00:00:00"), "filter.condition.equals"),
        (condition("event_time", range={"lt": 5}), "filter.condition.range.lt"),
        (condition("domain", range={"lt": "b"}), "filter.condition.range"),
        (condition("metadata.a", range={}), "filter.condition.range"),
        (condition("metadata.a", range={"lt": "b"}), "filter.condition.range.lt"),
        (condition("domain", **{"in": []}), "filter.condition.in.values"),
        (condition("domain", **{"in": ["a", 2]}), "filter.condition.in.values[1]"),
        (condition("domain", **{"in": ["a"] * 257}), "filter.condition.in.values"),
        (condition("title", textMatch="  "), "filter.condition.text_match"),
        (condition("event_time", textMatch="may"), "filter.condition.text_match"),
        (condition("domain", equals="x" * 5000), "filter.condition.equals"),
        (nested(9), "filter"),
        ({"all_of": {"filters": [condition("domain", equals="a")] * 256}}, "filter"),
    ],
)
def test_a_wrong_filter_is_refused_naming_the_node(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        checked_filter(filter_of(tree))
    assert str(caught.value.field).startswith(field)


def test_numbers_that_are_not_finite_are_refused() -> None:
    message = type_pb2.Filter()
    message.condition.field = "metadata.a"
    message.condition.range.lt.number_value = float("nan")
    with pytest.raises(InvalidInputError, match="finite"):
        checked_filter(message)


def test_the_largest_filter_is_allowed() -> None:
    checked_filter(filter_of(nested(8)))
    checked_filter(filter_of({"any_of": {"filters": [condition("domain", equals="a")] * 255}}))


@pytest.mark.parametrize(
    ("asked", "domains"),
    [
        (None, set()),
        (Equals("domain", "a"), {"a"}),
        (In("domain", ("a", "b")), {"a", "b"}),
        (AllOf((Equals("source", "s"), In("domain", ("a", "b")), Equals("domain", "b"))), {"b"}),
        (AnyOf((Equals("domain", "a"), Equals("source", "s"))), set()),
        (NoneOf((Equals("domain", "a"),)), set()),
    ],
)
def test_the_domains_that_a_filter_insists_on_are_known(asked: Any, domains: set[str]) -> None:
    assert domains_asked(asked) == domains
