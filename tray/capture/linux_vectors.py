"""The vector registers of a process's threads: 3 kB each, so that 2,000 threads have more than all else we hold.

They are kept in a buffer, without the zeros at the end of a thread that uses no wide
registers, and when that is full, far behind in the dump's own file, of which nothing
else is written yet; its length is set anew before anything is.
"""

from __future__ import annotations

import os

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.ffi.linux import Kernel

_ZEROS = bytes(256)
_HELD = 512 << 10
"""Bytes that are held: those of some 500 threads. Writing costs time that the process stands still for."""
PLACE = 64 << 20
"""Where they go in a file that is empty yet: behind the notes of any number of threads that a process has."""

Piece = tuple[int, int, int]
"""Where one thread's are, and how many bytes: without the zeros at their end, and with them."""


class Vectors:
    """Keeps pieces of bytes; all methods belong to one thread.

    Attributes:
        place: Where they go in the file when there are too many; to be set before the first is kept.
    """

    def __init__(self, kernel: Kernel, descriptor: int) -> None:
        self._kernel, self._descriptor = kernel, descriptor
        self._held = bytearray(_HELD)  # of which only what is used takes room
        self._used = self._written = 0
        self.place = PLACE

    def keep(self, content: bytes) -> Piece:
        """Keep these; what this gives finds them again.

        Raises:
            OSError: The file cannot take them.
        """
        kept = size = len(content)
        while content.endswith(_ZEROS, 0, kept):  # by blocks: every thread stands still meanwhile
            kept -= len(_ZEROS)
        if self._used + kept > _HELD:
            self._flush()
        begin = self._used
        self._used = end = begin + kept
        self._held[begin:end] = content[:kept]
        return self._written + begin, kept, size

    def content(self, piece: Piece) -> bytes:
        """What was kept there."""
        place, kept, size = piece
        if place >= self._written:
            return bytes(self._held[place - self._written : place - self._written + kept]).ljust(size, b"\0")
        found = bytearray(size)
        if kept:
            self._kernel.read_file(self._descriptor, memoryview(found)[:kept], self.place + place)
        return bytes(found)

    def forget(self) -> None:
        """Take them out of the file, which keeps what lies before them."""
        if self._written:
            os.truncate(self._descriptor, self.place)
        self._written = 0
        self._held = bytearray()

    def _flush(self) -> None:
        rest = memoryview(self._held)[: self._used]
        while rest:
            count = self._kernel.write(self._descriptor, rest, self.place + self._written)
            rest = rest[count:]
            self._written += count
        self._used = 0
