"""Whose code made a system call: locks of the C library are read only where the C library itself waits.

Rust, ``std::atomic::wait`` and whatever has locks of its own wait on futexes too, and what
stands beside those may look like the owner of a mutex, which would make a wrong deadlock.

Source: x86-64 psABI; glibc ``sysdeps/unix/sysv/linux/x86_64/syscall.S``; musl ``src/misc/syscall.c``.
"""

from __future__ import annotations

import struct
from itertools import islice

from tray.ffi import linux as ffi
from tray.formats import elf
from tray.formats.file_note import FileList, Places
from tray.lean import TYPE_CHECKING, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray.model import Region

    Reader = Callable[[int, int], bytes]

_NEAR = 64
"""Mappings within which a file begins that one of them is of."""
_LIBRARY = pattern(r"(libc|libpthread|ld|ld-musl)[-.].*")


class Code:
    """Which file the code of a process comes from.

    Args:
        mappings: Its files.
        memory: Gives up to that many bytes of it.
    """

    def __init__(self, mappings: Sequence[Region], memory: Reader) -> None:
        self._read = memory
        files = mappings if isinstance(mappings, FileList) else FileList(mappings)
        self._places = Places(files)
        # The libraries were there before all else, and so stand behind it.
        self._linked = any(_is_library(one.path) for one in reversed(files))
        self._heads: dict[str, bytes] = {}

    def is_foreign(self, registers: Sequence[int]) -> bool:
        """Whether a thread's call is surely not the C library's own; False where that cannot be told."""
        own = self.file(registers[ffi.RIP])
        if own is None:
            return False
        if not self._linked:
            return not self._is_c(registers[ffi.FS_BASE])
        if not _is_library(own):
            return True
        # `syscall()` has no frame, and takes its last argument from above its return address.
        caller, last = self._words(registers[ffi.RSP], 2) or (0, 0)
        return last == registers[ffi.R9] and self._is_code_of_another(caller, own)

    def is_library_alone(self, registers: Sequence[int], address: int) -> bool:
        """Whether nobody but the C library stands on a thread's stack, up to an address of it."""
        own = self.file(registers[ffi.RIP])
        if own is None or not _is_library(own):
            return False
        stack = registers[ffi.RSP]
        return not any(
            self._is_code_of_another(word, own) for word in self._words(stack, max(0, address - stack) // 8)
        )

    def file(self, address: int) -> str | None:
        """The file mapped there."""
        found = self._places.at(address)
        return found.path if found else None

    def _is_code_of_another(self, address: int, file: str) -> bool:
        """Whether a file other than this one has code there; also where the dump lacks that file's head."""
        found = self._places.at(address)
        if found is None or found.path == file:
            return False
        programs = list(elf.own_programs(self._head(found)))
        return not programs or any(
            one.offset - ffi.PAGE < found.offset < one.offset + one.filesz
            for one in programs
            if one.type == elf.PT_LOAD and one.flags & elf.PF_X
        )

    def _head(self, file: Region) -> bytes:
        """The first page of a file, as it is mapped."""
        if file.path not in self._heads:
            near = islice(self._places.down(file.start), _NEAR)
            first = next((one.start for one in near if one.path == file.path and not one.offset), 0)
            self._heads[file.path] = self._read(first, ffi.PAGE) if first else b""
        return self._heads[file.path]

    def _is_c(self, block: int) -> bool:
        """Whether a thread block points at itself, as glibc's and musl's do; also where the dump lacks it."""
        head = self._words(block, 1)
        return bool(block) and (not head or head[0] == block)

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        content = self._read(address, 8 * count) if count else b""
        return struct.unpack(f"<{count}Q", content) if len(content) == 8 * count else ()


def _is_library(path: str) -> bool:
    return bool(_LIBRARY.fullmatch(path.rpartition("/")[2]))
