"""Where boxes and arrows of a picture go: rings in two columns, so that they fit a telephone; trees upside down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray.reports.page.letters import width as wide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.reports.page.graph import Box, Picture, Tree

WIDE, HIGH = 188, 56
"""Of a box."""
BESIDE, ABOVE = 28, 62
"""Between boxes."""
SMALL, LABEL = 12, 16
"""Size of the letters on an arrow, and how many em of them fit."""
_BOW = 46
"""How far an arrow swings out that turns round."""
_PAIR = 104
"""Between the two boxes of the smallest ring: room for two labels side by side."""
_MARGIN = 8
_SPREAD = 54
"""How far from a box's middle an arrow arrives that must not meet another one."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Placed:
    """A box at its place: its upper left corner."""

    box: Box
    x: float
    y: float
    ring: bool = False

    def at(self, across: float, down: float) -> Point:
        """A point of its frame: sideways from the middle, down as a share of its height."""
        return self.x + WIDE / 2 + across, self.y + HIGH * down


@dataclass(frozen=True, slots=True)
class Arrow:
    """A curve from one box to another.

    Attributes:
        points: Start, two that it bends to, and end.
        label: What to write on it.
        ring: Whether it is part of a cycle.
    """

    points: tuple[Point, Point, Point, Point]
    label: str
    ring: bool = False

    @property
    def middle(self) -> Point:
        """Where the label goes."""
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = self.points
        return (x0 + 3 * x1 + 3 * x2 + x3) / 8, (y0 + 3 * y1 + 3 * y2 + y3) / 8


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole picture, laid out.

    Attributes:
        boxes: None covers another.
        arrows: They end at boxes.
        width: Of everything, from 0.
        height: The same.
    """

    boxes: tuple[Placed, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


def laid_out(picture: Picture) -> Drawing:
    """The picture with a place for everything."""
    boxes: list[Placed] = []
    arrows: list[Arrow] = []
    if picture.root:
        _stand(picture.root, 0.0, 0.0, boxes, arrows)
    else:
        _round(picture.ring, boxes, arrows)
    return _moved(boxes, arrows)


def _moved(boxes: list[Placed], arrows: list[Arrow]) -> Drawing:
    """Everything moved so that it begins at the margin."""
    spots = [(box.x, box.y) for box in boxes] + [(box.x + WIDE, box.y + HIGH) for box in boxes]
    for arrow in arrows:
        x, y = arrow.middle
        half = SMALL * min(wide(arrow.label), LABEL) / 2
        spots += [(x - half, y - 9), (x + half, y + 9)]
    left, top = min(x for x, _ in spots) - _MARGIN, min(y for _, y in spots) - _MARGIN
    width, height = max(x for x, _ in spots) - left + _MARGIN, max(y for _, y in spots) - top + _MARGIN
    shifted = tuple(replace(box, x=box.x - left, y=box.y - top) for box in boxes)
    return Drawing(shifted, tuple(_shifted(arrow, left, top) for arrow in arrows), width, height)


def _shifted(arrow: Arrow, left: float, top: float) -> Arrow:
    first, second, third, last = ((x - left, y - top) for x, y in arrow.points)
    return replace(arrow, points=(first, second, third, last))


# ---- trees


def breadth(tree: Tree) -> float:
    """How much room a tree needs from left to right."""
    needed = sum(breadth(one) for one in tree.waiting) + BESIDE * (len(tree.waiting) - 1)
    return max(WIDE, needed)


def _stand(tree: Tree, left: float, y: float, boxes: list[Placed], arrows: list[Arrow]) -> Placed:
    """Place a tree, its root at the bottom, within its breadth from ``left`` on."""
    here = Placed(tree.box, left + (breadth(tree) - WIDE) / 2, y)
    boxes.append(here)
    needed = sum(breadth(one) for one in tree.waiting) + BESIDE * (len(tree.waiting) - 1)
    start = left + (breadth(tree) - needed) / 2
    for one in tree.waiting:
        above = _stand(one, start, y - HIGH - ABOVE, boxes, arrows)
        arrows.append(Arrow(_falling(above.at(0, 1), here.at(0, 0)), one.label))
        start += breadth(one) + BESIDE
    return here


def _falling(start: Point, end: Point) -> tuple[Point, Point, Point, Point]:
    """A curve that leaves and arrives upright."""
    bend = (end[1] - start[1]) / 2
    return start, (start[0], start[1] + bend), (end[0], end[1] - bend), end


# ---- rings


def _round(ring: tuple[Tree, ...], boxes: list[Placed], arrows: list[Arrow]) -> None:
    """Place a ring, and beside each of its boxes the one for those who wait for it."""
    places = [Placed(tree.box, x, y, ring=True) for tree, (x, y) in zip(ring, _spots(len(ring)), strict=True)]
    boxes += places
    for number, (here, tree) in enumerate(zip(places, ring, strict=True)):
        after = places[(number + 1) % len(places)]
        arrows.append(Arrow(_way(here, after, len(ring)), tree.label, ring=True))
        for one in tree.waiting:
            _attach(one, here, places, boxes, arrows)


def _spots(count: int) -> Iterator[Point]:
    """Places once round: one below the other, or two columns, with one box on top where they are odd."""
    if count <= 2:  # noqa: PLR2004
        yield from ((0.0, number * (HIGH + _PAIR)) for number in range(count))
        return
    rows, odd = divmod(count, 2)
    right = WIDE + BESIDE
    if odd:
        yield right / 2, 0.0
    first = odd * (HIGH + ABOVE)
    down = [first + row * (HIGH + ABOVE) for row in range(rows)]
    yield from ((float(right), y) for y in down)
    yield from ((0.0, y) for y in reversed(down))


def _way(here: Placed, after: Placed, count: int) -> tuple[Point, Point, Point, Point]:
    """The curve from a box of a ring to the next."""
    if here == after:
        start, end = (here.x + WIDE, here.y + HIGH * 0.25), (here.x + WIDE, here.y + HIGH * 0.75)
        return start, (start[0] + 2 * _BOW, start[1] - 26), (end[0] + 2 * _BOW, end[1] + 26), end
    down = after.y > here.y
    if here.y == after.y:  # round the end of the two columns
        side = 1 if after.x < here.x else 0
        swing = _BOW if side else -_BOW
        start, end = here.at(0, side), after.at(0, side)
        return start, (start[0], start[1] + swing), (end[0], end[1] + swing), end
    if count == 2:  # noqa: PLR2004
        side = 1 if down else -1
        start, end = here.at(36 * side, 1.0 if down else 0.0), after.at(36 * side, 0.0 if down else 1.0)
        bend = 0.33 * (end[1] - start[1])
        out = side * _BOW
        return start, (start[0] + out, start[1] + bend), (end[0] + out, end[1] - bend), end
    lean = _SPREAD if here.x != after.x else 0
    from_top, to_top = (lean, 0) if down else (0, -lean)
    return _falling(here.at(from_top, 1.0 if down else 0.0), after.at(to_top, 0.0 if down else 1.0))


def _attach(tree: Tree, to: Placed, ring: list[Placed], boxes: list[Placed], arrows: list[Arrow]) -> None:
    """Place a box outside of the ring, with an arrow into it."""
    top, bottom = min(one.y for one in ring), max(one.y for one in ring)
    centre = sum(one.x for one in ring) / len(ring)
    out = 0 if abs(to.x - centre) < 1 else _SPREAD if to.x > centre else -_SPREAD
    if to.y == top:
        box = Placed(tree.box, to.x + out / 2, to.y - HIGH - ABOVE)
        points = _falling(box.at(out / 2, 1), to.at(out, 0))
    elif to.y == bottom:
        box = Placed(tree.box, to.x + out / 2, to.y + HIGH + ABOVE)
        points = _falling(box.at(out / 2, 0), to.at(out, 1))
    else:
        side = 1 if to.x > centre else -1
        box = Placed(tree.box, to.x + side * (WIDE + ABOVE + BESIDE), to.y)
        start, end = box.at(-side * WIDE / 2, 0.5), to.at(side * WIDE / 2, 0.5)
        points = (start, start, end, end)
    boxes.append(box)
    arrows.append(Arrow(points, tree.label))
