"""Who waits for whom, as pictures to be drawn: a ring for each deadlock, a tree for whatever one thing holds up."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tray.verdicts import WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tray.verdicts import Wait

Key: TypeAlias = "int | str"
"""A thread by its id, or what is no thread by a name of ours."""

MOST, RING, DEPTH, BROAD = 6, 10, 5, 4
"""Pictures, boxes in a ring, boxes on top of each other, and beside each other; the rest is counted."""
_FOLD = 3
"""From so many on, threads that wait for the same thing are one box."""
_THINGS = {
    WaitKind.FILE: "a file or connection",
    WaitKind.PROCESS: "another process",
    WaitKind.KERNEL: "the kernel",
}
"""What is drawn for a wait that leads out of the process."""
_MORE = re.compile(r",? (that|which|whose) .*")
"""What the words for a lock add to its kind."""
_SHORTER = {
    "slim reader-writer lock": "slim lock (SRW)",
    "value in its memory to change": "value in memory",
    "reader-writer lock of Rust's": "RwLock of Rust's",
    "message from another thread": "message",
    "another thread to unpark it": "another thread",
    "another thread's call of a Once": "another's Once",
    "an atomic variable to change": "atomic variable",
    "Python condition or event": "Python condition",
    "the end of a Python thread": "Python thread",
    "an item in a Python queue": "Python queue",
}
"""What would not fit into a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """A thread, a few of them, or what they wait for.

    Attributes:
        title: A name, or how many.
        detail: Where it is or what it does, a few words.
        kind: ``thread``, ``crowd`` or ``thing``.
    """

    title: str
    detail: str = ""
    kind: str = "thread"


@dataclass(frozen=True, slots=True)
class Tree:
    """A box and those that wait for it.

    Attributes:
        box: What stands there.
        label: What it waits for itself, for the arrow that leads away from it.
        waiting: Who waits for it.
        count: Threads in all of this.
    """

    box: Box
    label: str = ""
    waiting: tuple[Tree, ...] = ()
    count: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """What hangs together.

    Attributes:
        ring: Threads of which each waits for the next and the last for the first; empty if there is no cycle.
        root: What all others wait for in the end, where there is no cycle.
    """

    ring: tuple[Tree, ...] = ()
    root: Tree | None = None

    @property
    def count(self) -> int:
        """How many threads it has."""
        return sum(tree.count for tree in self.ring) + (self.root.count if self.root else 0)


def pictures(
    waits: Sequence[Wait], matter: Sequence[int], where: Mapping[int, str]
) -> tuple[list[Picture], int]:
    """The pictures worth drawing, the worst first; and how many threads wait that are in none of them.

    Args:
        waits: What each thread waits for.
        matter: Threads that the verdict is about.
        where: In which call each thread is, in a few words.
    """
    web = _Web(waits, matter, where)
    found = [(_rank(web, roots), web.picture(roots)) for roots in web.roots()]
    worth = [one for one in sorted(found, key=lambda one: one[0]) if one[0][0] < _Rank.ALONE]
    drawn = [picture for _, picture in worth[:MOST]]
    in_them = sum(picture.count for picture in drawn)
    everyone = sum(picture.count for _, picture in found)
    return drawn, everyone - in_them


class _Rank:
    """What is drawn first."""

    RING, MATTERS, OWNED, SHARED, ALONE = range(5)


def _rank(web: _Web, roots: tuple[Key, ...]) -> tuple[int, int]:
    everyone = web.behind(roots)
    if len(roots) > 1 or web.after.get(roots[0]) == roots[0]:
        return _Rank.RING, -len(everyone)
    if web.matter & everyone:
        return _Rank.MATTERS, -len(everyone)
    if isinstance(roots[0], int):
        return _Rank.OWNED, -len(everyone)
    alone = len(everyone) <= 2  # noqa: PLR2004 - one thread and what it waits for
    return _Rank.ALONE if alone else _Rank.SHARED, -len(everyone)


@dataclass
class _Web:
    """Arrows from each thread that waits to what it waits for."""

    waits: Sequence[Wait]
    told: Sequence[int]
    where: Mapping[int, str]
    by_thread: dict[int, Wait] = field(init=False)
    after: dict[Key, Key] = field(init=False)
    before: dict[Key, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_thread = {wait.tid: wait for wait in self.waits}
        self.matter = set(self.told)
        self.after = {wait.tid: key for wait in self.waits if (key := self._end(wait)) is not None}
        self.before = {}
        for tid, key in self.after.items():
            if isinstance(tid, int):
                self.before.setdefault(key, []).append(tid)
        self._names = {wait.owner: wait.owner_name for wait in self.waits if wait.owner is not None}
        self._names |= {wait.tid: wait.name for wait in self.waits}

    def _end(self, wait: Wait) -> Key | None:
        """Where the arrow from this thread leads; None for one that is not worth one."""
        if wait.owner is not None:
            return wait.owner
        if wait.address:
            return f"{wait.does} {wait.address:x}"
        return wait.does if wait.kind in _THINGS and wait.tid in self.matter else None

    def roots(self) -> list[tuple[Key, ...]]:
        """What everything leads to: a ring once round, or one end."""
        found: dict[frozenset[Key], tuple[Key, ...]] = {}
        ends: dict[Key, tuple[Key, ...]] = {}
        for tid in self.after:
            path: dict[Key, None] = {}
            place: Key = tid
            while place in self.after and place not in path and place not in ends:
                path[place] = None
                place = self.after[place]
            if place in path:
                steps = list(path)
                end = tuple(steps[steps.index(place) :])
            else:
                end = ends.get(place, (place,))
            ends.update(dict.fromkeys((*path, place), end))
            found.setdefault(frozenset(end), self._turned(end))
        return list(found.values())

    def _turned(self, ring: tuple[Key, ...]) -> tuple[Key, ...]:
        """The ring from where the verdict begins to tell it."""
        start = next((key for key in self.told if key in ring), ring[0])
        place = ring.index(start)
        return ring[place:] + ring[:place]

    def behind(self, roots: Iterable[Key], but: Iterable[Key] = ()) -> set[Key]:
        """These and all that wait for them, directly or not, ``but`` for some."""
        seen, left = set(but), list(roots)
        found: set[Key] = set()
        while left:
            key = left.pop()
            if key not in seen:
                seen.add(key)
                found.add(key)
                left += self.before.get(key, [])
        return found

    def picture(self, roots: tuple[Key, ...]) -> Picture:
        """Everything that leads to these."""
        if len(roots) == 1 and self.after.get(roots[0]) != roots[0]:
            return Picture(root=self._tree(roots[0], 0))
        members = [self._member(key, roots) for key in roots]
        if len(members) > RING:
            rest = members[RING - 1 :]
            count = sum(one.count for one in rest)
            more = Tree(Box(f"{count} more threads", "and so on, round", "crowd"), rest[-1].label, (), count)
            members = [*members[: RING - 1], more]
        return Picture(ring=tuple(members))

    def _member(self, key: Key, ring: tuple[Key, ...]) -> Tree:
        """A thread of a ring; whoever waits for it from outside is one box."""
        others = self.behind([key], but=set(ring) - {key}) - {key}
        waiting = (self._crowd(sorted(others, key=str)),) if others else ()
        return Tree(self._box(key), self._label(key), waiting, 1 + len(others))

    def _tree(self, key: Key, depth: int) -> Tree:
        """What waits for this, as far as it can be drawn."""
        own = 1 if isinstance(key, int) else 0
        nearest = self.before.get(key, [])
        if depth >= DEPTH and nearest:
            others = self.behind([key]) - {key}
            waiting = [self._crowd(sorted(others, key=str), "wait for it, one after the other")]
        else:
            waiting = self._waiting(nearest, depth)
        count = own + sum(tree.count for tree in waiting)
        return Tree(self._box(key), self._label(key), tuple(waiting), count)

    def _waiting(self, nearest: Sequence[int], depth: int) -> list[Tree]:
        """Those who wait for one thing: alike ones folded, the biggest trees and those that matter first."""
        leaves = [tid for tid in nearest if tid not in self.before]
        counted = Counter(self._label(tid) for tid in leaves if tid not in self.matter)
        folded = {label for label, count in counted.items() if count >= _FOLD}
        alike = {tid for tid in leaves if tid not in self.matter and self._label(tid) in folded}
        trees = [self._tree(tid, depth + 1) for tid in sorted(set(nearest) - alike, key=self._weight)]
        trees += [self._crowd([tid for tid in leaves if tid in alike and self._label(tid) == label])
                  for label in folded]  # fmt: skip
        if len(trees) <= BROAD:
            return trees
        rest = sum(tree.count for tree in trees[BROAD - 1 :])
        return [
            *trees[: BROAD - 1],
            Tree(Box(f"{rest} more threads", "wait for it too", "crowd"), count=rest),
        ]

    def _weight(self, tid: int) -> tuple[bool, int, int]:
        return tid not in self.matter, -len(self.behind([tid])), tid

    def _crowd(self, tids: Sequence[Key], does: str = "") -> Tree:
        """Several threads in one box; a single one is named."""
        if len(tids) == 1:
            return Tree(self._box(tids[0]), self._label(tids[0]))
        box = Box(f"{len(tids)} threads", does or self._called(tids), "crowd")
        labels = {self._label(tid) for tid in tids}
        return Tree(box, labels.pop() if len(labels) == 1 and not does else "", (), len(tids))

    def _called(self, tids: Sequence[Key]) -> str:
        """What several threads are called: once, if all have one name."""
        names = [self._names.get(tid, str(tid)) for tid in tids if isinstance(tid, int)]
        bare = {name.removesuffix(f" ({tid})") for name, tid in zip(names, tids, strict=True)}
        if len(bare) == 1:
            return bare.pop()
        return ", ".join(names[:_FOLD]) + (", …" if len(names) > _FOLD else "")

    def _box(self, key: Key) -> Box:
        """What stands for a thread, or for what is none."""
        if isinstance(key, str):
            wait = next(self.by_thread[tid] for tid in self.before[key])
            if not wait.address:
                return Box(_THINGS[wait.kind], wait.does.replace(" a file or pipe", " it"), "thing")
            what = _MORE.sub("", wait.does.removeprefix("waits for ").removeprefix("a "))
            return Box(_SHORTER.get(what, what), f"at 0x{wait.address:x}", "thing")
        wait_of = self.by_thread.get(key)
        end = wait_of.does if wait_of and key not in self.after else ""
        return Box(self._names.get(key, f"thread {key}"), end or self.where.get(key, ""))

    def _label(self, key: Key) -> str:
        """What a thread waits for, for its arrow; nothing where the box at its end says so."""
        wait = self.by_thread.get(key) if isinstance(key, int) else None
        if wait is None or wait.owner is None:
            return ""
        what = "its end" if wait.kind is WaitKind.JOIN else wait.does.removeprefix("waits for ")
        return what + (", for a time" if wait.timed else "")
