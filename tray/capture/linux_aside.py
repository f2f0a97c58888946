"""Memory that is put aside while a process stands still, because its clone lacks it or it changes meanwhile."""

from __future__ import annotations

import array
import bisect
import os
import sys

from tray.capture.copy import Copy, jobs
from tray.capture.linux_plan import span
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.capture import Progress
    from tray.model import Gap

MOST = 256 << 20
"""More than this is not put aside: it would cost the pause that the clone saves."""
MOST_SHARED = 16 << 20
"""More shared memory than this is read while the process runs on."""


class Aside:
    """Bytes by their addresses, in memory of the system's until `close`.

    Attributes:
        runs: Start and end, in turn, of what is here, in the order in which it came.
    """

    def __init__(self) -> None:
        self.runs = array.array("Q")
        self._starts: list[int] = []
        self._places: list[tuple[int, int]] = []
        self._size = 0
        self._file = _memory_file()

    def close(self) -> None:
        """Let go of it; callable twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def keep(
        self, runs: array.array[int], read: Callable[[memoryview, int], int], progress: Progress
    ) -> list[Gap]:
        """Put runs aside; gives what could not be read."""
        places = list(self._placed(runs))
        copy = Copy(read, self._write, progress, span(runs))
        copy.run(jobs(runs, iter(places)))
        self.runs = array.array(
            "Q", (edge for pair in sorted([*_pairs(self.runs), *_pairs(runs)]) for edge in pair)
        )
        self._places = sorted([*self._places, *((start, offset) for start, _, offset in places)])
        self._starts = [start for start, _ in self._places]
        if sys.platform != "win32":
            os.ftruncate(self._file, self._size)
        return copy.gaps

    def read(self, buffer: memoryview, address: int) -> int:
        """Fill a buffer from an address that is here."""
        start, offset = self._places[bisect.bisect_right(self._starts, address) - 1]
        if sys.platform == "linux":
            return os.preadv(self._file, [buffer], offset + address - start)
        return 0

    def _placed(self, runs: array.array[int]) -> Iterator[tuple[int, int, int]]:
        for start, end in _pairs(runs):
            yield start, end, self._size
            self._size += end - start

    def _write(self, view: memoryview, place: int) -> int:
        if sys.platform != "win32":
            return os.pwrite(self._file, view, place)
        return 0


def _memory_file() -> int:
    """A file that is nowhere on a disk."""
    if sys.platform == "linux":
        return os.memfd_create("hangshot-aside")
    return -1


def _pairs(runs: array.array[int]) -> Iterator[tuple[int, int]]:
    return zip(runs[::2], runs[1::2], strict=True)
