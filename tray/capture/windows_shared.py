"""Memory that an app shares with other programs, for dumps that have its own memory.

What Windows calls private is an app's heap. Shared memory is no part of it, though
programs of several processes, as browsers and databases, keep their queues and locks
there. What of it is a file's can be had from the file; what is nobody's is added.
"""

from __future__ import annotations

from tray.ffi import win32
from tray.lean import TYPE_CHECKING
from tray.model import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray.ffi.win32 import Stretch

MOST = 256 << 20
"""Bytes that are added at most: a whole file system's cache or a screen's pictures would help nobody."""
_WHY = f"only {MOST >> 20} MB of it are kept; a full dump has all"
_PIECE = 1 << 30
"""dbghelp takes the size of a stretch in 32 bits."""


class Shared:
    """The stretches to add; dbghelp asks for one after the other.

    Attributes:
        gaps: What is left out.
    """

    def __init__(self, stretches: Iterable[Stretch], file: Callable[[int], str], most: int = MOST) -> None:
        """
        Args:
            stretches: The map of the process.
            file: Name of the file that is mapped at an address; an OSError where none is.
            most: Bytes that are added at most; of the largest stretches nothing is, if not all can be.
        """  # noqa: D205, D212 - the class says what it is
        left, self._found = 0, list[tuple[int, int]]()
        for one in sorted((one for one in stretches if _shared(one)), key=lambda one: one.size):
            if _is_file(file, one.start):
                continue
            if one.size > most:
                left += one.size
                continue
            most -= one.size
            self._found.append((one.start, one.size))
        self._found.sort(reverse=True)
        self.gaps = [Gap("shared memory", _WHY, left)] if left else []

    def thread(self, context: bytes) -> None:
        """What the threads point to is in the dump already."""

    def next(self) -> tuple[int, int] | None:
        """Start and size of another stretch to add; None when there are no more."""
        if not self._found:
            return None
        start, size = self._found.pop()
        if size > _PIECE:
            self._found.append((start + _PIECE, size - _PIECE))
        return start, min(size, _PIECE)


def _shared(one: Stretch) -> bool:
    """Whether a stretch can be written, and not only by its process."""
    writable = one.protect & win32.PAGE_WRITABLE and not one.protect & win32.PAGE_GUARD
    return bool(one.state == win32.MEM_COMMIT and one.type == win32.MEM_MAPPED and writable)


def _is_file(file: Callable[[int], str], address: int) -> bool:
    try:
        return bool(file(address))
    except OSError:
        return False
