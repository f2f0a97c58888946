"""The memory that a dump holds: which addresses, and where in the file they lie."""

from __future__ import annotations

import array
import bisect
from itertools import islice
from operator import le

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Place = tuple[int, int, int]


class Stretches:
    """Reads addresses of the dumped process from its dump.

    Args:
        places: (address, size, offset in the file), in any order.
        at: Gives up to so many bytes of the file from an offset.
    """

    def __init__(self, places: Iterable[Place], at: Callable[[int, int], bytes]) -> None:
        self._starts, self._sizes, self._offsets = (array.array("Q") for _ in range(3))
        self._at = at
        starts, sizes, offsets = self._starts.append, self._sizes.append, self._offsets.append
        for start, size, offset in places:
            starts(start)
            sizes(size)
            offsets(offset)
        if not all(map(le, self._starts, islice(self._starts, 1, None))):
            ordered = sorted(zip(self._starts, self._sizes, self._offsets, strict=True))
            self._starts, self._sizes, self._offsets = (
                array.array("Q", column) for column in zip(*ordered, strict=True)
            )

    def memory(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``address``; fewer where the dump holds no more in one stretch."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return b""
        inside = address - self._starts[index]
        return self._at(self._offsets[index] + inside, max(0, min(size, self._sizes[index] - inside)))
