"""Memory that is put aside while a process stands still, because its clone lacks it or it changes meanwhile."""

from __future__ import annotations

import array
import bisect
import os
import sys

from tray.capture.copy import Copy
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
        self._starts, self._offsets = array.array("Q"), array.array("Q")
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
        from heapq import merge

        copy = Copy(read, self._write, progress, span(runs))
        copy.run(runs, self._placed(runs, self._size))
        offsets = array.array("Q", (offset for _, _, offset in self._placed(runs, self._size)))
        self._size += span(runs)
        both = merge(
            zip(self.runs[::2], self.runs[1::2], self._offsets, strict=True),
            zip(runs[::2], runs[1::2], offsets, strict=True),
        )
        self.runs, self._starts, self._offsets = (array.array("Q") for _ in range(3))
        for start, end, offset in both:
            self.runs.extend((start, end))
            self._starts.append(start)
            self._offsets.append(offset)
        if sys.platform != "win32":
            os.ftruncate(self._file, self._size)
        return copy.gaps

    def read(self, buffer: memoryview, address: int) -> int:
        """Fill a buffer from an address that is here."""
        index = bisect.bisect_right(self._starts, address) - 1
        if sys.platform == "linux":
            return os.preadv(self._file, [buffer], self._offsets[index] + address - self._starts[index])
        return 0

    @staticmethod
    def _placed(runs: array.array[int], place: int) -> Iterator[tuple[int, int, int]]:
        """Start and end of each run, and where it goes."""
        for start, end in zip(runs[::2], runs[1::2], strict=True):
            yield start, end, place
            place += end - start

    def _write(self, view: memoryview, place: int) -> int:
        if sys.platform != "win32":
            return os.pwrite(self._file, view, place)
        return 0


def _memory_file() -> int:
    """A file that is nowhere on a disk."""
    if sys.platform == "linux":
        return os.memfd_create("hangshot-aside")
    return -1
