"""What a mode means to dbghelp, and what to try when it refuses or fails.

Pure: flags in, flags out.

Source: learn.microsoft.com, "MINIDUMP_TYPE enumeration"; measured on dbghelp 6.3.9600.
"""

from __future__ import annotations

from tray.ffi import dbghelp as d
from tray.ffi.win32 import ERROR_INVALID_PARAMETER, ERROR_PARTIAL_COPY
from tray.lean import TYPE_CHECKING, NamedTuple
from tray.model import Gap, Include

if TYPE_CHECKING:
    from collections.abc import Iterator

ALWAYS = (
    (d.MiniDumpIgnoreInaccessibleMemory, "one page that cannot be read must not cost the dump"),
    (d.MiniDumpWithUnloadedModules, "names a call into a library that is gone: a classic cause"),
    (d.MiniDumpWithThreadInfo, "start address and CPU time tell a busy thread from a waiting one"),
)
"""Flags of every dump, each with its reason."""
SHARED = (
    (d.MiniDumpFilterMemory, "stacks keep return addresses and lose the values of variables"),
    (d.MiniDumpFilterModulePaths, "a path holds the user's name"),
    (d.MiniDumpFilterTriage, "leaves out what else is known to hold personal text, as vector registers"),
    (d.MiniDumpWithoutOptionalData, "keeps newer dbghelps from adding what nobody asked for"),
)
"""Flags of a dump for strangers, which includes nothing but calls."""
STACKS = (
    (d.MiniDumpWithHandleData, "says which lock, file or pipe a waiting thread waits for"),
    (d.MiniDumpWithIndirectlyReferencedMemory, "the objects that the variables on the stacks point to"),
    (d.MiniDumpWithProcessThreadData, "PEB and TEBs: command line, thread-local storage, last errors"),
    (d.MiniDumpWithFullMemoryInfo, "the map of the address space, also of what is left out"),
)
GLOBALS = ((d.MiniDumpWithDataSegs, "the modules' own variables, where most locks lie"),)
HEAP = (
    (d.MiniDumpWithPrivateReadWriteMemory, "the app's own memory"),
    (d.MiniDumpWithPrivateWriteCopyMemory, "pages of files that the app has changed for itself"),
)
FULL = (
    (d.MiniDumpWithFullMemory, "everything that can be read; takes the place of the smaller kinds"),
    (d.MiniDumpWithHandleData, "as for stacks"),
    (d.MiniDumpWithFullMemoryInfo, "as for stacks; free and reserved memory too"),
)
"""With `ALWAYS` this is 0x21826, what WinDbg's ``.dump /mA`` and ProcDump's ``-ma`` use."""

OLDEST = d.MiniDumpWithFullMemoryInfo - 1
"""Bits that every dbghelp knows since Windows XP."""
_GENERATIONS = (
    (0xFFFFF, "dbghelp of this Windows knows no dump for sharing"),
    (0x1FFFF, "dbghelp of this Windows stops at memory that cannot be read"),
    (OLDEST, "dbghelp of this Windows is too old for it"),
)
"""Masks of ever older dbghelps, newest first."""
ATTEMPTS = 5
"""How often memory that changes underfoot is read before a smaller dump is tried."""
_AGAIN = (ERROR_PARTIAL_COPY, 0)
"""What comes of that: memory that is gone, or a crash within dbghelp, which has no code."""


def flags(include: Include) -> int:
    """The MINIDUMP_TYPE of a mode."""
    kinds: tuple[tuple[int, str], ...]
    if Include.MAPPED_FILES in include:
        kinds = FULL
    elif Include.STACKS not in include:
        kinds = SHARED
    else:
        parts = ((Include.STACKS, STACKS), (Include.GLOBALS, GLOBALS), (Include.HEAP, HEAP))
        kinds = tuple(row for word, rows in parts if word in include for row in rows)
    found = 0
    for bit, _ in (*ALWAYS, *kinds):
        found |= bit
    return found


class Step(NamedTuple):
    """Something else to try, and what it costs; None if it costs nothing."""

    flags: int
    gap: Gap | None


class Ladder:
    """What to try after each failure, until nothing is left.

    Attributes:
        flags: What is tried now.
        gaps: What has been given up.
    """

    def __init__(self, include: Include, *, without_handles: str = "") -> None:
        self.flags = flags(include)
        self.gaps: list[Gap] = []
        self._include = include
        self._attempts = 1
        if self.flags & d.MiniDumpWithHandleData and without_handles:
            self._take(_without_handles(self.flags, without_handles))

    def down(self, code: int, why: str) -> bool:
        """Step down after a failure with this Windows error code; False when there is nothing left to try.

        What may go well the next time is tried again first.
        """
        if code in _AGAIN and self._attempts < ATTEMPTS:
            self._attempts += 1
            return True
        self._attempts = 1
        steps = self._older(code) if code == ERROR_INVALID_PARAMETER else iter(())
        step = next(steps, None) or next(self._smaller(why), None)
        if step is None:
            return False
        self._take(step)
        return True

    def _take(self, step: Step) -> None:
        self.flags = step.flags
        if step.gap:
            self.gaps.append(step.gap)

    def _older(self, _code: int) -> Iterator[Step]:
        """Without the bits that this dbghelp may not know."""
        for mask, why in _GENERATIONS:
            if self.flags & ~mask:
                lost = self.flags & ~mask
                yield Step(self.flags & mask, Gap(f"dump options {lost:#x}", why))

    def _smaller(self, why: str) -> Iterator[Step]:
        """The next smaller kind of dump."""
        now = self.flags
        if now & d.MiniDumpWithHandleData and now & (d.MiniDumpWithFullMemory | _HEAP_BITS):
            yield _without_handles(now, why)
        keep = now & ~_BODY_BITS
        if now & d.MiniDumpWithFullMemory:
            stacks = d.MiniDumpWithIndirectlyReferencedMemory | d.MiniDumpWithProcessThreadData
            body = stacks | d.MiniDumpWithDataSegs | _HEAP_BITS
            yield Step(keep | body, Gap("code and mapped files", why))
        if now & _HEAP_BITS:
            yield Step(now & ~_HEAP_BITS, Gap("the app's own memory", why))
        if now & d.MiniDumpWithHandleData:
            yield _without_handles(now, why)
        if now & ~_LEAST & ~_FILTER_BITS:
            kept = now & (_LEAST | _FILTER_BITS)
            yield Step(kept, Gap("all but stacks and modules", why))


def _without_handles(now: int, why: str) -> Step:
    return Step(now & ~d.MiniDumpWithHandleData, Gap("handles", why))


_HEAP_BITS = d.MiniDumpWithPrivateReadWriteMemory | d.MiniDumpWithPrivateWriteCopyMemory
_BODY_BITS = d.MiniDumpWithFullMemory | _HEAP_BITS
_FILTER_BITS = (
    d.MiniDumpFilterMemory
    | d.MiniDumpFilterModulePaths
    | d.MiniDumpFilterTriage
    | d.MiniDumpWithoutOptionalData
)
_LEAST = d.MiniDumpNormal
