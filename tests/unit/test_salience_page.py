"""The page about salience says what the rule does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas.influence import Influence
from atlas.salience import Evidence, SalienceReading, SalienceRule, read_channel, read_salience

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "salience.md").read_text(encoding="utf-8")
RULE = SalienceRule()


def reading(
    passive: list[tuple[float, float]] | None = None, outside: tuple[float, float] | None = None, *, pinned: bool = False
) -> SalienceReading:
    return read_salience(
        read_channel([Evidence(*bucket) for bucket in passive or ()], RULE.passive.base_rate, RULE.passive),
        read_channel([Evidence(*outside)] if outside else [], RULE.outside.base_rate, RULE.outside),
        pinned=pinned,
        rule=RULE,
    )


WEIGHTS = RULE.weights
ROWS = {
    "nothing": reading(),
    "one search found it, relevance .95": reading([(0.95, 0.05)]),
    "ten searches of one kind, relevance .95 each": reading([(9.5, 0.5)]),
    "a million searches of one kind, relevance 1": reading([(1e6, 0.0)]),
    "ten searches of ten kinds, relevance .95 each": reading([(0.95, 0.05)] * 10),
    "ten searches of one kind, relevance .05 each": reading([(0.5, 9.5)]),
    f"an answer used it (weight {WEIGHTS.used:g})": reading(outside=(WEIGHTS.used, 0.0)),
    "it was measured that an answer did not use it": reading(outside=(0.0, WEIGHTS.used)),
    f"somebody said that it helped (weight {WEIGHTS.explicit:g})": reading(outside=(WEIGHTS.explicit, 0.0)),
    f"the same, {RULE.outside.half_life_days:g} days later": reading(outside=(WEIGHTS.explicit / 2, 0.0)),
    "somebody said that it is wrong": reading(outside=(0.0, WEIGHTS.explicit)),
    f"the task it was used for succeeded (weight {WEIGHTS.outcome:g})": reading(outside=(WEIGHTS.outcome, 0.0)),
    "it was pinned": reading(pinned=True),
}


def cells(name: str) -> list[str]:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip().replace("−", "-") for cell in row.strip("|").split("|")[1:]]


@pytest.mark.parametrize("what", ROWS)
def test_the_page_says_what_an_event_moves(what: str) -> None:
    one = ROWS[what]
    assert [float(cell) for cell in cells(what)] == [round(one.salience, 3), round(one.log_odds, 2), round(one.outside_log_odds, 2)]


def test_the_page_lists_no_other_events() -> None:
    section = PAGE.split("## What moves what")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| (?!What happened|---)", section, re.MULTILINE)) == len(ROWS)


def test_the_page_has_the_constants_of_the_rule() -> None:
    for name, attribute in (
        ("half-life, days", "half_life_days"),
        ("κ: what the base rate weighs, events", "prior_strength"),
        ("m: most that one kind of question counts, events", "bucket_mass"),
        ("most that all kinds of questions count, events", "total_mass"),
        ("base rate of a scope without evidence", "base_rate"),
    ):
        assert [float(cell) for cell in cells(name)] == [getattr(RULE.passive, attribute), getattr(RULE.outside, attribute)], name
    assert f"within ±{RULE.log_odds_limit:g}" in PAGE
    assert f"within ±{Influence().log_odds_limit:g}" in PAGE
    assert cells("**Order while the reranker is away**")[-1] == f"{Influence().fallback:g}"
