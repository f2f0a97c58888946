"""Workers in the test bed as the tray starts them: asked for a dump, listened to, with a 32-bit one beside them."""

from __future__ import annotations

import os
import queue
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tray import capture
from tray.worker import LAST, Worker

if TYPE_CHECKING:
    from windows_programs import Inside

ROOT = Path(__file__).parents[1]
PATIENCE = 60
WITH_32 = """
import sys
from tray import cli, program
program.narrow = lambda: [{python!r}, "-m", "tray"]
sys.exit(cli.main(sys.argv[1:]))
"""
"""Our program as it is with a 32-bit one beside it."""


STALLED = """
import ctypes, sys, threading
from tray import cli
from tray.capture import windows
from tray.ffi import win32
windows.STALL = windows.WindowsCapture.__init__.__kwdefaults__["stall"] = 0.5
write = win32.System.write_dump
def write_dump(self, process, pid, file, flags, streams, callback):
    for tid in self.threads(pid):
        ctypes.WinDLL("kernel32").SuspendThread(self.open_thread(win32.THREAD_SUSPEND_RESUME, tid))
    threading.Event().wait()
win32.System.write_dump = write_dump
sys.exit(cli.main(sys.argv[1:]))
"""
"""Our program on a Windows whose dbghelp hangs, with all threads suspended."""


def python32() -> str:
    """The 32-bit interpreter of the test bed."""
    return str(Path(os.environ["HANGSHOT_TESTBED"]) / "python32" / "python.exe")


class Asked:
    """A worker that was asked for a dump of one process into a folder."""

    def __init__(self, folder: Path, words: list[str] | None = None) -> None:
        self.folder = folder
        self.events: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self.worker = Worker(self.events.put, words=words)

    def ask(self, pid: int, mode: str, **more: str) -> None:
        """Hand it the request."""
        self.worker.ask(
            {
                "pid": pid,
                "started": capture.started(pid),
                "mode": mode,
                "trigger": "hotkey",
                "folder": str(self.folder),
                "retention": {"count": 0, "days": 0, "size": 0},
                **more,
            }
        )

    def until(self, *names: str) -> dict:
        """The next event of such a name."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            if event["event"] in names:
                return event
            assert event["event"] not in LAST, event

    def assert_cancelled(self, target: Inside) -> None:
        """Ask for a full dump of a large program, cancel it midway, and see that nothing of it is left."""
        self.ask(target.pid, "full")
        self.until("progress")
        self.worker.cancel()
        assert self.until(*LAST)["error"] == "Cancelled"
        assert files(self.folder) == []
        target.assert_unharmed()


def files(folder: Path) -> list[str]:
    """What a worker left in its folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def with_32() -> list[str]:
    """A 64-bit worker with a 32-bit one beside it."""
    return [sys.executable, "-c", WITH_32.format(python=python32()), "dump", "--json", "--request"]
