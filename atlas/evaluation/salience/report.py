"""The findings as tables of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .findings import Evaluation, RegimeRow
from .live import LiveCheck
from .statistics import Difference


@dataclass(frozen=True, slots=True)
class Table:
    """A table; all columns but the first are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables_of(found: Evaluation, live: LiveCheck | None) -> list[Table]:
    """Makes the tables, the one that decides first."""
    tables = [_regimes(found), _arms(found), _measures(found), _changes(found), _bounds(found)]
    return tables if live is None else [*tables, _live(live)]


def markdown_of(tables: Sequence[Table]) -> str:
    """Writes tables as Markdown."""
    parts = []
    for table in tables:
        head = [f"**{table.title}**", "", f"| {' | '.join(table.columns)} |", f"| --- |{' ---: |' * (len(table.columns) - 1)}"]
        parts.append("\n".join([*head, *(f"| {' | '.join(row)} |" for row in table.rows)]))
    return "\n\n".join(parts) + "\n"


def _regimes(found: Evaluation) -> Table:
    columns = ("regime", "searches", "OFF", "ON", "PLACEBO", "ON - OFF", "p", "+ : -", "ON - PLACEBO")
    return Table("nDCG@10 by regime, 95 % intervals", columns, [_regime(row) for row in (*found.regimes, found.fallback)])


def _regime(row: RegimeRow) -> tuple[str, ...]:
    delta = row.over_off
    return (
        row.name,
        str(row.search_count),
        _value(row.means["OFF"]),
        _value(row.means["ON"]),
        _value(row.means.get("PLACEBO", math.nan)),
        _shown(delta),
        f"{delta.p_value:.4f}",
        f"{delta.better}:{delta.worse}",
        "" if row.over_placebo is None else _shown(row.over_placebo),
    )


def _arms(found: Evaluation) -> Table:
    columns = ("arm", "nDCG@10", "minus OFF", "minus OFF after the drift", "Gini of exposure", "saturated")
    rows = [
        (
            row.arm,
            _value(row.measures["nDCG@10"]),
            "" if row.arm == "OFF" else _shown(row.over_off),
            "" if row.arm == "OFF" else _shown(row.drift),
            f"{row.gini:.3f}",
            _value(row.saturated),
        )
        for row in found.arms
    ]
    return Table("Arms where questions repeat", columns, rows)


def _measures(found: Evaluation) -> Table:
    rows = [
        (row.name, _value(row.off), _value(row.on), _shown(row.over_off), f"{row.over_off.p_value:.4f}", f"{row.adjusted_p_value:.4f}")
        for row in found.measures
    ]
    return Table("Measures where questions repeat", ("measure", "OFF", "ON", "ON - OFF", "p", "Holm p"), rows)


def _changes(found: Evaluation) -> Table:
    columns = ("arm", "stale hits", "late stale hits", "fresh exposure", "nDCG@10 of what fresh ones answer")
    rows = [
        (row.arm, _value(row.stale_hits), _value(row.late_stale_hits), _value(row.fresh_exposure), _value(row.fresh_ndcg))
        for row in found.changes
    ]
    return Table("After the world changed: superseded and fresh documents", columns, rows)


def _bounds(found: Evaluation) -> Table:
    poisoning, revocation = found.poisoning, found.poisoning.revocation
    rows = [
        ("loss by one hostile principal after 1 % of the searches", _shown(poisoning.loss)),
        ("its share of all marks", f"{poisoning.hostile_share:.3f}"),
        ("bound: the worst that any evidence could do", _shown(poisoning.worst)),
        ("rankings that it had moved", f"{revocation.moved_count} of {revocation.ranking_count}"),
        ("sums equal to those without it, once revoked", "yes, bit for bit" if revocation.sums_equal else "NO"),
        ("rankings equal to those without it, once revoked", "all" if revocation.rankings_equal else "NO"),
        ("ledger: RERANK events a search", f"{found.passive_events_per_search:.1f}"),
        ("ledger: marks a search", f"{found.marks_per_search:.2f}"),
    ]
    return Table("Bounds, revocation, cost", ("what", "value"), rows)


def _live(live: LiveCheck) -> Table:
    rows = [
        ("searches and marks played in both", f"{live.search_count} and {live.mark_count}"),
        ("orders that differ from the replay", str(live.rank_mismatches)),
        ("largest difference of log-odds, all evidence", f"{live.worst_log_odds:.1e}"),
        ("largest difference of log-odds from outside", f"{live.worst_outside_log_odds:.1e}"),
        ("influence there; hits that it moved", f"{live.influence:g}; {live.moved_count}"),
        ("ledger events a search", f"{live.events_per_search:.1f}"),
        ("writing back, median ms of a search", f"{live.write_ms:.1f} of {live.search_ms:.1f}"),
    ]
    return Table("The running system against the replay", ("what", "value"), rows)


def _shown(difference: Difference) -> str:
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _value(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
