"""The files behind a process's mappings, opened so that reading them does not touch the process.

Reading a mapping through the process would bring pages into its page tables, and
in shared memory even make new ones. Reading the file gives the same bytes.
"""

from __future__ import annotations

import os
import sys

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel

MOST_OPEN = 4096
_AT_FIRST = 256
"""So many may be open anywhere."""
_SPARE = 128
"""Descriptors that are left for all else."""
_FUSE = "/dev/fuse"


class Files:
    """Descriptors by device and inode; `close` them."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self._pid = pid
        self._open: dict[int, int | None] = {}
        self._own: dict[tuple[int, int], str] | None = None
        self._most = _AT_FIRST

    def open(self, mappings: Iterable[Mapping]) -> None:
        """Open the files of these mappings now, before the process stands still: a file may be served by it.

        As many as may be open at a time; the others are read through the process.
        """
        for mapping in mappings:
            if len(self._open) >= self._most:
                self._most = _room()
            if len(self._open) >= self._most:
                break
            self._find(mapping)

    def descriptor(self, mapping: Mapping) -> int | None:
        """The file behind a mapping, seen to be that very file; None where it cannot be had."""
        return self._open.get(_key(mapping))

    def close(self) -> None:
        """Close all."""
        for descriptor in self._open.values():
            if descriptor is not None:
                os.close(descriptor)
        self._open.clear()

    def written(self, mapping: Mapping, descriptor: int) -> Iterator[tuple[int, int]]:
        """Start and end of each stretch of addresses at which the file holds data; the rest are holes."""
        from tray.ffi.linux import PAGE, SEEK_DATA, SEEK_HOLE

        position, last = mapping.offset, mapping.offset + mapping.size
        while position < last:
            try:
                written = os.lseek(descriptor, position, SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole until the end
                break
            hole = os.lseek(descriptor, written, SEEK_HOLE)
            # Whole pages: files end anywhere, and some file systems have smaller blocks.
            start, position = written - written % PAGE, min(hole + -hole % PAGE, last)
            if start < last:
                yield mapping.start + start - mapping.offset, mapping.start + position - mapping.offset

    def _find(self, mapping: Mapping) -> None:
        key = _key(mapping)
        if key in self._open:
            return
        self._open[key] = None
        for path in self._paths(mapping):
            try:
                if not _same(os.stat(path), mapping):
                    continue
                descriptor = self._kernel.open(path)
            except OSError:
                continue
            if _same(os.fstat(descriptor), mapping):
                self._open[key] = descriptor
                return
            os.close(descriptor)

    def _paths(self, mapping: Mapping) -> Iterable[str]:
        """Ways to the file: by the mapping (a privilege), by name, by a descriptor that the process holds."""
        yield f"/proc/{self._pid}/map_files/{mapping.start:x}-{mapping.end:x}"
        if not mapping.deleted:
            yield f"/proc/{self._pid}/root{mapping.path}"
        if mapping.deleted or mapping.fileless:
            if self._own is None:
                self._own = _descriptors(self._pid)
            if path := self._own.get((_device(mapping), mapping.inode)):
                yield path


def serves(pid: int) -> bool:
    """Whether a process may be a file system (FUSE), of which nobody can open a file while it stands still."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return True
    return len(names) > MOST_OPEN or any(_link(f"{folder}/{name}") == _FUSE for name in names)


def _key(mapping: Mapping) -> int:
    """Device and inode in one number, which takes less room than both."""
    major, minor = mapping.device
    return mapping.inode << 64 | major << 32 | minor


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # it has just been closed
        return ""


def _descriptors(pid: int) -> dict[tuple[int, int], str]:
    """The process's open files that have no name, by device and inode."""
    found: dict[tuple[int, int], str] = {}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        if len(found) >= MOST_OPEN:
            break
        path = f"/proc/{pid}/fd/{name}"
        try:
            if os.readlink(path).endswith("(deleted)"):
                status = os.stat(path)
                found[status.st_dev, status.st_ino] = path
        except OSError:
            continue
    return found


def _room() -> int:
    """How many of them may be open; we are allowed more than we were given, which is 1,024 mostly."""
    if sys.platform == "win32":
        return 0
    import resource

    given, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN + _SPARE
    if 0 <= given < wanted:
        given = wanted if allowed < 0 else min(wanted, allowed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, allowed))
    return MOST_OPEN if given < 0 else min(MOST_OPEN, given - _SPARE)


def _device(mapping: Mapping) -> int:
    if sys.platform != "win32":
        return os.makedev(*mapping.device)
    return 0


def _same(status: os.stat_result, mapping: Mapping) -> bool:
    """Whether this is the mapping's file, and one whose reading has no effects."""
    import stat

    return (
        stat.S_ISREG(status.st_mode) and status.st_ino == mapping.inode and status.st_dev == _device(mapping)
    )
