"""Many stretches of memory in little room: a process may have a million."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import le

from tray.formats.made import Made
from tray.formats.numbers import BLOCK, Numbers
from tray.lean import TYPE_CHECKING
from tray.model import Memory

if TYPE_CHECKING:
    import array

    from tray.formats.spool import Spool

Row = tuple[int, int, int, str]
"""Start, size, stored, access: as in `Memory`."""


class Pieces(Made[Memory]):
    """A list of `Memory` that keeps numbers and makes the objects when they are looked at.

    Args:
        memory: The first ones.
        spool: See `Numbers`.
    """

    def __init__(self, memory: Iterable[Memory] = (), spool: Spool | None = None) -> None:
        self._spool = spool
        self._numbers, self._kinds = Numbers("Q", spool), Numbers("B", spool)
        self._known: list[str] = []
        for piece in memory:
            self.append(piece)

    def append(self, piece: Memory) -> None:
        """Add one at the end."""
        self.add(piece.start, piece.size, piece.stored, piece.access)

    def add(self, start: int, size: int, stored: int, access: str) -> None:
        """Add one at the end, by its fields."""
        known = self._known
        if access not in known:
            known.append(access)
        kinds = self._kinds.held
        kinds.append(known.index(access))
        self._numbers.held.extend((start, size, stored))
        if not len(kinds) % BLOCK:
            self._kinds.settle()
            self._numbers.settle()

    def rows(self) -> Iterator[Row]:
        """The fields of each."""
        numbers = iter(self._numbers)
        return zip(numbers, numbers, numbers, (self._known[kind] for kind in self._kinds), strict=False)

    def columns(
        self, first: int, last: int
    ) -> tuple[array.array[int], array.array[int], array.array[int], list[str]]:
        """Of those from ``first`` up to ``last``: all starts, all sizes, all that is stored, all accesses."""
        numbers = self._numbers[3 * first : 3 * last]
        return (
            numbers[::3],
            numbers[1::3],
            numbers[2::3],
            [self._known[kind] for kind in self._kinds[first:last]],
        )

    def sorted(self) -> Pieces:
        """The same by address; this very list if it is so already."""
        if all(map(le, islice(self._numbers, 0, None, 3), islice(self._numbers, 3, None, 3))):
            return self
        return _of(sorted(self.rows()), self._spool)

    def joined(self, other: Pieces) -> Pieces:
        """Those of both, which are sorted, by address."""
        if not self or not other:
            return self or other
        from heapq import merge

        return _of(merge(self.rows(), other.rows()), self._spool)

    def __len__(self) -> int:
        return len(self._kinds)

    def made(self, index: int) -> Memory:
        """One of them; see `Made`."""
        index = range(len(self))[index]
        start, size, stored = self._numbers[3 * index : 3 * index + 3]
        return Memory(start, size, stored, self._known[self._kinds[index]])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence) and len(self) == len(other) and all(map(Memory.__eq__, self, other))
        )

    __hash__ = None  # type: ignore[assignment] # it can grow

    def __repr__(self) -> str:
        return f"Pieces({list(self)!r})"


def rows(memory: Sequence[Memory]) -> Iterator[Row]:
    """The fields of each, without an object for each where none are kept."""
    if isinstance(memory, Pieces):
        return memory.rows()
    return ((one.start, one.size, one.stored, one.access) for one in memory)


def _of(rows: Iterable[Row], spool: Spool | None) -> Pieces:
    """A list of these."""
    found = Pieces(spool=spool)
    for row in rows:
        found.add(*row)
    return found
