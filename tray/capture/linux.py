"""Live process → ELF core file, on Linux x86-64."""

from __future__ import annotations

import os
import sys
import threading
import time
from itertools import islice

from tray.capture import linux_facts, linux_maps, linux_names, linux_target, nothing
from tray.capture.apart import Apart
from tray.capture.linux_ahead import Ahead, pays
from tray.capture.linux_run import Run
from tray.errors import CaptureFailed, TargetGone, Unsupported
from tray.ffi.linux import Kernel
from tray.lean import TYPE_CHECKING
from tray.model import Include
from tray.modes import How

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from tray.capture import Progress
    from tray.model import Captured, Mode, Target, Trigger, Window

STALL = 60.0
"""Seconds without a byte written after which the target is let go whatever happens."""
_LAST_RESORT = 5.0
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
            mappings, modules = self._counted(target)
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
            work.ended(STALL)
            raise
        if run.error:
            raise run.error
        if self._low_impact:  # also for this thread, which may have the dump to pack
            self._kernel.give_way()
        return run.captured()


def _join(work: Apart, run: Run) -> None:
    """Wait for the work; give up when nothing moves, as on a disk that hangs."""
    seen, since = -1, time.monotonic()
    while not work.ended(1.0):
        if run.moved != seen or not run.frozen:
            seen, since = run.moved, time.monotonic()
        elif time.monotonic() - since > STALL:
            threading.Thread(target=_end_ourselves, daemon=True).start()
            raise CaptureFailed(
                f"Nothing could be written for {STALL:.0f} seconds, so the app was let go.",
                hint="Does the disk with the dump folder answer? Set another folder in the settings.",
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
