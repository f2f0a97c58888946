"""A clone of a process to dump in its place, so that it stands still for milliseconds.

Not in Wine: everything here is tested with a fake `System`.

Source: learn.microsoft.com, "Process Snapshotting"; devblogs.microsoft.com/oldnewthing/20220314-00.
"""

from __future__ import annotations

import time
from contextlib import contextmanager

from tray.ffi import win32
from tray.lean import TYPE_CHECKING, logger
from tray.model import Include

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.ffi.win32 import System

log = logger(__name__)

FLAGS = (
    win32.PSS_CAPTURE_VA_CLONE
    | win32.PSS_CAPTURE_HANDLES
    | win32.PSS_CAPTURE_HANDLE_NAME_INFORMATION
    | win32.PSS_CAPTURE_HANDLE_BASIC_INFORMATION
    | win32.PSS_CAPTURE_HANDLE_TYPE_SPECIFIC_INFORMATION
    | win32.PSS_CAPTURE_THREADS
    | win32.PSS_CAPTURE_THREAD_CONTEXT
    | win32.PSS_CAPTURE_THREAD_CONTEXT_EXTENDED
    | win32.PSS_CREATE_BREAKAWAY_OPTIONAL
    | win32.PSS_CREATE_USE_VM_ALLOCATIONS
    | win32.PSS_CREATE_RELEASE_SECTION
)
CONTEXT_ALL = 0x0010001F
"""For x86-64; CONTEXT_i386's differs, and there we take no snapshots."""

CLR = frozenset({"coreclr.dll", "clr.dll", "mscorwks.dll"})
"""Runtimes that keep code in shared memory, which a snapshot has not (github.com/microsoft/clrmd, 1334)."""
RESERVE = 1.1
"""A clone commits all of the process's private memory; so much more must be free."""


class Clone:
    """A snapshot that is being dumped.

    Attributes:
        handle: What to give MiniDumpWriteDump for a process.
        seconds: How long the process stood still for it.
    """

    def __init__(self, handle: int, seconds: float) -> None:
        self.handle = handle
        self.seconds = seconds


def fits(system: System, process: int, include: Include, *, may_clone: bool, bits: int) -> bool:
    """Whether a snapshot is right for this process and mode.

    Not for small modes, which are written faster than a clone is made; not for
    .NET; not where the clone could take the memory that others need.
    """
    if not may_clone or Include.HEAP not in include or bits != 64 or not system.is_64_bit():  # noqa: PLR2004
        return False
    try:
        if not system.has_snapshots():
            return False
        if CLR & {name.casefold() for name in system.modules(process)}:
            return False
        return system.free_commit() > RESERVE * system.private_bytes(process)
    except OSError as error:
        log.debug("no snapshot, because the process could not be looked at: %s", error)
        return False


@contextmanager
def taken(system: System, process: int) -> Iterator[Clone | None]:
    """A snapshot while the block runs; None where Windows gives none. It is freed whatever happens."""
    began = time.monotonic()
    try:
        handle = system.snapshot(process, FLAGS, CONTEXT_ALL)
    except OSError as error:
        log.debug("no snapshot: %s", error)
        yield None
        return
    try:
        yield Clone(handle, time.monotonic() - began)
    finally:
        _free(system, handle)


def _free(system: System, snapshot: int) -> None:
    """Give all of it back. The clone is a process of its own, which has outlived its snapshot before."""
    try:
        system.terminate(system.clone(snapshot))
    except OSError as error:
        log.debug("a clone was not ended: %s", error)
    try:
        system.free_snapshot(snapshot)
    except OSError as error:
        log.warning("A snapshot of the app was not freed: %s", error)
