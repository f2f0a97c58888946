"""Live process → ELF core file, on Linux x86-64."""

from __future__ import annotations

import os
import sys
import threading
import time
from itertools import islice

from tray.capture import linux_facts, linux_maps, linux_names, linux_stuck, linux_target, nothing
from tray.capture.apart import Apart
from tray.capture.linux_ahead import Ahead, pays
from tray.capture.linux_run import Run
from tray.errors import CaptureFailed, TargetGone, Unsupported
from tray.ffi.linux import Kernel
from tray.lean import TYPE_CHECKING, logger
from tray.model import Include
from tray.modes import How
from tray.patience import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from tray.capture import Progress
    from tray.model import Captured, Mode, Target, Trigger, Window

log = logger(__name__)

STALL = 60.0
"""Seconds without a byte written after which the target is let go whatever happens."""
SILENCE = 30.0
"""Seconds without an answer of the kernel, before anything was written, after which it is let go."""
_ANSWER = 5.0
"""Seconds for small files of /proc. Each waits as long as anybody holds the target's memory map, and no
signal ends that, as when a page of a mapped file comes from a server that hangs."""
_GRACE, _LAST_RESORT = 5.0, 10.0
"""Seconds that a capture has to end in once it is not wanted any more; and then we ourselves."""
_LOOK = 1.0
_MINI_BASE, _MINI_THREAD, _MINI_MODULE = 160 << 10, 12 << 10, 8 << 10
_CODE = b" r-xp "
"""Stands in a line of ``maps`` for most modules, and rarely in any other."""
_LOOKED_AT = 16
"""Blocks of ``maps`` that an estimate is made of, some 15,000 mappings: reading on would keep the target waiting."""


class LinuxCapture:
    """The `tray.capture.Capture` of Linux."""

    format = "elf-core"
    suffix = ".core"

    def __init__(
        self,
        how: How = How.AUTO,
        kernel: Kernel | None = None,
        *,
        low_impact: bool = False,
        hung: Callable[[], bool | None] | None = None,
    ) -> None:
        if sys.platform != "win32" and (machine := os.uname().machine) != "x86_64":
            raise Unsupported(f"Hangshot cannot dump processes on {machine} yet.", hint="It needs x86-64.")
        self._how, self._low_impact, self._hung = how, low_impact, hung
        self._kernel = kernel or Kernel()
        self._kernel.give_memory_back()
        self._sample: linux_facts.Sample | None = None
        self._ahead: Ahead | None = None

    def target(self, pid: int, started: int | None = None, window: Window | None = None) -> Target:
        """See `tray.capture.Capture.target`; takes note of CPU times, for `write` to tell who is busy."""
        found = linux_target.target(self._kernel, pid, started, window)
        self._sample = linux_facts.sample(self._kernel, pid)
        return found

    def estimate(self, target: Target, mode: Mode) -> int:
        """See `tray.capture.Capture.estimate`; reads two small files of /proc, one of them twice for a full dump.

        Begins to ask for what `write` would have to wait for.
        """
        try:
            status = self._kernel.text(f"/proc/{target.pid}/status")
            mappings, modules = within(_ANSWER, lambda: self._counted(target))
        except TimeoutError as error:
            raise linux_stuck.unread(target.name, _ANSWER) from error
        except OSError as error:
            raise TargetGone(f"{target.name} ({target.pid}) ended.") from error
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        threads = int(fields.get("Threads", "1"))
        total = _MINI_BASE + threads * _MINI_THREAD + modules * _MINI_MODULE
        if Include.HEAP in mode.include:
            if pays(mappings, _kilobytes(fields.get("VmRSS", "0"))):
                self._ahead = Ahead(self._kernel, target, mappings)
            total += sum(
                _kilobytes(fields.get(key, "0")) for key in ("RssAnon", "RssShmem", "VmSwap", "HugetlbPages")
            )
        if Include.MAPPED_FILES in mode.include:
            total += _filed(self._maps(target))
        return total

    def _counted(self, target: Target) -> tuple[int, int]:
        """How many mappings there are, and of these of modules' code."""
        mappings = modules = 0
        for block in self._maps(target):
            mappings += block.count(b"\n")
            modules += block.count(_CODE)
        return mappings, modules

    def _maps(self, target: Target) -> Iterator[bytes]:
        return islice(self._kernel.blocks(f"/proc/{target.pid}/maps"), _LOOKED_AT)

    def write(  # noqa: PLR0913 - all that a dump is made of
        self,
        target: Target,
        mode: Mode,
        file: BinaryIO,
        progress: Progress,
        trigger: Trigger | None = None,  # noqa: ARG002 - a core file has no place for it
        *,
        written: Callable[[], object] = nothing,
    ) -> Captured:
        """See `tray.capture.Capture.write`.

        The work is done on a thread of its own, because the kernel lets go of
        every traced thread when the tracing thread ends, however that comes about.
        """
        run = Run(self._kernel, target, mode, file, progress)
        run.sample, run.how, run.hung = self._sample, self._how, self._hung
        run.low_impact, run.written = self._low_impact, written
        if self._ahead and self._ahead.target == target:
            run.smaps = self._ahead.blocks()
        work = Apart(run.main, "capture")
        try:
            _join(work, run)
        except BaseException:
            run.cancelled = True
            work.ended(_GRACE)
            raise
        if run.error:
            raise run.error
        if self._low_impact:  # also for this thread, which may have the dump to pack
            self._kernel.give_way()
        return run.captured()


def _join(work: Apart, run: Run) -> None:
    """Wait for the work; give up when nothing moves while anybody waits for us, as on a disk that hangs."""
    seen, since = (-1, -1), time.monotonic()
    while not work.ended(_LOOK):
        if (now := (run.moved, run.looked)) != seen or run.freeze.seconds:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > (STALL if run.plan.size else SILENCE):
            threading.Thread(target=_end_ourselves, daemon=True).start()
            raise _stalled(run)


def _stalled(run: Run) -> CaptureFailed:
    """What to tell of a capture in which nothing moves."""
    if not run.plan.size:
        return linux_stuck.unread(run.target.name, SILENCE)
    # Said now: what was written is to be removed first, and that may wait for the very disk.
    log.warning("the disk does not answer; %s is let go", run.target.name)
    return CaptureFailed(
        f"Nothing could be written for {STALL:.0f} seconds, so the app was let go.",
        hint="Do the disks answer that the dump folder and the app's files are on? --output takes another folder.",
    )


def _end_ourselves() -> None:
    """End this process if it cannot end by itself: a thread that hangs in a write holds the target still."""
    import signal

    time.sleep(_LAST_RESORT)
    if sys.platform != "win32":
        os.kill(os.getpid(), signal.SIGKILL)


def _filed(maps: Iterator[bytes]) -> int:
    """How many bytes of files from a disk are mapped."""
    total = 0
    for line, _ in linux_maps.lines(maps):
        place, _, _, file = line.split(b" ", 3)
        if linux_names.plain(file[file.find(b"/") :]):
            start, _, end = place.partition(b"-")
            total += int(end, 16) - int(start, 16)
    return total


def _kilobytes(text: str) -> int:
    """Bytes of a value like ``123 kB``."""
    return int(text.split(maxsplit=1)[0]) << 10
