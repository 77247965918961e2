"""What the tools take and refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from atlas.errors import InvalidInputError
from atlas.mcp.arguments import GetArguments, RememberArguments, SearchArguments, moment, read, schema_of
from atlas.mcp.tools import TOOLS

VALID: dict[str, dict[str, Any]] = {
    "search": {"query": "where?", "collections": ["a", "b"], "domain": "d", "result_count": 20, "min_relevance": 1, "since": "2026-05-01"},
    "search_all": {"query": "where?", "result_count": 1, "min_relevance": 0.5},
    "get": {"memory_id": "x", "offset": 7, "max_bytes": 100},
    "remember": {"text": "t", "content_kind": "code", "metadata": {"a": [1, {"b": None}]}},
    "feedback": {"search_id": "s", "memory_ids": ["x", "y"], "kind": "outcome", "value": 1},
    "status": {},
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("search", {}, "query"),
    ("search", {"query": ""}, "query"),
    ("search", {"query": 7}, "query"),
    ("search", {"query": None}, "query"),
    ("search", {"query": "x", "collections": "docs"}, "collections"),
    ("search", {"query": "x", "collections": [1]}, "collections[0]"),
    ("search", {"query": "x", "collections": ["c"] * 65}, "collections"),
    ("search", {"query": "x", "result_count": 0}, "result_count"),
    ("search", {"query": "x", "result_count": 21}, "result_count"),
    ("search", {"query": "x", "result_count": "5"}, "result_count"),
    ("search", {"query": "x", "result_count": 2.5}, "result_count"),
    ("search", {"query": "x", "result_count": True}, "result_count"),
    ("search", {"query": "x", "min_relevance": 1.01}, "min_relevance"),
    ("search", {"query": "x", "min_relevance": -0.01}, "min_relevance"),
    ("search", {"query": "x", "limit": 3}, "limit"),
    ("search_all", {"query": "x", "collections": []}, "collections"),
    ("get", {"memory_id": "x", "offset": -1}, "offset"),
    ("get", {"id": "x", "memory_id": "x"}, "id"),
    ("remember", {"text": "x", "content_kind": "poem"}, "content_kind"),
    ("remember", {"text": "x", "memory_id": "y"}, "memory_id"),
    ("feedback", {"search_id": "s", "kind": "used"}, "memory_ids"),
    ("feedback", {"search_id": "s", "memory_ids": [], "kind": "used"}, "memory_ids"),
    ("feedback", {"search_id": "s", "memory_ids": ["x"] * 21, "kind": "used"}, "memory_ids"),
    ("feedback", {"search_id": "s", "memory_ids": ["x"], "kind": "great"}, "kind"),
    ("feedback", {"search_id": "s", "memory_ids": ["x"], "kind": "outcome", "value": 1.5}, "value"),
    ("feedback", {"search_id": "s", "memory_id": "x", "memory_ids": ["x"], "kind": "used"}, "memory_id"),
    ("status", {"verbose": True}, "verbose"),
]
MODELS = {tool.name: tool.arguments for tool in TOOLS}


@pytest.mark.parametrize("tool", VALID)
def test_the_schema_and_the_reader_take_the_same_call(tool: str) -> None:
    Draft202012Validator(schema_of(MODELS[tool])).validate(VALID[tool])
    read(MODELS[tool], VALID[tool])


@pytest.mark.parametrize(("tool", "arguments", "field"), WRONG)
def test_the_schema_and_the_reader_refuse_the_same_call(tool: str, arguments: dict[str, Any], field: str) -> None:
    assert not Draft202012Validator(schema_of(MODELS[tool])).is_valid(arguments)
    with pytest.raises(InvalidInputError) as caught:
        read(MODELS[tool], arguments)
    assert caught.value.field == field
    assert field in caught.value.message


def test_a_refusal_names_field_value_and_limit() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(SearchArguments, {"query": "x", "result_count": 500})
    assert all(word in caught.value.message for word in ("result_count", "500", "20"))
    assert caught.value.values == {"value": "500", "max": "20"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(InvalidInputError):
        read(SearchArguments, {"query": "x", "min_relevance": number})
    with pytest.raises(InvalidInputError) as caught:
        read(RememberArguments, {"text": "x", "metadata": {"list": [{"float": number}]}})
    assert caught.value.field == "metadata"


def test_a_refusal_repeats_only_the_beginning_of_a_long_value() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(GetArguments, {"memory_id": ["long" * 10_000]})
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_describes_every_argument_and_refers_to_nothing_outside(tool: Any) -> None:
    schema = schema_of(tool.arguments)
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert "$ref" not in json.dumps(schema)
    for name, field in schema["properties"].items():
        assert len(field["description"]) > 10, name
        assert "type" in field, name


def test_a_time_without_zone_is_utc() -> None:
    assert moment("2026-05-01", "since") == datetime(2026, 5, 1, tzinfo=UTC)
    assert moment("2026-05-01T12:00:00+02:00", "since") == datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert moment("", "since") is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "12:00"])
def test_a_time_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        moment(text, "until")
    assert (caught.value.field, caught.value.values["value"]) == ("until", text)
