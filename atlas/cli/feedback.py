"""`atlas feedback`: says what a hit was worth."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import Caller, FeedbackKind, FeedbackResult, HitFeedback, SourceClass

from .options import DEFAULT_SERVER, ExitStatus, JsonOption, PrincipalOption, ServerOption, SourceClassOption, TimeoutOption, connect
from .printing import console, print_json

_PINS = (FeedbackKind.PIN, FeedbackKind.UNPIN)


def feedback(
    search_id: Annotated[str, typer.Argument(metavar="SEARCH_ID", help="Search that found it, as `atlas search` prints it; `-` for pins.")],
    memory_id: Annotated[str, typer.Argument(metavar="MEMORY_ID", help="The memory.")],
    kind: Annotated[FeedbackKind, typer.Argument(help="What is said of it.", show_default=False)],
    value: Annotated[float | None, typer.Argument(metavar="VALUE", help="How well the task ended, 0 to 1; with outcome.")] = None,
    principal: PrincipalOption = "",
    source_class: SourceClassOption = SourceClass.USER,
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Says that a hit was used, helpful or wrong, how the task ended, or pins a memory. On disk when it returns."""
    if (value is None) == (kind is FeedbackKind.OUTCOME):
        raise typer.BadParameter("outcome needs a value, 0 to 1; nothing else takes one", param_hint="VALUE")
    if value is not None and not 0.0 <= value <= 1.0:
        raise typer.BadParameter(f"{value} is outside 0 to 1", param_hint="VALUE")
    # A pin belongs to no search, and must not be taken for a repetition of an earlier one.
    about = "" if kind in _PINS else search_id
    item, caller = HitFeedback(memory_id, kind, value), Caller(principal, source_class)
    result = asyncio.run(_feedback(server, timeout_s, about, item, caller))
    if as_json:
        print_json(result)
    else:
        console.print(_said(result), markup=False)
    return ExitStatus.OK


def _said(result: FeedbackResult) -> str:
    if result.accepted_count:
        return "counted"
    return "counted before: nothing changed" if result.duplicate_count else "not counted: evidence of system traffic does not count"


async def _feedback(server: str, timeout_s: float, search_id: str, item: HitFeedback, caller: Caller) -> FeedbackResult:
    async with connect(server, timeout_s) as client:
        return await client.feedback(search_id, item, caller=caller)
