"""The memory that a dump holds: which addresses, and where in the file they lie."""

from __future__ import annotations

from itertools import islice
from operator import le

from tray.errors import BadDump
from tray.formats.numbers import BLOCK, Numbers
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray.formats.spool import Spool

    Place = tuple[int, int, int]

_MOST_UNSORTED = 1 << 18
"""So many are put in order; every known writer lists them by address, and a hostile file's would take minutes."""


class Stretches:
    """Reads addresses of the dumped process from its dump.

    Args:
        places: (address, size, offset in the file), in any order.
        at: Gives up to so many bytes of the file from an offset.
        spool: See `Numbers`.

    Raises:
        BadDump: They are more than any process has that does not list them in order.
    """

    def __init__(
        self, places: Iterable[Place], at: Callable[[int, int], bytes], spool: Spool | None = None
    ) -> None:
        columns = self._starts, self._sizes, self._offsets = [Numbers("Q", spool) for _ in range(3)]
        self._at = at
        starts, sizes, offsets = (column.held.append for column in columns)
        for number, (start, size, offset) in enumerate(places):
            starts(start)
            sizes(size)
            offsets(offset)
            if not number % BLOCK:
                for column in columns:
                    column.settle()
        if not all(map(le, self._starts, islice(self._starts, 1, None))):
            if len(self._starts) > _MOST_UNSORTED:
                raise BadDump("The memory that it lists is in no order: the file is damaged.")
            ordered = sorted(zip(self._starts, self._sizes, self._offsets, strict=True))
            self._starts, self._sizes, self._offsets = (
                Numbers("Q", spool, column) for column in zip(*ordered, strict=True)
            )

    def memory(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``address``; fewer where the dump holds no more in one stretch."""
        index = self._starts.rank(address) - 1
        if index < 0:
            return b""
        inside = address - self._starts[index]
        return self._at(self._offsets[index] + inside, max(0, min(size, self._sizes[index] - inside)))
