"""Live process → minidump, on Windows."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from tray.capture import windows_memory, windows_target
from tray.capture.windows_run import Run
from tray.errors import CaptureFailed, TargetGone
from tray.ffi.win32 import System

if TYPE_CHECKING:
    from tray.capture import Progress
    from tray.model import Captured, Mode, Target, Trigger, Window

STALL = 60.0
"""Seconds without a question from dbghelp after which the target is let go whatever happens."""
_LAST_RESORT = 5.0
_TICK = 0.1
"""Seconds between two looks; Ctrl+C cannot end a wait for a thread on Windows."""
_STUCK = 70


class WindowsCapture:
    """The `tray.capture.Capture` of Windows."""

    format = "minidump"
    suffix = ".dmp"

    def __init__(self, system: System | None = None, *, stall: float = STALL) -> None:
        self._system = system or System()
        self._stall = stall

    def target(self, pid: int, started: int | None = None, window: Window | None = None) -> Target:
        """See `tray.capture.Capture.target`."""
        return windows_target.target(self._system, pid, started, window)

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

    def write(
        self,
        target: Target,
        mode: Mode,
        file: BinaryIO,
        progress: Progress,
        trigger: Trigger | None = None,
    ) -> Captured:
        """See `tray.capture.Capture.write`.

        The work is done on a thread of its own: dbghelp wants to be called from one
        thread only, and may hang in a request that nobody can take back.
        """
        run = Run(self._system, target, mode, file, progress, trigger)
        worker = threading.Thread(target=run.main, name="capture", daemon=True)
        worker.start()
        try:
            self._join(worker, run)
        except KeyboardInterrupt:
            run.cancel()
            self._join(worker, run)
            raise
        if run.error:
            raise run.error
        return run.captured()

    def _join(self, worker: threading.Thread, run: Run) -> None:
        """Wait for the worker; when dbghelp hangs, let the target's threads go and give up."""
        seen, since = -1, time.monotonic()
        while worker.is_alive():
            worker.join(_TICK)
            if run.moved != seen or not run.frozen:
                seen, since = run.moved, time.monotonic()
            elif time.monotonic() - since > self._stall:
                self._give_up(run)

    def _give_up(self, run: Run) -> None:
        if run.suspensions:
            run.suspensions.undo()
        threading.Thread(target=self._end_ourselves, daemon=True).start()
        raise CaptureFailed(
            f"Windows' dbghelp said nothing for {self._stall:.0f} seconds, so the app was let go.",
            hint="Try the mode 'mini'. A handle of the app that cannot be looked at, or an antivirus, may be why.",
        )

    def _end_ourselves(self) -> None:
        """End this process if it cannot end by itself: a thread of it hangs in a system call."""
        time.sleep(_LAST_RESORT)
        self._system.end_ourselves(_STUCK)
