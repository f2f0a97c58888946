"""Live process → minidump, on Windows."""

from __future__ import annotations

import threading
import time

from tray.capture import nothing, windows_asked, windows_memory, windows_target
from tray.capture.apart import Apart
from tray.capture.windows_run import Run
from tray.errors import CaptureFailed, Stalled, TargetGone
from tray.ffi.win32 import System
from tray.lean import TYPE_CHECKING
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from tray.capture import Progress
    from tray.model import Captured, Mode, Target, Trigger, Window

STALL = 30.0
"""Seconds without a question from dbghelp after which the target is let go whatever happens."""
_LAST_RESORT = 5.0
_TICK = 0.1
"""Seconds between two looks; Ctrl+C cannot end a wait for a thread on Windows."""
_STUCK = 70


class WindowsCapture:
    """The `tray.capture.Capture` of Windows."""

    format = "minidump"
    suffix = ".dmp"

    def __init__(
        self, how: How = How.AUTO, system: System | None = None, *, handles: bool = True, stall: float = STALL
    ) -> None:
        """
        Args:
            how: Whether a snapshot may be dumped in the target's place.
            system: What is asked; a test has its own.
            handles: Whether to list the target's handles, where a mode has them.
            stall: Seconds of patience with dbghelp.
        """  # noqa: D205, D212 - the class says what it is
        self._system = system or System()
        self._how, self._handles, self._stall = how, handles, stall
        self._before: tuple[int, windows_asked.Sample] | None = None

    def target(self, pid: int, started: int | None = None, window: Window | None = None) -> Target:
        """See `tray.capture.Capture.target`."""
        found = windows_target.target(self._system, pid, started, window)
        self._before = pid, windows_asked.sample(self._system.waits())
        return found

    def estimate(self, target: Target, mode: Mode) -> int:
        """See `tray.capture.Capture.estimate`; walks the map of the address space."""
        try:
            process, _ = windows_target.opened(self._system, target)
        except OSError as error:
            raise TargetGone(f"{target.name} ({target.pid}) ended.") from error
        try:
            found = windows_memory.sizes(self._system.stretches(process))
        finally:
            self._system.close(process)
        return windows_memory.estimate(found, len(self._system.threads(target.pid)), mode.include)

    def write(  # noqa: PLR0913 - all that a dump is made of
        self,
        target: Target,
        mode: Mode,
        file: BinaryIO,
        progress: Progress,
        trigger: Trigger | None = None,
        *,
        written: Callable[[], object] = nothing,  # noqa: ARG002 - nothing is found out later
    ) -> Captured:
        """See `tray.capture.Capture.write`.

        The work is done on a thread of its own: dbghelp wants to be called from one
        thread only, and may hang in a request that nobody can take back.
        """
        before = self._before[1] if self._before and self._before[0] == target.pid else None
        self._before = None
        run = Run(self._system, target, mode, file, progress, trigger, before)
        run.handles, run.may_clone = self._handles, self._how is not How.STOP
        work = Apart(run.main, "capture")
        try:
            self._join(work, run)
        except KeyboardInterrupt:
            run.cancel()
            self._join(work, run)
            raise
        if run.error:
            raise run.error
        return run.captured()

    def _join(self, work: Apart, run: Run) -> None:
        """Wait for the work; when dbghelp hangs, let the target's threads go and give up."""
        seen, since = -1, time.monotonic()
        while not work.ended(_TICK):
            run.look()
            if run.moved != seen or not run.frozen:
                seen, since = run.moved, time.monotonic()
            elif time.monotonic() - since > self._stall:
                self._give_up(run)

    def _give_up(self, run: Run) -> None:
        run.cancel()
        run.let_go()
        words = f"Windows' dbghelp said nothing for {self._stall:.0f} seconds, so the app was let go."
        if run.lists_handles:
            raise Stalled(words)  # and whoever called us may try without
        threading.Thread(target=self._end_ourselves, daemon=True).start()
        raise CaptureFailed(words, hint=Stalled.hint)

    def _end_ourselves(self) -> None:
        """End this process if it cannot end by itself: a thread of it hangs in a system call."""
        time.sleep(_LAST_RESORT)
        self._system.end_ourselves(_STUCK)
