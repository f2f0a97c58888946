"""Curves as SVG, for light and dark pages."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEIGHT, MARGIN = 420, 300, 60
COLOURS = ("#1a7f5a", "#2b6cd4", "#c2410c", "#7c3aed")
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 14px }
.axis { stroke: #999; fill: none } .grid { stroke: #9994; fill: none }
rect, .ring { fill: #fff } @media (prefers-color-scheme: dark) { rect, .ring { fill: #16181d } text { fill: #ddd } }
"""


class Point(NamedTuple):
    """One measurement.

    Attributes:
        x: What it was made of.
        y: What that cost; at least this, if it was not whole.
        whole: Whether it was done to its end.
    """

    x: float
    y: float
    whole: bool = True


@dataclass(frozen=True)
class Panel:
    """One small chart, both axes logarithmic.

    Attributes:
        title: Above it.
        across: What grows.
        up: What it costs.
        lines: Name → points.
    """

    title: str
    across: str
    up: str
    lines: dict[str, list[Point]]


def drawn(panels: list[Panel]) -> str:
    """The whole picture: two charts in a row."""
    rows = -(-len(panels) // 2)
    width, height = 2 * (WIDTH + MARGIN) + MARGIN, rows * (HEIGHT + MARGIN) + MARGIN
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>How cost grows</title><style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}"/>',
    ]
    for number, name in enumerate(names):
        x = MARGIN + number * 220
        parts.append(
            f'<line x1="{x}" x2="{x + 24}" y1="24" y2="24" stroke="{COLOURS[number]}" stroke-width="3"/>'
        )
        parts.append(f'<text x="{x + 30}" y="28">{name}</text>')
    said = "All axes are logarithmic."
    if any(not point.whole for panel in panels for line in panel.lines.values() for point in line):
        said += " A ring is a run that was stopped before it was done: it costs at least this."
    parts.append(f'<text x="{MARGIN}" y="{height - 12}">{said}</text>')
    for number, panel in enumerate(panels):
        left = MARGIN + number % 2 * (WIDTH + MARGIN)
        top = MARGIN + number // 2 * (HEIGHT + MARGIN)
        parts.append(f'<g transform="translate({left},{top})">')
        parts += _panel(panel, names)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, names: list[str]) -> Iterator[str]:
    points = [point for line in panel.lines.values() for point in line]
    across = _Scale([point.x for point in points], WIDTH - MARGIN)
    up = _Scale([point.y for point in points], HEIGHT - MARGIN)
    bottom = HEIGHT - MARGIN
    yield f'<text class="title" x="0" y="-8">{panel.title}: {panel.up}</text>'
    for value in up.ticks():
        y = bottom - up.place(value)
        yield f'<path class="grid" d="M0 {y:.1f}H{WIDTH - MARGIN}"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for value in sorted({point.x for point in points}):
        x = across.place(value)
        yield f'<path class="axis" d="M{x:.1f} {bottom}v5"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:,g}</text>'
    yield f'<path class="axis" d="M0 0V{bottom}H{WIDTH - MARGIN}"/>'
    yield f'<text x="{(WIDTH - MARGIN) / 2}" y="{bottom + 36}" text-anchor="middle">{panel.across}</text>'
    for name, line in panel.lines.items():
        colour = COLOURS[names.index(name)]
        places = [(across.place(point.x), bottom - up.place(point.y), point.whole) for point in line]
        for (x, y, _), (next_x, next_y, whole) in itertools.pairwise(places):
            dashes = "" if whole else ' stroke-dasharray="3 4"'
            yield f'<path d="M{x:.1f} {y:.1f}L{next_x:.1f} {next_y:.1f}" stroke="{colour}" stroke-width="2.5"{dashes}/>'
        for x, y, whole in places:
            inside = f'fill="{colour}"' if whole else f'class="ring" stroke="{colour}" stroke-width="2"'
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.5 if whole else 4.5}" {inside}/>'


class _Scale:
    """From values to places, by their logarithms; whole powers of ten at the ends where there is room."""

    def __init__(self, values: list[float], length: float) -> None:
        logs = [math.log10(max(value, 1e-3)) for value in values]
        self._low, self._high = min(logs) - 0.1, max(logs) + 0.1
        self._length = length

    def place(self, value: float) -> float:
        return (math.log10(max(value, 1e-3)) - self._low) / (self._high - self._low) * self._length

    def ticks(self) -> Iterator[float]:
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            for digit in (1, 2, 5):
                if self._low <= math.log10(digit) + power <= self._high:
                    yield digit * 10.0**power
