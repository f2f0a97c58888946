"""The vector registers of a process's threads: 3 kB each, so that 2,000 threads have more than all else we hold.

They are kept in a buffer, without the zeros at the end of a thread that uses no wide
registers, and when that is full, in a file without a name.
"""

from __future__ import annotations

from tray.formats.spool import Spool

_ZEROS = bytes(256)
_HELD = 512 << 10
"""Bytes that are held: those of some 500 threads. Writing costs time that the process stands still for."""

Piece = tuple[int, int, int]
"""Where one thread's are, and how many bytes: without the zeros at their end, and with them."""


class Vectors:
    """Keeps pieces of bytes; all methods belong to one thread.

    Args:
        beside: A descriptor of the dump's file; with too many of them, their file is on the same disk.
    """

    def __init__(self, beside: int) -> None:
        self._spool = Spool(beside, held=0)
        self._held = bytearray(_HELD)  # at once: room that is made later is made while all stand still
        self._used = self._written = 0

    def keep(self, content: bytes) -> Piece:
        """Keep these; what this gives finds them again.

        Raises:
            OSError: The disk cannot take them.
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
        return self._spool.content(place, place + kept).ljust(size, b"\0")

    def forget(self) -> None:
        """Forget all; callable twice."""
        self._spool.close()
        self._held = bytearray()

    def _flush(self) -> None:
        with memoryview(self._held) as held:
            self._spool.keep(held[: self._used])
        self._written, self._used = self._spool.size, 0
