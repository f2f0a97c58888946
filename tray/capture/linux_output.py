"""The dump's file: large pieces go past the page cache, where the file system lets them.

A dump is read once, if ever. Through the page cache it would push out the files that
the rest of the system works with, copy every byte once more, and take new pages for
them, which in a virtual machine is the dearest of all: 0.4 GB/s were seen there where
the disk took 1.5. As a dump is brought to the disk before it gets its name, nothing is
gained by having it in memory first, unless the app stands still until all is written.
Then a slow disk would cost it much, and both ways are tried for a moment.

Source: open(2), O_DIRECT.
"""

from __future__ import annotations

import os
import threading
import time

from tray.ffi.linux import PAGE
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.ffi.linux import Kernel

LEAST = 128 << 10
"""Smaller pieces are sooner in the page cache than on a disk."""
WORTH = 16 << 20
"""Smaller dumps go through the page cache as a whole."""
TRIAL = 32 << 20
"""Bytes that are written each way to see which is faster."""
MUCH = 3
"""So many times faster the page cache must be at first: it slows down as it fills, and goes to the disk yet."""


class Output:
    """Writes into one file, from several threads at once; `close` it, the file itself stays open."""

    def __init__(self, kernel: Kernel, descriptor: int) -> None:
        self._kernel, self._file = kernel, descriptor
        self._direct = -1
        self._trial: Trial | None = None

    def prepare(self, size: int, *, hurry: bool) -> None:
        """Get ready for so many bytes.

        Args:
            size: About what is to come.
            hurry: Whether somebody waits for the writing, rather than for the disk.
        """
        # A file without a name is read again at once, to be packed, and never needs to be on the disk.
        if self._direct < 0 and size >= WORTH and os.fstat(self._file).st_nlink:
            try:
                self._direct = self._kernel.open_direct(self._file)
            except OSError:
                return
            self._trial = Trial() if hurry and size >= 4 * TRIAL else None

    def write(self, view: memoryview, place: int) -> int:
        """Write bytes at a place; gives how many of them."""
        if self._direct < 0 or len(view) < LEAST or (len(view) | place) % PAGE:
            return self._kernel.write(self._file, view, place)
        if self._trial and not self._trial.direct(len(view)):
            return self._kernel.write(self._file, view, place)
        try:
            return self._kernel.write(self._direct, view, place)
        except OSError:  # as EINVAL where blocks are larger; the usual way tells what is really wrong
            return self._kernel.write(self._file, view, place)

    def close(self) -> None:
        """Close the second way into the file."""
        if self._direct >= 0:
            os.close(self._direct)
            self._direct = -1


class Trial:
    """Finds out which way is better: some pieces past the page cache, as many through it, and then the rest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given = 0
        self._marks: list[float] = []

    def direct(self, size: int) -> bool:
        """Whether the next piece goes past the page cache."""
        with self._lock:
            stage = min(self._given // TRIAL, 2)
            if len(self._marks) <= stage:
                self._marks.append(time.monotonic())
            self._given += size
        if stage < 2:  # noqa: PLR2004 - two ways
            return stage == 0
        first, second, third = self._marks
        return second - first <= MUCH * (third - second)
