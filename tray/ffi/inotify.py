"""What Linux tells about changes in a folder: inotify(7).

A call that fails raises ``OSError`` with ``errno``. The C library is opened on
first use: this module imports everywhere.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# <sys/inotify.h>
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_Q_OVERFLOW = 0x00004000
IN_IGNORED = 0x00008000
IN_ONLYDIR = 0x01000000
IN_NONBLOCK = 0o4000
IN_CLOEXEC = 0o2000000

HEADER = struct.Struct("=iIII")
"""``struct inotify_event``: wd, mask, cookie, len; then len bytes of name."""

BUFFER = 64 << 10


class Event(NamedTuple):
    """One change.

    Attributes:
        watch: Number that `Inotify.add` gave.
        mask: ``IN_*`` bits.
        name: File in the watched folder; empty if it is the folder itself.
    """

    watch: int
    mask: int
    name: bytes


class Inotify:
    """An inotify instance; a context manager that closes it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._called(self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """For ``select``: readable when there are events."""
        return self._descriptor

    def add(self, folder: Path, mask: int) -> int:
        """Watch a folder; gives the number of the watch."""
        path = ctypes.c_char_p(os.fsencode(folder))
        return self._called(self._libc.inotify_add_watch(self._descriptor, path, ctypes.c_uint32(mask)))

    def read(self) -> list[Event]:
        """The events that wait; none if there are none."""
        try:
            return list(events(os.read(self._descriptor, BUFFER)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close it; its watches go with it."""
        os.close(self._descriptor)

    @staticmethod
    def _called(result: int) -> int:
        """The result of a call, if it did not fail."""
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def events(content: bytes) -> Iterator[Event]:
    """The events in what was read."""
    offset = 0
    while offset < len(content):
        watch, mask, _cookie, length = HEADER.unpack_from(content, offset)
        offset += HEADER.size
        yield Event(watch, mask, content[offset : offset + length].rstrip(b"\0"))
        offset += length
