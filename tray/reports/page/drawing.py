"""A laid out picture → SVG, that screen readers can tell too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.reports.page.layout import HIGH, LABEL, WIDE
from tray.reports.page.letters import fitted
from tray.reports.page.markup import make

if TYPE_CHECKING:
    from tray.reports.page.layout import Arrow, Drawing, Placed, Point
    from tray.reports.page.markup import Node

TITLE, DETAIL = (WIDE - 16) / 14.5, (WIDE - 16) / 12
"""How many em fit into a box; the sizes are the style sheet's."""


def svg(drawing: Drawing, number: int, title: str, told: str) -> Node:
    """The picture.

    Args:
        drawing: What to draw.
        number: Tells the pictures of a page apart.
        title: What it is, for those who cannot see it.
        told: What it shows, in words.
    """
    wide, high = round(drawing.width), round(drawing.height)
    return make(
        "svg",
        make("title", title, id=f"picture-{number}"),
        make("desc", told, id=f"picture-{number}-told"),
        make("defs", _head(number, "head"), _head(number, "ring")),
        [_curve(arrow, number) for arrow in drawing.arrows],
        [_box(placed) for placed in drawing.boxes],
        [_label(arrow) for arrow in drawing.arrows if arrow.label],
        class_="graph wide" if wide > 2.5 * WIDE else "graph",
        role="img",
        aria_labelledby=f"picture-{number} picture-{number}-told",
        viewBox=f"0 0 {wide} {high}",
        width=wide,
        height=high,
    )


def _head(number: int, name: str) -> Node:
    """An arrow's head."""
    shape = make("path", d="M0 1L8 5L0 9z", class_=f"{name}-head")
    return make("marker", shape, id=f"{name}-{number}", viewBox="0 0 9 10", refX=8, refY=5,
                markerWidth=11, markerHeight=12,
        markerUnits="userSpaceOnUse", orient="auto")  # fmt: skip


def _curve(arrow: Arrow, number: int) -> Node:
    start, one, two, end = map(_point, arrow.points)
    name = "ring" if arrow.ring else "head"
    return make("path", d=f"M{start}C{one} {two} {end}", class_=f"arrow {name}",
                marker_end=f"url(#{name}-{number})")  # fmt: skip


def _point(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _box(placed: Placed) -> Node:
    """A frame with two lines; the whole of what they say is told on pointing."""
    box = placed.box
    across = placed.x + WIDE / 2
    one_line = not box.detail
    lines = [
        make("text", fitted(box.title, TITLE), x=_number(across), y=_number(placed.y + (33 if one_line else 25)),
             class_="name"),
        None if one_line else make("text", fitted(box.detail, DETAIL), x=_number(across),
                                   y=_number(placed.y + 42), class_="does"),
    ]  # fmt: skip
    frame = make("rect", x=_number(placed.x), y=_number(placed.y), width=WIDE, height=HIGH,
                 rx=HIGH // 2 if box.kind == "thing" else 9)  # fmt: skip
    back = None
    if box.kind == "crowd":  # a second sheet behind the first
        back = make("rect", x=_number(placed.x + 5), y=_number(placed.y - 5), width=WIDE, height=HIGH, rx=9)
    whole = make("title", f"{box.title} {box.detail}".strip())
    return make("g", whole, back, frame, lines, class_=f"{box.kind}{' in-ring' if placed.ring else ''}")


def _label(arrow: Arrow) -> Node:
    x, y = arrow.middle
    return make("text", fitted(arrow.label, LABEL), x=_number(x), y=_number(y + 4), class_="label")


def _number(value: float) -> str:
    return f"{value:.1f}"
