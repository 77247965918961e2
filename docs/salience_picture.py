"""Draws docs/salience.svg: the way of an event from a search to a rank."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_INK, _SOFT, _LINE = "#1c1c1c", "#5f5f5f", "#8a8a8a"
_PAPER, _SEARCH, _LEDGER, _OUTSIDE = "#ffffff", "#e8f0fb", "#fdf3dc", "#e6f4ea"
_WIDTH, _HEIGHT = 980, 520


@dataclass(frozen=True, slots=True)
class Box:
    """A step; its first line is its name."""

    left: int
    top: int
    width: int
    height: int
    lines: Sequence[str]
    color: str

    def svg(self) -> str:
        """Draws the box."""
        middle = self.left + self.width / 2
        first = self.top + self.height / 2 - (len(self.lines) - 1) * 8.5 + 4.5
        name, *others = self.lines
        texts = _text(middle, first, name, f'font-size="14" font-weight="600" fill="{_INK}"')
        texts += "".join(
            _text(middle, first + 17 * number, line, f'font-size="12" fill="{_SOFT}"') for number, line in enumerate(others, start=1)
        )
        place = f'x="{self.left}" y="{self.top}" width="{self.width}" height="{self.height}"'
        return f'<rect {place} rx="8" fill="{self.color}" stroke="{_LINE}"/>\n{texts}'


@dataclass(frozen=True, slots=True)
class Arrow:
    """What goes from one step to another, over points; the label stands at `label_at`."""

    points: Sequence[tuple[int, int]]
    label: str = ""
    label_at: tuple[int, int] = (0, 0)

    def svg(self) -> str:
        """Draws the arrow."""
        path = " ".join(f"{x},{y}" for x, y in self.points)
        line = f'<polyline points="{path}" fill="none" stroke="{_INK}" stroke-width="1.4" marker-end="url(#tip)"/>'
        return line + "\n" + (_text(*self.label_at, self.label, f'font-size="12" fill="{_SOFT}"') if self.label else "")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style} text-anchor="middle">{html.escape(text)}</text>\n'


_BOXES = (
    Box(20, 50, 130, 70, ("query", "its kind: 1 of 16"), _SEARCH),
    Box(210, 30, 230, 110, ("pool", "CLEAN: content alone", "EXTENDED: worth brought it in", "EXPLORE: chance brought it in"), _SEARCH),
    Box(510, 50, 150, 70, ("reranker", "relevance of each"), _SEARCH),
    Box(740, 50, 220, 70, ("final order, results", "search_id, rank, salience"), _SEARCH),
    Box(740, 210, 220, 90, ("outside evidence", "used, helpful, wrong,", "outcome, pin"), _OUTSIDE),
    Box(400, 220, 190, 70, ("RERANK events", "of CLEAN candidates only"), _LEDGER),
    Box(
        400,
        370,
        560,
        110,
        (
            "ledger: append-only events, each once",
            "sums for and against, by memory, channel and kind of query,",
            "decaying with a half-life; exact, in any order, revocable",
        ),
        _LEDGER,
    ),
    Box(
        20,
        370,
        290,
        110,
        (
            "reading: all bounds are here",
            "a kind of query counts 6 (12) events at most",
            "salience = mean of a Beta posterior",
            "log-odds against the base rate, within ±3",
        ),
        _LEDGER,
    ),
)
_ARROWS = (
    Arrow(((150, 85), (208, 85))),
    Arrow(((440, 85), (508, 85))),
    Arrow(((660, 85), (738, 85))),
    Arrow(((850, 120), (850, 208)), "people, answers, tasks", (778, 170)),
    Arrow(((585, 120), (585, 180), (495, 180), (495, 218)), "passive", (545, 173)),
    Arrow(((495, 290), (495, 368))),
    Arrow(((850, 300), (850, 368))),
    Arrow(((400, 425), (312, 425))),
    Arrow(((165, 370), (165, 250), (325, 250), (325, 142)), "all log-odds: EXTENDED places", (268, 320)),
    Arrow(
        ((20, 425), (6, 425), (6, 12), (900, 12), (900, 48)),
        "outside log-odds, within ±2, times the influence: final order. All log-odds: order while the reranker is away",
        (450, 4),
    ),
)


def salience_picture() -> str:
    """Gives the picture as SVG."""
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"'
    tip = f'<defs><marker id="tip" {size}><path d="M0,0 L8,4 L0,8 z" fill="{_INK}"/></marker></defs>'
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -10 {_WIDTH} {_HEIGHT}" font-family="system-ui, sans-serif" role="img">',
        "<title>The way of an event from a search to a rank</title>",
        tip,
        f'<rect x="0" y="-10" width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>',
        *(arrow.svg() for arrow in _ARROWS),
        *(box.svg() for box in _BOXES),
        "</svg>",
    ]
    return "\n".join(shapes) + "\n"
