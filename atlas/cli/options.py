"""Options that several verbs share, and what the exit status means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from atlas.client import AsyncAtlas, SourceClass
from atlas.documents import JsonValue

from .parts import DEFAULT_PORT_BASE, HOST


class ExitStatus(IntEnum):
    """What a status of the command says."""

    OK = 0
    FAILED = 1
    """The request failed; the reason is on standard error."""
    USAGE = 2
    """The command line is wrong."""
    INCOMPLETE = 3
    """It went through, but something was skipped, failed or degraded; the output says what."""
    INTERRUPTED = 130


ServerOption = Annotated[
    str, typer.Option("--server", envvar="ATLAS_SERVER", metavar="HOST:PORT", help="Gateway to talk to.", rich_help_panel="Connection")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of text for people.")]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", min=0.01, max=86_400.0, metavar="SECONDS", help="Longest that the call may take.", rich_help_panel="Connection"
    ),
]
CollectionOption = Annotated[str, typer.Option("--collection", "-c", metavar="NAME", help="Collection; the server's default is `default`.")]
DomainOption = Annotated[str, typer.Option("--domain", metavar="NAME", help="Your partition of a collection, such as a project.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="FIELD=VALUE", help="Only memories whose field has this value, such as metadata.team=core; may be repeated."
    ),
]
PrincipalOption = Annotated[
    str,
    typer.Option(
        "--principal", envvar="ATLAS_PRINCIPAL", metavar="NAME", help="Who calls, for the provenance of evidence.", rich_help_panel="Caller"
    ),
]
SourceClassOption = Annotated[
    SourceClass,
    typer.Option("--source-class", help="Who calls; evidence of system does not count.", rich_help_panel="Caller"),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="ATLAS_DATA",
        metavar="DIR",
        help="Folder of the data, logs and state. Default: this user's data folder.",
        show_default=False,
    ),
]
PortBaseOption = Annotated[
    int,
    typer.Option(
        "--port-base",
        envvar="ATLAS_PORT_BASE",
        min=1024,
        max=65_000,
        metavar="N",
        help="Ports: gateway N, embedder N+1, reranker N+2, memory N+3.",
    ),
]

DEFAULT_SERVER = f"{HOST}:{DEFAULT_PORT_BASE}"


def connect(server: str, timeout_s: float) -> AsyncAtlas:
    """Opens a client."""
    return AsyncAtlas(server, timeout_s=timeout_s)


def conditions(where: Sequence[str] | None, *, option: str = "--where") -> Mapping[str, JsonValue]:
    """Reads `FIELD=VALUE` pairs of an option; a field given twice may have either value."""
    found: dict[str, list[JsonValue]] = {}
    for pair in where or ():
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{pair!r} is not FIELD=VALUE", param_hint=option)
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def moment(text: str | None, option: str) -> datetime | None:
    """Reads an ISO 8601 time; one without zone is UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not an ISO 8601 time such as 2026-05-01 or 2026-05-01T12:00:00+02:00", param_hint=option
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
