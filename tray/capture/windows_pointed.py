"""Locks that lie among a module's own variables, for dumps that leave those out.

A small dump has the objects in private memory that a stack points to, but nothing
of a module's variables, and most locks of C programs and of Windows itself, as the
loader lock, are there. So what the innermost calls of each thread point to among
writable variables is added: some hundred bytes a thread.
"""

from __future__ import annotations

import bisect
import struct

from tray.ffi import win32
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray.ffi.win32 import Stretch

_BEFORE, _AFTER = 64, 192
"""Bytes around a pointer: more than a critical section, wherever it points into one."""
_STACK = 1024
"""Bytes of each stack, from its top, that are looked at; the system's own calls take less."""
_MOST = 1 << 20
"""Bytes that are added at most."""
_CONTEXTS = {1232: (120, "<16Q", 4, 8), 716: (156, "<11I", 10, 4)}
"""Size of CONTEXT → where its integer registers begin, their format, which is the stack pointer, bytes of one.

On x86 these are edi esi ebx edx ecx eax ebp eip cs eflags esp.
"""
_WORDS = {8: "Q", 4: "I"}


class Pointed:
    """What the threads point to; told of each in turn, then asked for one stretch after the other."""

    def __init__(self, stretches: Iterable[Stretch], read: Callable[[int, int], bytes]) -> None:
        """
        Args:
            stretches: The map of the process.
            read: Gives bytes of it; all or an OSError.
        """  # noqa: D205, D212 - the class says what it is
        self._variables = sorted(
            (one.start, one.start + one.size)
            for one in stretches
            if one.type == win32.MEM_IMAGE
            and one.state == win32.MEM_COMMIT
            and one.protect & win32.PAGE_WRITABLE
            and not one.protect & win32.PAGE_GUARD
        )
        self._starts = [start for start, _ in self._variables]
        self._read = read
        self._found: list[tuple[int, int]] = []
        self._added = 0

    def thread(self, context: bytes) -> None:
        """Note what a suspended thread points to."""
        if not self._variables or len(context) not in _CONTEXTS:
            return
        at, form, sp, pointer = _CONTEXTS[len(context)]
        registers = struct.unpack_from(form, context, at)
        lowest, highest = self._variables[0][0], self._variables[-1][1]
        for word in {*registers, *self._stack(registers[sp], pointer)}:
            if lowest <= word < highest:
                self._note(word)

    def _stack(self, sp: int, pointer: int) -> tuple[int, ...]:
        """The words at the top of a stack, which may have fewer."""
        for size in (_STACK, _STACK // 4):
            try:
                return struct.unpack(f"<{size // pointer}{_WORDS[pointer]}", self._read(sp, size))
            except OSError:
                continue
        return ()

    def _note(self, word: int) -> None:
        place = bisect.bisect_right(self._starts, word) - 1
        start, end = self._variables[place]
        if word < end:
            self._found.append((max(start, word - _BEFORE & ~15), min(end, word + _AFTER + 15 & ~15)))

    def next(self) -> tuple[int, int] | None:
        """Start and size of another stretch to add; None when there are no more. They do not overlap."""
        self._found.sort(reverse=True)
        while self._found:
            start, end = self._found.pop()
            while self._found and self._found[-1][0] <= end:
                end = max(end, self._found.pop()[1])
            if self._added + end - start <= _MOST:
                self._added += end - start
                return start, end - start
        return None
