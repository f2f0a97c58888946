"""Long rows of numbers of which few are held: a process may have a million mappings, and we little memory."""

from __future__ import annotations

import array
import bisect
from collections.abc import Sequence
from itertools import chain, islice

from tray.lean import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray.formats.spool import Spool

BLOCK = 1024
"""Numbers that are laid aside and read back together; even, so that a start and its end are."""
_MOST = 16 * BLOCK
"""So many are held before any is laid aside: more than most processes need."""
_WINDOWS = 4
"""Blocks that are held of those read back last."""


class Numbers(Sequence[int]):
    """Numbers as in an array, of which all but the last ones lie in a spool when they are many.

    Attributes:
        spool: Where those go that are not held.
        held: The last ones, or all. Whoever adds many may add them here, and calls `settle` now and then.

    Args:
        kind: A type code of ``array``.
        spool: Where those go that are not held; without one all are.
        numbers: The first ones.
    """

    def __init__(self, kind: str, spool: Spool | None = None, numbers: Iterable[int] = ()) -> None:
        self.held = array.array(kind)
        self.spool = spool
        self._kind, self._most = kind, _MOST
        self._aside = 0
        self._places, self._firsts = array.array("Q"), array.array(kind)
        self._windows: dict[int, array.array[int]] = {}
        self.extend(numbers)

    def append(self, number: int) -> None:
        """Add one at the end."""
        self.held.append(number)
        if len(self.held) >= self._most:
            self.settle()

    def extend(self, numbers: Iterable[int]) -> None:
        """Add some at the end, however many."""
        if isinstance(numbers, array.array):
            self.held.extend(numbers)
            self.settle()
            return
        if isinstance(numbers, Numbers):
            for block in numbers.blocks():
                self.extend(block)
            return
        rest = iter(numbers)
        while some := array.array(self._kind, islice(rest, BLOCK)):
            self.held.extend(some)
            self.settle()

    def settle(self) -> None:
        """Lay aside what are too many to be held."""
        if self.spool is None or len(self.held) < self._most:
            return
        self._most = 2 * BLOCK
        count = (len(self.held) - 1) // BLOCK * BLOCK
        for first in range(0, count, BLOCK):
            block = self.held[first : first + BLOCK]
            self._firsts.append(block[0])
            self._places.append(self.spool.keep(memoryview(block).cast("B")))
        del self.held[:count]
        self._aside += count

    def rank(self, number: int) -> int:
        """How many of them are not greater, where they are sorted."""
        if not self._aside or number >= self.held[0]:
            return self._aside + bisect.bisect_right(self.held, number)
        block = bisect.bisect_right(self._firsts, number) - 1
        return block * BLOCK + bisect.bisect_right(self._block(block), number) if block >= 0 else 0

    def part(self, first: int, last: int) -> array.array[int]:
        """Those from a place up to another."""
        if first >= self._aside:
            return self.held[first - self._aside : last - self._aside]
        found = array.array(self._kind)
        for start in range(first - first % BLOCK, min(last, self._aside), BLOCK):
            found += self._block(start // BLOCK)[max(0, first - start) : last - start]
        return found + self.held[: max(0, last - self._aside)]

    def blocks(self) -> Iterator[array.array[int]]:
        """All, so many at a time."""
        yield from map(self._read, range(len(self._places)))
        yield self.held

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.blocks())

    def __reversed__(self) -> Iterator[int]:
        before = map(self._read, range(len(self._places) - 1, -1, -1))
        return chain.from_iterable(map(reversed, chain((self.held,), before)))

    def __len__(self) -> int:
        return self._aside + len(self.held)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> array.array[int]: ...
    def __getitem__(self, index: int | slice) -> int | array.array[int]:
        if isinstance(index, slice):
            first, last, _ = index.indices(len(self))
            return self.part(first, last)
        if not self._aside:
            return self.held[index]
        place = range(len(self))[index]
        if place >= self._aside:
            return self.held[place - self._aside]
        return self._block(place // BLOCK)[place % BLOCK]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and len(self) == len(other) and all(map(int.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment] # it can grow

    def _block(self, number: int) -> array.array[int]:
        """One of those that are laid aside; several threads may ask at once."""
        block = self._windows.get(number)
        if block is None:
            if len(self._windows) >= _WINDOWS:
                self._windows.clear()
            block = self._windows[number] = self._read(number)
        return block

    def _read(self, number: int) -> array.array[int]:
        if self.spool is None:
            return self.held
        place = self._places[number]
        return array.array(self._kind, self.spool.read(place, place + BLOCK * self.held.itemsize))


class Runs(Numbers):
    """Start and end, in turn, of stretches of memory; sorted.

    Args:
        spool: See `Numbers`.
        spans: The first ones.
    """

    def __init__(self, spool: Spool | None = None, spans: Iterable[tuple[int, int]] = ()) -> None:
        super().__init__("Q", spool, chain.from_iterable(spans))

    def add(self, start: int, end: int) -> None:
        """Add one at the end."""
        self.held.extend((start, end))
        if len(self.held) >= self._most:
            self.settle()

    def pair(self, place: int) -> tuple[int, int]:
        """Start and end of the one at a place, counted from 0."""
        inside = 2 * place - self._aside
        if inside >= 0:
            return self.held[inside], self.held[inside + 1]
        block, inside = self._block(2 * place // BLOCK), 2 * place % BLOCK
        return block[inside], block[inside + 1]

    def around(self, address: int) -> tuple[int, int, int] | None:
        """Start and end of the one that holds an address, and its place; None where none does."""
        if self._aside and address < self.held[0]:
            place, inside = divmod(self.rank(address), 2)
            return (*self.pair(place), place) if inside else None
        after = bisect.bisect_right(self.held, address)
        if after % 2 == 0:
            return None
        return self.held[after - 1], self.held[after], (self._aside + after) // 2

    @property
    def size(self) -> int:
        """How many bytes they have together."""
        return sum(sum(block[1::2]) - sum(block[::2]) for block in self.blocks())

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Start and end of each."""
        numbers = iter(self)
        return zip(numbers, numbers, strict=True)


def touching(spans: Iterable[tuple[int, int]], gap: int = 0) -> Iterator[tuple[int, int]]:
    """Sorted spans, those that touch made one, and those that are at most ``gap`` apart."""
    begin = limit = 0
    for start, end in spans:
        if limit and start - limit <= gap:
            limit = max(limit, end)
            continue
        if limit:
            yield begin, limit
        begin, limit = start, end
    if limit:
        yield begin, limit
