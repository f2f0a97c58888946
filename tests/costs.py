"""What a running tray costs: its worker that waits, memory, open files, threads and wake-ups."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from programs import tids, wait_until

if TYPE_CHECKING:
    from screen import Screen

PATIENCE = 60.0
REST = 0.5
"""Seconds without a wake-up after which a tray counts as having done all that there was to do."""


@dataclass(frozen=True)
class Cost:
    """Of one process at one moment.

    Attributes:
        memory: Resident bytes.
        own: Of these, what no file backs.
        files: Open ones.
        threads: That run.
        woken: How often the kernel has switched to it since it began, of threads that live.
    """

    memory: int
    own: int
    files: int
    threads: int
    woken: int


def cost(pid: int) -> Cost:
    """Of this process now."""
    return Cost(
        number(pid, "VmRSS") << 10,
        number(pid, "RssAnon") << 10,
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        len(tids(pid)),
        sum(switches(pid).values()),
    )


def number(pid: int, name: str, tid: int | None = None) -> int:
    """A number of /proc/PID/status."""
    path = Path(f"/proc/{pid}/task/{tid or pid}/status")
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name))


def switches(*pids: int) -> dict[int, int]:
    """How often the kernel has switched to each thread of these processes."""
    kinds = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    found = {}
    for pid in pids:
        for tid in tids(pid):
            with contextlib.suppress(OSError):  # a thread may end meanwhile
                found[tid] = sum(number(pid, kind, tid) for kind in kinds)
    return found


def children(pid: int) -> list[int]:
    """Processes that any of its threads started."""
    found: list[int] = []
    for tid in tids(pid):
        with contextlib.suppress(OSError):  # as above
            found += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
    return found


def worker(tray: int) -> int:
    """The worker that a tray keeps ready, once it waits: in a read of its input, with all imported."""

    def waits() -> int:
        found = [pid for pid in children(tray) if b"--request" in _command(pid)]
        return next((pid for pid in found if _syscall(pid)[:2] == ["0", "0x0"]), 0)

    return wait_until(waits, "a worker that waits", PATIENCE)


def settled(tray: int) -> None:
    """Wait until a tray has nothing more to do: nothing but its worker is left, and none of its threads runs."""

    def rests() -> bool:
        if children(tray) != [worker(tray)]:
            return False
        before = switches(tray)
        time.sleep(REST)
        return switches(tray) == before

    wait_until(rests, "the tray to rest", PATIENCE)


class Front:
    """Brings windows to the front, one after the other, as a person does with a task bar."""

    def __init__(self, screen: Screen, windows: list[int]) -> None:
        self._display = screen.connect()
        self._root = self._display.screen().root
        self._windows = windows
        self._active = self._display.get_atom("_NET_ACTIVE_WINDOW")
        self._turn = 0

    def change(self) -> None:
        """Bring the next one to the front, and wait until it is there."""
        from Xlib import X
        from Xlib.protocol.event import ClientMessage

        self._turn += 1
        window = self._windows[self._turn % len(self._windows)]
        message = ClientMessage(
            window=window, client_type=self._active, data=(32, [2, X.CurrentTime, 0, 0, 0])
        )
        self._root.send_event(message, event_mask=X.SubstructureNotifyMask | X.SubstructureRedirectMask)
        wait_until(lambda: self._in_front() == window, "another window in front")

    def _in_front(self) -> int:
        found = self._root.get_full_property(self._active, 0)
        return int(found.value[0]) if found else 0

    def close(self) -> None:
        """Leave the display."""
        self._display.close()


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):  # it may end meanwhile, here and below
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _syscall(pid: int) -> list[str]:
    """Number and arguments of the call that a process waits in."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/syscall").read_text().split()
    return []
