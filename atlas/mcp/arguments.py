"""What the tools take: one model a tool, its JSON schema for the assistant, and refusals in the caller's own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from atlas.errors import InvalidInputError

MAX_RESULT_COUNT = 20
"""As many as the gateway reranks unless it is told otherwise."""
MAX_FEEDBACK_COUNT = 20
_SHOWN_CHARACTERS = 80
"""Most of a refused value that its refusal repeats."""
_LIMITS = {"ge": "min", "le": "max", "min_length": "min_length", "max_length": "max_length", "expected": "allowed"}
"""Words of pydantic to words for programs."""


class Arguments(BaseModel):
    """Arguments of a tool. Nothing is converted and nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Arguments)

_DomainField = Annotated[str, Field(description="Only this domain: a partition of a collection, such as one project. Empty: all.")]
_MetadataField = Annotated[
    dict[str, JsonValue], WithJsonSchema({"type": "object", "description": 'Fields of your own, such as {"ticket": "OPS-12"}.'})
]
_TIME = "ISO 8601, such as 2026-05-01 or 2026-05-01T12:00:00+02:00; UTC if it has no zone"


class SearchAllArguments(Arguments):
    """Arguments of `search_all`."""

    query: str = Field(min_length=1, description="What to find, as a question or a statement in plain words.")
    domain: _DomainField = ""
    result_count: int = Field(default=5, ge=1, le=MAX_RESULT_COUNT, description="Most results to give.")
    min_relevance: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Leave out results below this relevance. 0 leaves out nothing; 0.5 keeps likely answers."
    )
    since: str = Field(default="", description=f"Only what happened at this time or later. {_TIME}.")
    until: str = Field(default="", description="Only what happened before this time, written as since is.")


class SearchArguments(SearchAllArguments):
    """Arguments of `search`."""

    collections: list[str] = Field(
        default=[],
        max_length=64,
        description="Where to look; the tool status lists them. Empty: every collection that search_all looks in.",
    )


class RememberArguments(Arguments):
    """Arguments of `remember`."""

    text: str = Field(min_length=1, description="The text, understandable without this conversation: names instead of pronouns, dates.")
    collection: str = Field(default="", description="Collection, created if it is not there. Empty: default.")
    domain: str = Field(default="", description="Partition of the collection, such as one project. Empty: none.")
    title: str = Field(default="", description="Title, found together with the text.")
    speaker: str = Field(default="", description="Who said it, if it is a message.")
    source: str = Field(default="", description="URI of where it comes from, such as https://example.org/page.")
    content_kind: Literal["text", "message", "code"] | None = Field(
        default=None, description="What it is. Default: message if there is a speaker, else text."
    )
    event_time: str = Field(default="", description=f"When it happened. {_TIME}. Empty: unknown.")
    metadata: _MetadataField = {}


class FeedbackArguments(Arguments):
    """Arguments of `feedback`."""

    search_id: str = Field(default="", description="search_id of the reply that had the results. Only pin and unpin need none.")
    memory_ids: list[str] = Field(
        min_length=1, max_length=MAX_FEEDBACK_COUNT, description="memory_id of each result that this is said of, each once."
    )
    kind: Literal["used", "helpful", "wrong", "outcome", "pin", "unpin"] = Field(
        description="used: the answer relies on it. helpful: somebody said it helped. wrong: it is false, stale or misleading."
        " outcome: the task it was used for ended; needs value. pin: keep it in favour. unpin: take that back."
    )
    value: float | None = Field(
        default=None, ge=0.0, le=1.0, description="How well the task ended, 0 failed to 1 succeeded; for outcome alone."
    )


class GetArguments(Arguments):
    """Arguments of `get`."""

    memory_id: str = Field(min_length=1, description="memory_id of a search result.")
    offset: int = Field(
        default=0, ge=0, description="UTF-8 byte of the text to begin at: next_offset of the reply before. Default: its begin."
    )
    max_bytes: int = Field(
        default=0, ge=0, description="Most UTF-8 bytes of the text to give, at least one character. 0: as much as fits into a reply."
    )


class StatusArguments(Arguments):
    """Arguments of `status`: none."""


def schema_of(model: type[Arguments]) -> dict[str, Any]:
    """Gives the JSON schema of a tool's arguments, without what says nothing to an assistant."""
    schema = model.model_json_schema()
    properties = {name: _plain(field) for name, field in schema.get("properties", {}).items()}
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def read(model: type[Model], arguments: Mapping[str, Any] | None) -> Model:
    """Reads the arguments of a call.

    Raises:
        InvalidInputError: One is unknown, missing, of another type or out of its range; the message names it, its value and the limit.
    """
    try:
        return model.model_validate(dict(arguments or {}))
    except ValidationError as error:
        raise _refusal(model, error.errors(include_url=False)[0]) from error


def moment(text: str, field: str) -> datetime | None:
    """Reads an ISO 8601 time, None if there is none; one without zone is UTC.

    Raises:
        InvalidInputError: It is no such time.
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{field} is {text[:_SHOWN_CHARACTERS]!r}, which is no time; {_TIME}"
        raise InvalidInputError(message, field=field, value=text[:_SHOWN_CHARACTERS]) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _plain(field: Mapping[str, Any]) -> dict[str, Any]:
    """Drops titles, which repeat the name, and the null that stands for absence."""
    plain = {key: value for key, value in field.items() if key != "title"}
    if "anyOf" in plain:
        (choice,) = [choice for choice in plain.pop("anyOf") if choice != {"type": "null"}]
        plain = {**choice, **{key: value for key, value in plain.items() if key != "default"}}
    return plain


def _refusal(model: type[Arguments], detail: ErrorDetails) -> InvalidInputError:
    # Inside metadata the path is one of pydantic's own kinds, not of the caller's keys.
    path = detail["loc"][:1] if detail["loc"][0] == "metadata" else detail["loc"]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    known = ", ".join(model.model_fields) or "none"
    match detail["type"]:
        case "extra_forbidden":
            message = f"{name} is no argument of this tool; its arguments are: {known}"
            return InvalidInputError(message, reason="UNKNOWN_ARGUMENT", field=name, known=known)
        case "missing":
            return InvalidInputError(f"{name} is missing; this tool needs it", reason="MISSING_ARGUMENT", field=name)
    value = repr(detail["input"])
    shown = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
    limits: dict[str, Any] = {_LIMITS[key]: str(limit) for key, limit in detail.get("ctx", {}).items() if key in _LIMITS}
    rule = detail["msg"][:1].lower() + detail["msg"][1:]
    return InvalidInputError(f"{name} is {shown}: {rule}", field=name, value=shown, **limits)
