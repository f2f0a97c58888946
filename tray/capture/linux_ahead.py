"""What a dump needs and the kernel takes a while to tell, asked for while there is other work to do."""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.ffi.linux import Kernel
    from tray.model import Target

_FEWEST, _MOST = 200, 2500
"""So many mappings are worth it: of fewer the kernel tells in no time, and what it tells of more takes much room."""
_LARGE = 1 << 30
"""Bytes of memory in use that it takes too long to look through in one request, which nothing can end."""
_ENTRY = 1 << 10
"""Bytes that there is room for, for each mapping; an entry has some 700."""
_STEP = 1 << 16
_LOOK = 0.002


class Ahead:
    """``/proc/PID/smaps``, read on a thread of its own from now on; Python goes on while the kernel makes it.

    The thread ends soon and by itself, and leaves nothing open. Whatever goes wrong, `blocks` reads
    the file anew, and fails with what fails then.

    Args:
        target: Seen to be the process that is meant; that it is no other is seen again once it stands still.
        mappings: How many it has, about.
    """

    def __init__(self, kernel: Kernel, target: Target, mappings: int) -> None:
        self.target = target
        self._kernel, self._path, self._room = kernel, f"/proc/{target.pid}/smaps", mappings * _ENTRY
        self._read = memoryview(b"")
        self._works = allocate_lock()
        self._works.acquire()
        try:
            start_new_thread(self._work, ())
        except RuntimeError:  # there are too many threads
            self._works.release()

    def _work(self) -> None:
        try:
            self._read = self._content()
        except OSError:
            pass  # it has ended, or may not be read
        finally:
            self._works.release()

    def _content(self) -> memoryview:
        """All of the file; nothing if there is no room for it."""
        descriptor, room, filled = self._kernel.open(self._path), memoryview(bytearray(self._room)), 0
        try:
            while count := self._kernel.fill(descriptor, room[filled:]):
                filled += count
        finally:
            os.close(descriptor)
        return room[: filled if filled < len(room) else 0]

    def blocks(self) -> Iterator[bytes]:
        """The file as `Kernel.blocks` gives it, once; empty blocks while it is still read."""
        while not self._works.acquire(timeout=_LOOK):
            yield b""
        self._works.release()
        read, self._read = self._read, memoryview(b"")
        if read:
            yield from (read[at : at + _STEP].tobytes() for at in range(0, len(read), _STEP))
        else:
            yield from self._kernel.blocks(self._path)


def pays(mappings: int, resident: int) -> bool:
    """Whether it does for a process with so many mappings, and so many bytes of memory in use."""
    return _FEWEST <= mappings <= _MOST and resident < _LARGE
