"""Who waits for whom: what is drawn, and where it goes."""

from __future__ import annotations

import itertools
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tray.reports.page import graph, layout
from tray.reports.page.drawing import svg
from tray.reports.page.markup import written
from tray.reports.page.waiting import told
from tray.verdicts import Wait, WaitKind

if TYPE_CHECKING:
    from tray.reports.page.graph import Picture, Tree


def wants(tid: int, owner: int, **fields: object) -> Wait:
    """A thread that waits for a mutex of another one."""
    usual = {"kind": WaitKind.MUTEX, "does": "waits for a mutex", "address": 0x1000 + owner}
    return Wait(tid=tid, name=f"t{tid}", owner=owner, owner_name=f"t{owner}", **{**usual, **fields})


def waits_on(tid: int, address: int, **fields: object) -> Wait:
    """A thread that waits for something without an owner."""
    usual = {"kind": WaitKind.CONDITION, "does": "waits for a condition variable"}
    return Wait(tid=tid, name=f"t{tid}", address=address, **{**usual, **fields})


def ring(count: int, first: int = 1) -> list[Wait]:
    """Threads of which each waits for the next."""
    tids = [first + number for number in range(count)]
    return [wants(tid, after) for tid, after in zip(tids, [*tids[1:], tids[0]], strict=True)]


def drawn(*waits: Wait, matter: tuple[int, ...] = (), where: dict[int, str] | None = None) -> list[Picture]:
    """The pictures of these waits."""
    return graph.pictures(waits, matter, where or {})[0]


def titles(trees: tuple[Tree, ...]) -> list[str]:
    """What the boxes say."""
    return [tree.box.title for tree in trees]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10])
def test_a_ring(count: int):
    """Once round, from where the verdict begins; the arrows say what is waited for."""
    [picture] = drawn(*ring(count), matter=(count,), where={1: "in f()"})
    assert titles(picture.ring) == [f"t{count}", *(f"t{tid}" for tid in range(1, count))]
    assert {tree.label for tree in picture.ring} == {"a mutex"}
    assert {tree.box.detail for tree in picture.ring} == ({"in f()"} if count == 1 else {"in f()", ""})
    assert picture.root is None
    assert picture.count == count


def test_a_ring_that_is_too_long():
    """Is drawn as far as it fits; the rest is one box."""
    [picture] = drawn(*ring(500))
    assert len(picture.ring) == graph.RING
    assert picture.ring[-1].box.title == f"{500 - graph.RING + 1} more threads"
    assert picture.count == 500


def test_who_waits_for_a_ring():
    """Threads outside of it are one box at the thread they wait for, a single one by its name."""
    [picture] = drawn(*ring(2), wants(3, 1), wants(4, 3), wants(5, 2))
    first, second = picture.ring
    assert titles(first.waiting) == ["2 threads"]
    assert titles(second.waiting) == ["t5"]
    assert second.waiting[0].label == "a mutex"
    assert picture.count == 5


def test_a_chain():
    """Stands on what holds it all up, which says what it does itself."""
    end = Wait(3, "t3", WaitKind.EVENTS, "waits for events")
    [picture] = drawn(wants(1, 2), wants(2, 3, timed=True), end, where={2: "in g()", 3: "in h()"})
    root = picture.root
    assert (root.box.title, root.box.detail) == ("t3", "waits for events")
    assert [(tree.box.title, tree.box.detail, tree.label) for tree in root.waiting] == [
        ("t2", "in g()", "a mutex, for a time")
    ]
    assert titles(root.waiting[0].waiting) == ["t1"]


def test_a_thread_that_is_joined():
    """Is waited for until its end."""
    join = wants(1, 2, kind=WaitKind.JOIN, does="waits for a thread to end", address=0)
    [picture] = drawn(join)
    assert picture.root.waiting[0].label == "its end"


def test_equal_ones_are_folded():
    """Three and more that do nothing but wait for one lock; those that matter stand alone."""
    [picture] = drawn(*(wants(tid, 9) for tid in range(1, 8)), matter=(7,))
    assert titles(picture.root.waiting) == ["t7", "6 threads"]
    assert picture.root.waiting[1].box.detail == "t1, t2, t3, …"
    [picture] = drawn(wants(1, 9), wants(2, 9))
    assert titles(picture.root.waiting) == ["t1", "t2"]


def test_broad_and_deep():
    """A tree has a few branches and levels; what is beyond is counted and nobody lost."""
    broad = [wait for tid in range(10, 20) for wait in (wants(tid, 1), wants(tid + 100, tid))]
    [picture] = drawn(*broad)
    assert len(picture.root.waiting) == graph.BROAD
    assert picture.root.waiting[-1].box.title == "14 more threads"
    deep = [wants(tid, tid + 1) for tid in range(1, 2000)]
    [picture] = drawn(*deep)
    assert picture.count == 2000
    levels = 0
    tree = picture.root
    while tree.waiting:
        tree, levels = tree.waiting[0], levels + 1
    assert (tree.box.title, levels) == (f"{2000 - graph.DEPTH - 1} threads", graph.DEPTH + 1)


def test_what_names_no_owner():
    """Is drawn where several wait for it, or the verdict is about it; lonely ones are counted."""
    pool = [waits_on(tid, 0x50) for tid in range(1, 5)]
    pictures, more = graph.pictures([*pool, waits_on(8, 0x60), waits_on(9, 0x70)], (9,), {})
    assert [one.root.box.title for one in pictures] == ["condition variable"] * 2
    assert [one.root.box.detail for one in pictures] == ["at 0x70", "at 0x50"]
    assert titles(pictures[1].root.waiting) == ["4 threads"]
    assert more == 1


def test_what_is_outside():
    """A file, a process or the kernel is drawn for the thread that the verdict is about."""
    wait = Wait(1, "t1", WaitKind.FILE, "reads from /tmp/fifo")
    assert drawn(wait) == []
    [picture] = drawn(wait, matter=(1,))
    assert (picture.root.box.title, picture.root.box.detail) == (
        "a file or connection",
        "reads from /tmp/fifo",
    )


SHORT = {
    "a slim reader-writer lock that readers hold": "slim lock (SRW)",
    "a value in its memory to change": "value in memory",
    "a lock or event that names no owner": "lock or event",
    "a mutex of Rust's, which names no owner": "mutex of Rust's",
    "a reader-writer lock of Rust's, which names no owner": "RwLock of Rust's",
    "a message from another thread": "message",
    "another thread to unpark it": "another thread",
    "another thread's call of a Once": "another's Once",
    "an atomic variable to change": "atomic variable",
    "a Python lock whose holder is not known": "Python lock",
    "a Python condition or event": "Python condition",
    "the end of a Python thread": "Python thread",
    "an item in a Python queue": "Python queue",
}


@pytest.mark.parametrize("what", SHORT)
def test_what_is_waited_for_fits_its_box(what: str):
    """Nothing of its name is cut off; the words beside the picture have it in full."""
    does = f"waits for {what}"
    [picture] = drawn(waits_on(1, 0x10, does=does), waits_on(2, 0x10, does=does))
    assert picture.root
    title = picture.root.box.title
    assert title == SHORT[what]
    assert f">{title}<" in unescape(written(svg(layout.laid_out(picture), 1, "Waits", told(picture))))


def test_order_and_number():
    """Deadlocks first, then what the verdict is about, then the rest; only so many."""
    waits = [*itertools.chain.from_iterable([wants(n, n + 1)] for n in range(100, 120, 2)), wants(50, 51)]
    pictures, more = graph.pictures([*waits, *ring(2)], (50,), {})
    assert len(pictures) == graph.MOST
    assert pictures[0].ring
    assert pictures[1].root.box.title == "t51"
    assert more == 2 * (12 - graph.MOST)


def test_nothing():
    """No waits, no picture."""
    assert graph.pictures([], (), {}) == ([], 0)


# ---- where it goes


PICTURES = {
    **{f"ring of {count}": ring(count) for count in range(1, 13)},
    **{
        f"ring of {count}, waited for": [*ring(count), *(wants(20 + tid, tid) for tid in range(1, count + 1))]
        for count in range(1, 8)
    },
    "tree": [wants(2, 1), wants(3, 1), wants(4, 2), wants(5, 2), wants(6, 3)],
    "crowd": [wants(tid, 1) for tid in range(2, 40)],
    "deep": [wants(tid, tid + 1) for tid in range(1, 30)],
}


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_covers_anything(name: str):
    """Boxes keep their distance, everything is inside the frame, and arrows start and end at boxes."""
    [picture] = drawn(*PICTURES[name])
    drawing = layout.laid_out(picture)
    for one, other in itertools.combinations(drawing.boxes, 2):
        apart = abs(one.x - other.x) >= layout.WIDE + 8 or abs(one.y - other.y) >= layout.HIGH + 8
        assert apart, (one, other)
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - layout.WIDE
        assert 0 <= box.y <= drawing.height - layout.HIGH
    for arrow in drawing.arrows:
        for x, y in (arrow.points[0], arrow.points[3]):
            assert any(_at(box, x, y) for box in drawing.boxes), arrow


def _at(box: layout.Placed, x: float, y: float) -> bool:
    """Whether a point is on a box's frame."""
    inside = box.x - 0.1 <= x <= box.x + layout.WIDE + 0.1 and box.y - 0.1 <= y <= box.y + layout.HIGH + 0.1
    edge = min(abs(x - box.x), abs(x - box.x - layout.WIDE), abs(y - box.y), abs(y - box.y - layout.HIGH))
    return inside and edge < 0.1


@pytest.mark.parametrize("count", range(1, 11))
def test_a_ring_is_closed(count: int):
    """Each box is left once and reached once."""
    [picture] = drawn(*ring(count))
    drawing = layout.laid_out(picture)
    for end in (0, 3):
        found = [
            next(number for number, box in enumerate(drawing.boxes) if _at(box, *arrow.points[end]))
            for arrow in drawing.arrows
        ]
        assert sorted(found) == list(range(count))
    assert all(arrow.ring for arrow in drawing.arrows)
    assert drawing.width < 2 * layout.WIDE + 140, "a ring must fit a telephone"


def test_a_picture_in_words():
    """Each arrow is told: round the ring, into it, and down a tree."""
    [picture] = drawn(*ring(2), wants(3, 1), wants(4, 1))
    assert told(picture) == ("t1 waits for a mutex; t2 waits for a mutex; held by t1; 2 threads wait for t1.")
    [picture] = drawn(wants(1, 2), wants(2, 3))
    assert told(picture) == "t2 waits for t3; t1 waits for t2."


def test_the_drawing_can_be_heard():
    """Title and description name everything, and each box its whole text."""
    name = "a very long name of a thread that does not fit"
    [picture] = drawn(*ring(2), where={1: f"in {name}()"})
    text = written(svg(layout.laid_out(picture), 3, "A ring", told(picture)))
    assert 'role="img"' in text
    assert 'aria-labelledby="picture-3 picture-3-told"' in text
    assert '<title id="picture-3">A ring</title>' in text
    assert "t1 waits for a mutex; t2 waits for a mutex; held by t1." in text
    assert f"<title>t1 in {name}()</title>" in text
    assert f">in {name}()</text>" not in text
