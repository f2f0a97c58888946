"""How much memory of each kind a Windows process has: for estimates, before anything is stopped."""

from __future__ import annotations

from tray.capture.windows_shared import MOST
from tray.ffi import win32
from tray.lean import TYPE_CHECKING, NamedTuple
from tray.model import Include

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray.ffi.win32 import Stretch

_BASE, _THREAD, _STRETCH = 1 << 20, 96 << 10, 256
"""Bytes of a mini dump: of any, for each thread (stack, TEB, objects it points to), for each stretch of the map."""


class Sizes(NamedTuple):
    """Bytes of readable memory in an address space.

    Attributes:
        stretches: How many stretches the map has.
        private: Writable memory of its own.
        copied: Pages of modules and files that it may write for itself.
        shared: Writable memory that it shares with others.
        all: Everything.
    """

    stretches: int
    private: int
    copied: int
    shared: int
    all: int


def sizes(stretches: Iterable[Stretch]) -> Sizes:
    """Add up an address space."""
    count = private = copied = shared = everything = 0
    for stretch in stretches:
        count += 1
        if stretch.state != win32.MEM_COMMIT or not _readable(stretch.protect):
            continue
        everything += stretch.size
        if not stretch.protect & win32.PAGE_WRITABLE:
            continue
        if stretch.type == win32.MEM_PRIVATE:
            private += stretch.size
        elif stretch.type == win32.MEM_IMAGE:
            copied += stretch.size
        else:
            shared += stretch.size
    return Sizes(count, private, copied, shared, everything)


def estimate(found: Sizes, threads: int, include: Include) -> int:
    """About how many bytes a dump will take."""
    total = _BASE + threads * _THREAD + found.stretches * _STRETCH
    if Include.MAPPED_FILES in include:
        return total + found.all
    if Include.GLOBALS in include:
        total += found.copied
    if Include.HEAP in include:
        total += found.private + min(found.shared, MOST)
    return total


def _readable(protect: int) -> bool:
    return not protect & (win32.PAGE_NOACCESS | win32.PAGE_GUARD | win32.PAGE_EXECUTE)
