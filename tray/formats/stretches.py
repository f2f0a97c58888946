"""The memory that a dump holds: which addresses, and where in the file they lie."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

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
        self._places = sorted(places)
        self._starts = [start for start, _, _ in self._places]
        self._at = at

    def memory(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``address``; fewer where the dump holds no more in one stretch."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return b""
        start, length, offset = self._places[index]
        inside = address - start
        return self._at(offset + inside, max(0, min(size, length - inside)))
