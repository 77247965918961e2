"""One verdict from many differences, by a rule that was written before the figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .statistics import Difference

MARGIN = 0.002
"""Loss of nDCG@10 that counts as none, where there is nothing to gain."""
WORTH_IT = 0.005
"""Gain of nDCG@10 below which nobody would notice: if even the upper bound is less, the influence is shipped as 0."""
SIGNIFICANCE = 0.05


class Outcome(Enum):
    """What follows."""

    HELPS = "helps"
    NO_EFFECT = "no effect"
    """No effect that helps; harm is one of the reasons."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the verdict."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evaluation says."""

    outcome: Outcome
    conditions: tuple[Condition, ...]
    headline: str
    """What follows, in few words."""
    line: str
    """All of it in one line."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Differences of nDCG@10 that decide."""

    gain: Difference
    """ON - OFF where questions repeat."""
    over_placebo: Difference
    """ON - PLACEBO where questions repeat."""
    gain_p_value: float
    """Of the gain, after Holm's correction over the measures."""
    no_repeats: Difference
    """ON - OFF where no question repeats."""
    after_drift: Difference
    """ON - OFF in the first part of the stream after interest shifted."""
    after_supersession: Difference
    """ON - OFF in the same part, with a share of the documents superseded."""


def judge(findings: Findings) -> Verdict:
    """Applies the rule: better than OFF and than PLACEBO, harmless without repeats, no slower than OFF after the world changed."""
    gain = findings.gain
    conditions = (
        Condition(
            f"ON - OFF {shown(gain)}, lower bound above 0 and Holm p {findings.gain_p_value:.4f} below {SIGNIFICANCE}",
            gain.low > 0.0 and findings.gain_p_value < SIGNIFICANCE,
        ),
        Condition(f"ON - OFF upper bound {gain.high:+.4f}, at least {WORTH_IT:+.4f}", gain.high >= WORTH_IT),
        Condition(f"ON - PLACEBO {shown(findings.over_placebo)}, lower bound above 0", findings.over_placebo.low > 0.0),
        _harmless("no repeats", findings.no_repeats),
        _harmless("after the drift", findings.after_drift),
        _harmless("after the supersession", findings.after_supersession),
    )
    if all(condition.met for condition in conditions):
        headline = "verdict: helps"
        return Verdict(Outcome.HELPS, conditions, headline, f"{headline}: {conditions[0].text}; {conditions[2].text}")
    failed = "; ".join(condition.text for condition in conditions if not condition.met)
    harm = ", it harms" if gain.high < 0.0 else ""
    headline = f"verdict: no effect{harm}: ship influence 0"
    return Verdict(Outcome.NO_EFFECT, conditions, headline, f"{headline}; not met: {failed}")


def shown(difference: Difference) -> str:
    """A difference with its bounds."""
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _harmless(name: str, difference: Difference) -> Condition:
    return Condition(f"{name}: ON - OFF {shown(difference)}, lower bound above {-MARGIN:+.4f}", difference.low > -MARGIN)
