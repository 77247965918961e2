"""`atlas salience explain`: says how the learnt worth of a memory came about."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from atlas.client import LedgerEvent, SalienceExplanation

from ..options import DEFAULT_SERVER, ExitStatus, JsonOption, ServerOption, TimeoutOption, connect
from ..printing import console, print_json, print_table

_NUMBERS = ("kind of question", "for", "against", "mean", "base rate", "log-odds", "share", "events")


def explain(
    memory_id: Annotated[str, typer.Argument(metavar="ID", help="Memory to explain.")],
    server: ServerOption = DEFAULT_SERVER,
    timeout_s: TimeoutOption = 10.0,
    as_json: JsonOption = False,
) -> int:
    """Shows how the learnt worth of a memory came about: sums by kind of question, events, constants."""
    explanation = asyncio.run(_explain(server, timeout_s, memory_id))
    if as_json:
        print_json(explanation)
    else:
        _print(explanation)
    return ExitStatus.OK


def _print(explanation: SalienceExplanation) -> None:
    one = explanation.salience
    pinned = ", pinned" if one.pinned else ""
    console.print(f"{one.memory_id}  salience {one.salience:.3f}, base rate {one.prior:.3f}", markup=False)
    console.print(f"log-odds {one.log_odds:+.3f}, of which from outside {one.outside_log_odds:+.3f}{pinned}", markup=False)
    if one.channels:
        rows = [
            (c.channel.value, f"{c.evidence_for:.2f}", f"{c.evidence_against:.2f}", f"{c.mean:.3f}", f"{c.prior:.3f}", f"{c.log_odds:+.3f}")
            for c in one.channels
        ]
        print_table(("channel", "for", "against", "mean", "base rate", "log-odds"), rows, right=_NUMBERS)
    if explanation.buckets:
        buckets = [
            (b.channel.value, b.bucket, f"{b.evidence_for:.2f}", f"{b.evidence_against:.2f}", f"{b.share:.3f}", b.event_count)
            for b in explanation.buckets
        ]
        print_table(("channel", "kind of question", "for", "against", "share", "events"), buckets, right=_NUMBERS)
    if explanation.events:
        print_table(("when", "kind", "value", "weight", "left", "search", "who"), [_event(event) for event in explanation.events])
    if explanation.checkpointed_count:
        console.print(f"{explanation.checkpointed_count} older events live on in checkpoints", markup=False)
    console.print("rule: " + ", ".join(f"{name} {value:g}" for name, value in sorted(explanation.rule.items())), markup=False)


def _event(event: LedgerEvent) -> tuple[str, ...]:
    who = f"{event.caller.principal or '-'} ({event.caller.source_class.value})"
    return (
        event.event_time.isoformat(timespec="seconds") if event.event_time else "",
        event.kind.value + (", revoked" if event.revoked else ""),
        f"{event.value:.3f}",
        f"{event.weight:.2f}",
        f"{event.decay:.3f}",
        event.search_id,
        who,
    )


async def _explain(server: str, timeout_s: float, memory_id: str) -> SalienceExplanation:
    async with connect(server, timeout_s) as client:
        return await client.explain_salience(memory_id)
