"""Bytes that are kept for later in little memory: beyond a bound in a file without a name, on the dump's own disk."""

from __future__ import annotations

import os
import sys

_HELD = 128 << 10
"""Bytes that are held: the names of some 1,000 files."""
_WINDOW = 16 << 10
"""Bytes that are read back at a time: what was kept together is mostly wanted together."""


class Spool:
    """Keeps bytes one after the other; `close` it.

    Args:
        beside: A descriptor of the dump's file; without one all is held in memory.
        held: Bytes that may be held.
    """

    def __init__(self, beside: int = -1, held: int = _HELD) -> None:
        self._beside, self._most = beside, held
        self._file = -1
        self._written = 0
        self._held = bytearray()
        self._window, self._window_at = b"", 0

    @property
    def size(self) -> int:
        """Where the next ones will lie."""
        return self._written + len(self._held)

    def keep(self, content: bytes | memoryview) -> int:
        """Keep these behind the others; gives where they lie.

        Raises:
            OSError: The disk cannot take them.
        """
        place = self.size
        if self._beside >= 0 and len(self._held) + len(content) > self._most:
            self._lay_aside(self._held)
            self._held.clear()
            if len(content) > self._most:
                self._lay_aside(content)
                return place
        self._held += content
        return place

    def content(self, start: int, end: int) -> bytes:
        """What was kept there, at once."""
        if start >= self._written:
            return bytes(self._held[start - self._written : end - self._written])
        if not self._window_at <= start <= end <= self._window_at + len(self._window):
            self._window, self._window_at = self._read(max(_WINDOW, end - start), start), start
        return self._window[start - self._window_at : end - self._window_at]

    def read(self, start: int, end: int) -> bytes:
        """The same, and nothing of what lies beside it is read; several threads may ask at once."""
        if start >= self._written:
            return bytes(self._held[start - self._written : end - self._written])
        return self._read(end - start, start)

    def close(self) -> None:
        """Forget all; callable twice."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._held.clear()

    def _read(self, size: int, start: int) -> bytes:
        if sys.platform != "win32":
            return os.pread(self._file, min(size, self._written - start), start)
        return b""

    def _lay_aside(self, content: bytes | bytearray | memoryview) -> None:
        if sys.platform != "win32":
            if self._file < 0:
                self._file = _nameless(self._beside)
            with memoryview(content) as rest:
                done = 0
                while done < len(rest):
                    done += os.pwrite(self._file, rest[done:], self._written + done)
            self._written += done


def _nameless(beside: int) -> int:
    """A file without a name in the folder of an open one; in memory where the file system knows none such."""
    if sys.platform != "linux":
        return -1
    try:
        path = os.readlink(f"/proc/self/fd/{beside}")  # noqa: PTH115 - a text is all that is needed
        folder = path.rpartition("/")[0] or "/"
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.memfd_create("hangshot-kept")
