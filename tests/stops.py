"""Takes a snapshot of a process that is sent a SIGSTOP while a thread of it is borrowed.

Run as a program: ``stops.py PID TURN LATER THEN``. The SIGSTOP comes just before the borrowed
thread is let run for the ``TURN``th time (from 0). ``LATER`` requests after that, ``THEN`` comes:
with ``KILL`` we are killed, with ``CONT`` the process is sent a SIGCONT and the capture goes on.
Prints how memory was read, or ``over`` if the thread did not run that often.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
from pathlib import Path

POLLS = {"wait", "stop_of"}
"""Requests that are made as often as it takes, so they do not count."""
RUNS = {"proceed", "proceed_to_call"}


def late_kernel(pid: int, turn: int, later: int, then: str):
    """A kernel that has this happen, and the signals that were sent."""
    from tray.ffi.linux import Kernel

    sent: list[str] = []
    runs, since = itertools.count(), itertools.count()

    def happen(name: str, tid: object) -> None:
        if sent == ["STOP"] and name not in POLLS and next(since) == later:
            sent.append(then)
            os.kill(os.getpid() if then == "KILL" else pid, getattr(signal, f"SIG{then}"))
        if name in RUNS and Path(f"/proc/{pid}/task/{tid}").exists() and next(runs) == turn:
            sent.append("STOP")
            os.kill(pid, signal.SIGSTOP)

    def wrap(name: str):
        original = getattr(Kernel, name)

        def request(self, *arguments, **named):
            happen(name, arguments[0] if arguments else 0)
            return original(self, *arguments, **named)

        return request

    names = [name for name in vars(Kernel) if not name.startswith("_") and name != "ptrace"]
    return type("Late", (Kernel,), {name: wrap(name) for name in names})(), sent


def main() -> None:
    """Take one snapshot."""
    from tray.capture.linux import LinuxCapture
    from tray.modes import MODES, How

    pid, turn, later, then = *map(int, sys.argv[1:4]), sys.argv[4]
    kernel, sent = late_kernel(pid, turn, later, then)
    capture = LinuxCapture(How.SNAPSHOT, kernel)
    with tempfile.TemporaryFile() as file:
        captured = capture.write(capture.target(pid), MODES["heap"], file, lambda done, total: False)
    print(captured.method if sent else "over")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
