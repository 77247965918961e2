"""Renders settings classes for people: rows of the configuration page and lines of `.env.example`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from .settings import AtlasSettings

MARKDOWN_HEAD = ("| Variable | Default | Unit, range | Meaning |", "| --- | --- | --- | --- |")
"""The two lines above the rows."""

_UNITS = {
    "ms": "ms",
    "s": "s",
    "days": "days",
    "bytes": "bytes",
    "count": "count",
    "tokens": "tokens",
    "pixels": "pixels",
    "port": "TCP port",
    "fraction": "fraction",
}


def markdown_rows(cls: type[AtlasSettings]) -> list[str]:
    """Returns one table row for each field, in the order of the class."""
    return [_row(cls, name, field) for name, field in cls.model_fields.items()]


def env_example(cls: type[AtlasSettings]) -> list[str]:
    """Returns, for each field, a comment with its meaning and its variable with the default, commented out."""
    lines: list[str] = []
    for name, field in cls.model_fields.items():
        meaning, span = _meaning(field), unit_and_range(name, field)
        lines += [f"# {meaning} ({span})" if span else f"# {meaning}", f"#{_variable(cls, name)}={_default(field)}"]
    return lines


def unit_and_range(name: str, field: FieldInfo) -> str:
    """Returns the unit, which the field states or its name ends with, and the values that are allowed."""
    return ", ".join(part for part in (_unit(name, field), _range(field)) if part)


def _row(cls: type[AtlasSettings], name: str, field: FieldInfo) -> str:
    default = _default(field)
    shown = f"`{default}`" if default else "none"
    return f"| `{_variable(cls, name)}` | {shown} | {_cell(unit_and_range(name, field))} | {_cell(_meaning(field))} |"


def _variable(cls: type[AtlasSettings], name: str) -> str:
    return cls.env_name(name)


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    if field.is_required() or default is None or isinstance(default, SecretStr):
        return ""
    if isinstance(default, Enum):
        return str(default.value)
    return str(default).lower() if isinstance(default, bool) else str(default)


def _unit(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, Mapping) and "unit" in extra:
        return str(extra["unit"])
    return _UNITS.get(name.rsplit("_", 1)[-1], "") if _is_number(field) else ""


def _range(field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    if choices:
        return " or ".join(f"`{choice}`" for choice in choices)
    bounds = _bounds(field.metadata)
    if not _is_number(field) or not bounds:
        return ""
    return f"{bounds.get('ge', bounds.get('gt', ''))} to {bounds.get('le', bounds.get('lt', ''))}"


def _choices(annotation: Any) -> Sequence[str]:
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return ()


def _bounds(metadata: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for constraint in metadata:
        match constraint:
            case annotated_types.Ge(ge=bound):
                found["ge"] = bound
            case annotated_types.Gt(gt=bound):
                found["gt"] = f"above {bound}"
            case annotated_types.Le(le=bound):
                found["le"] = bound
            case annotated_types.Lt(lt=bound):
                found["lt"] = f"below {bound}"
    return found


def _is_number(field: FieldInfo) -> bool:
    kinds = get_args(field.annotation) or (field.annotation,)
    return any(kind in (int, float) for kind in kinds)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
