"""The findings as one picture: differences with their intervals, and how they grew over the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import drawsvg as draw

from .findings import Evaluation
from .statistics import Difference
from .verdict import MARGIN

_WIDTH = 960
_ROW = 30
_LEFT = 240
_TOP = 70
_CURVE_HEIGHT = 220
_COLORS = {"ON": "#0b6e4f", "PLACEBO": "#b23a48", "RECENCY": "#3d5a80", "COUNT": "#9a6a00", "FROZEN": "#6b4e9b"}
_INK, _SOFT, _LINE = "#1c1c1c", "#5f5f5f", "#d9d9d9"
_FONT = "system-ui, sans-serif"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Puts values on pixels."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        inside = max(self.low, min(self.high, value))
        return self.begin + (inside - self.low) / (self.high - self.low) * (self.end - self.begin)


def write_plot(path: Path, found: Evaluation, *, title: str) -> None:
    """Writes an SVG file.

    Raises:
        OSError: The file cannot be written.
    """
    rows = [*found.regimes, found.fallback]
    forest_height = _TOP + _ROW * len(rows) + 40
    height = forest_height + _CURVE_HEIGHT + 110
    picture = draw.Drawing(_WIDTH, height, font_family=_FONT)
    picture.append(draw.Rectangle(0, 0, _WIDTH, height, fill="#ffffff"))
    _text(picture, title, 20, 28, size=17, weight="bold")
    _text(
        picture,
        "nDCG@10: ON minus OFF (filled) and ON minus PLACEBO (hollow), 95 % intervals; grey: counts as none",
        20,
        50,
        color=_SOFT,
    )
    scale = _forest_scale([row.over_off for row in rows] + [row.over_placebo for row in rows if row.over_placebo is not None])
    _axis(picture, scale, _TOP, forest_height - 40)
    for place, row in enumerate(rows):
        y = _TOP + _ROW * (place + 0.5)
        _text(picture, row.name, _LEFT - 14, y + 4, anchor="end")
        _interval(picture, scale, row.over_off, y - 5, _COLORS["ON"], filled=True)
        if row.over_placebo is not None:
            _interval(picture, scale, row.over_placebo, y + 6, _COLORS["PLACEBO"], filled=False)
    _curves(picture, found, forest_height + 30)
    _text(picture, found.verdict.headline, 20, height - 18, size=15, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save_svg(str(path))


def _forest_scale(differences: Sequence[Difference]) -> _Scale:
    widest = max(max(abs(item.low), abs(item.high)) for item in differences)
    limit = max(0.01, min(0.08, widest))
    return _Scale(-limit, limit, _LEFT, _WIDTH - 40)


def _axis(picture: draw.Drawing, scale: _Scale, top: float, bottom: float) -> None:
    picture.append(draw.Rectangle(scale(-MARGIN), top, scale(MARGIN) - scale(-MARGIN), bottom - top, fill="#f1f1f1"))
    for value in (scale.low, scale.low / 2, 0.0, scale.high / 2, scale.high):
        picture.append(draw.Line(scale(value), top, scale(value), bottom, stroke=_INK if value == 0.0 else _LINE))
        _text(picture, f"{value:+.3f}", scale(value), bottom + 16, anchor="middle", color=_SOFT, size=11)


def _interval(picture: draw.Drawing, scale: _Scale, item: Difference, y: float, color: str, *, filled: bool) -> None:
    picture.append(draw.Line(scale(item.low), y, scale(item.high), y, stroke=color, stroke_width=2))
    picture.append(draw.Circle(scale(item.mean), y, 4, fill=color if filled else "#ffffff", stroke=color, stroke_width=1.5))


def _curves(picture: draw.Drawing, found: Evaluation, top: float) -> None:
    _text(picture, "Mean nDCG@10 minus OFF since the beginning of the stream", 20, top - 20, color=_SOFT)
    values = [value for curve in found.curve.values() for value in curve[5:]]
    limit = max(0.005, 1.1 * max(abs(value) for value in values))
    across, up = _Scale(0.0, 1.0, _LEFT, _WIDTH - 110), _Scale(-limit, limit, top + _CURVE_HEIGHT, top)
    for value in (-limit, 0.0, limit):
        picture.append(draw.Line(_LEFT, up(value), _WIDTH - 110, up(value), stroke=_INK if value == 0.0 else _LINE))
        _text(picture, f"{value:+.3f}", _LEFT - 14, up(value) + 4, anchor="end", color=_SOFT, size=11)
    picture.append(
        draw.Line(across(found.curve_shift), top, across(found.curve_shift), top + _CURVE_HEIGHT, stroke=_SOFT, stroke_dasharray="4 4")
    )
    _text(picture, "interest shifts", across(found.curve_shift) + 6, top + 12, color=_SOFT, size=11)
    taken: list[float] = []
    for arm, curve in sorted(found.curve.items(), key=lambda item: -item[1][-1]):
        points = [part for place, value in enumerate(curve) for part in (across(place / max(1, len(curve) - 1)), up(value))]
        picture.append(draw.Lines(*points, stroke=_COLORS[arm], stroke_width=2.5 if arm == "ON" else 1.5, fill="none"))
        y = max(up(curve[-1]) + 4, taken[-1] + 14 if taken else 0.0)
        taken.append(y)
        _text(picture, arm, _WIDTH - 104, y, color=_COLORS[arm], size=12, weight="bold" if arm == "ON" else "normal")


def _text(
    picture: draw.Drawing,
    text: str,
    x: float,
    y: float,
    *,
    size: int = 13,
    anchor: str = "start",
    color: str = _INK,
    weight: str = "normal",
) -> None:
    picture.append(draw.Text(text, size, x, y, text_anchor=anchor, fill=color, font_weight=weight))
