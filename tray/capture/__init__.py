"""Process → dump file: the port, and which back end serves this system."""

from __future__ import annotations

import sys
from functools import cache

from tray.errors import Unsupported
from tray.lean import TYPE_CHECKING, Protocol
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from tray.ffi.linux import Kernel
    from tray.model import Captured, Mode, Target, Trigger, Window


class Progress(Protocol):
    """What a capture tells while it works, and asks.

    Called from the capturing thread while the target may be frozen: it must
    return at once and never wait for anything the target could hold.
    """

    def __call__(self, done: int, total: int) -> bool:
        """Take note of ``done`` of ``total`` bytes; True asks the capture to stop."""


def nothing() -> None:
    """Do nothing."""


class Capture(Protocol):
    """Writes a dump of a live process and leaves the process as it was."""

    format: str
    """``elf-core`` or ``minidump``."""
    suffix: str
    """Ending of its files, with the dot."""

    def target(self, pid: int, started: int | None = None, window: Window | None = None) -> Target:
        """The process ``pid``, seen to be one that may be dumped.

        Raises:
            NoTarget: There is none, or it is a zombie or kernel thread.
            TargetGone: ``started`` is given and the pid means another process now.
            AccessDenied: The system forbids it; the text names the rule.
            Refused: It keeps credentials or the system up, or is ourselves.
        """

    def estimate(self, target: Target, mode: Mode) -> int:
        """About how many bytes a dump will take on disk, rather too many than too few."""

    def write(  # noqa: PLR0913 - all that a dump is made of
        self,
        target: Target,
        mode: Mode,
        file: BinaryIO,
        progress: Progress,
        trigger: Trigger | None = None,
        *,
        written: Callable[[], object] = nothing,
    ) -> Captured:
        """Write a dump into ``file``, an empty one open for reading and writing.

        ``trigger`` is for formats that have a place for a comment. ``written`` may be called,
        from the capturing thread, where all is in the file before all that is told is found out.

        Whatever happens, the target runs on as before when this returns or raises.

        Raises:
            TargetGone: It ended meanwhile.
            AccessDenied: As for `target`; rules may have changed.
            CaptureFailed: Nothing useful could be read.
            Cancelled: ``progress`` asked to stop.
            OSError: ``file`` cannot take more (``errno`` says why).
        """


def capture(
    how: How = How.AUTO,
    *,
    handles: bool = True,
    low_impact: bool = False,
    hung: Callable[[], bool | None] | None = None,
) -> Capture:
    """The back end for this system.

    Args:
        how: How to read memory, where it has the choice.
        handles: Whether to list what the target has open, where that may hang (Windows).
        hung: Tells whether the target's window hangs, where that is found out meanwhile (Linux).
        low_impact: Whether to give way to all else that wants the processor or the disk (Linux).

    Raises:
        Unsupported: There is none.
    """
    if sys.platform == "linux":
        from tray.capture.linux import LinuxCapture

        return LinuxCapture(how, low_impact=low_impact, hung=hung)
    if sys.platform == "win32":
        from tray.capture.windows import WindowsCapture

        return WindowsCapture(how, handles=handles)
    raise Unsupported(
        f"Hangshot cannot dump processes on {sys.platform} yet.",
        hint="It runs on Windows and on Linux (x86-64).",
    )


def started(pid: int) -> int:
    """Start time of a process, for `Target.started`.

    Raises:
        NoTarget: There is no such process.
        Unsupported: This system cannot tell.
    """
    if sys.platform == "linux":
        from tray.capture import linux_target

        return linux_target.started(_kernel(), pid)
    if sys.platform == "win32":
        from tray.capture import windows_target
        from tray.ffi.win32 import System

        return windows_target.started(System(), pid)
    raise Unsupported(f"Hangshot cannot look at processes on {sys.platform} yet.")


@cache
def _kernel() -> Kernel:
    """One for all who only ask: the tray does, at each change of what is in front, and would grow by them."""
    from tray.ffi.linux import Kernel

    return Kernel()


class Hold:
    """A process whose pid means no other one, until `close`.

    Attributes:
        started: Its start time, for `Target.started`.
    """

    def __init__(self, started: int, let_go: Callable[[], None] = lambda: None) -> None:
        self.started = started
        self._let_go: Callable[[], None] | None = let_go

    def close(self) -> None:
        """Let its pid be reused once it has ended; nothing the second time."""
        let_go, self._let_go = self._let_go, None
        if let_go:
            let_go()


def hold(pid: int) -> Hold:
    """Take hold of a process; close what this gives.

    On Windows a handle keeps the pid from being reused, even after the process has ended.
    Nothing does that on Linux (a pidfd keeps the process known, and not its number):
    there only the start time tells a later one, and numbers come round after millions.

    Raises:
        NoTarget: There is no such process.
        AccessDenied: The system does not even let us look.
        Unsupported: This system cannot tell.
    """
    if sys.platform == "win32":
        from tray.capture import windows_target
        from tray.ffi.win32 import System

        return Hold(*windows_target.hold(System(), pid))
    return Hold(started(pid))


def remembered(pid: int) -> Callable[[], int]:
    """Takes note of a process's threads before it is dumped, for the case that the dumper is killed.

    Call what this gives once the dumper is gone: it lets go threads that the dumper
    left suspended, and says how many. Only Windows leaves any.
    """
    if sys.platform == "win32":
        from tray.capture.windows_threads import Suspensions
        from tray.ffi.win32 import System

        return Suspensions(System(), pid).undo
    return lambda: 0


def needs_32_bit(pid: int) -> bool:
    """Whether a process is a 32-bit one, and we are not; only on Windows does that matter."""
    if sys.platform != "win32":
        return False
    from tray.capture import windows_target
    from tray.ffi.win32 import System

    return windows_target.needs_32_bit(System(), pid)


def health() -> list[tuple[str, bool, str, str]]:
    """What ``hangshot doctor`` says of this part: name, whether it is well, what was found, what to do."""
    if sys.platform == "linux":
        from tray.capture import linux_target

        return [("rights", *linux_target.rights())]
    if sys.platform == "win32":
        from tray.capture import windows_target
        from tray.ffi.win32 import System

        return windows_target.health(System())
    return [("capture", False, f"Hangshot cannot dump processes on {sys.platform} yet", "")]
