"""Many stretches of memory in little room: a process may have 70,000."""

from __future__ import annotations

import array
from collections.abc import Iterable, Sequence

from tray.lean import overload
from tray.model import Memory


class Pieces(Sequence[Memory]):
    """A list of `Memory` that keeps numbers in arrays and makes the objects when they are looked at."""

    def __init__(self, memory: Iterable[Memory] = ()) -> None:
        self._numbers = array.array("Q")
        self._kinds = array.array("B")
        self._known: list[str] = []
        for piece in memory:
            self.append(piece)

    def append(self, piece: Memory) -> None:
        """Add one at the end."""
        if piece.access not in self._known:
            self._known.append(piece.access)
        self._kinds.append(self._known.index(piece.access))
        self._numbers.extend((piece.start, piece.size, piece.stored))

    def sorted(self) -> Pieces:
        """The same by address; this very list if it is so already."""
        starts = self._numbers[::3]
        if all(starts[index] <= starts[index + 1] for index in range(len(starts) - 1)):
            return self
        return Pieces(sorted(self, key=lambda piece: piece.start))

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, index: int) -> Memory: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Memory]: ...
    def __getitem__(self, index: int | slice) -> Memory | Sequence[Memory]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
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
