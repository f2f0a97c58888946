"""Memory that is put aside while a process stands still, because its clone lacks it or it changes meanwhile."""

from __future__ import annotations

import os
import sys

from tray.capture.copy import Copy
from tray.formats.numbers import Numbers, Runs
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.capture import Progress
    from tray.formats.spool import Spool
    from tray.model import Gap

MOST = 256 << 20
"""More than this is not put aside: it would cost the pause that the clone saves."""
MOST_SHARED = 16 << 20
"""More shared memory than this is read while the process runs on."""


class Aside:
    """Bytes by their addresses, in memory of the system's until `close`.

    Attributes:
        runs: Start and end, in turn, of what is here.

    Args:
        spool: See `Numbers`.
    """

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = spool
        self.runs, self._offsets = Runs(spool), Numbers("Q", spool)
        self._size = 0
        self._file = _memory_file()

    def close(self) -> None:
        """Let go of it; callable twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def keep(self, runs: Runs, read: Callable[[memoryview, int], int], progress: Progress) -> list[Gap]:
        """Put runs aside; gives what could not be read."""
        from heapq import merge

        copy = Copy(read, self._write, progress, runs.size)
        copy.run(runs, self._placed(runs, self._size))
        here = (
            (start, end, offset)
            for (start, end), offset in zip(self.runs.pairs(), self._offsets, strict=True)
        )
        both = merge(here, self._placed(runs, self._size))
        self.runs, self._offsets = Runs(self._spool), Numbers("Q", self._spool)
        for start, end, offset in both:
            self.runs.add(start, end)
            self._offsets.append(offset)
        self._size += runs.size
        if sys.platform != "win32":
            os.ftruncate(self._file, self._size)
        return copy.gaps

    def read(self, buffer: memoryview, address: int) -> int:
        """Fill a buffer from an address that is here."""
        index = (self.runs.rank(address) - 1) // 2
        if sys.platform == "linux":
            return os.preadv(self._file, [buffer], self._offsets[index] + address - self.runs[2 * index])
        return 0

    @staticmethod
    def _placed(runs: Runs, place: int) -> Iterator[tuple[int, int, int]]:
        """Start and end of each run, and where it goes."""
        for start, end in runs.pairs():
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
