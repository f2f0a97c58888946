"""The verdict of a running Windows program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.capture.windows import WindowsCapture
from tray.formats import minidump
from tray.modes import MODES
from tray.reports import why

if TYPE_CHECKING:
    from pathlib import Path

    from tray.reports.why import Why

MODES_TO_TRY = ["mini", "heap"]


def found(pid: int, path: Path, mode: str = "mini") -> Why:
    """The verdict of a fresh dump, the waits, and the dump in place."""
    capture = WindowsCapture()
    with path.open("w+b", buffering=0) as file:
        captured = capture.write(capture.target(pid), MODES[mode], file, lambda _done, _total: False)
        minidump.verify(file, len(captured.threads))
        told = why.at_once(file, captured)
    assert told is not None
    return told
