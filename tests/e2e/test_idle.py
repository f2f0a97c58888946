"""What the tray costs while nobody needs it: no wake-ups, little memory, and nothing that piles up."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import tids, wait_until

if TYPE_CHECKING:
    from conftest import Tray

pytestmark = [pytest.mark.linux, pytest.mark.x11, pytest.mark.desktop, pytest.mark.ptrace]

HOTKEY = "ctrl+alt+shift+d"
QUIET = 10.0
"""Seconds without a single wake-up; `benchmarks/run` watches for a minute."""
WINDOWS = 4
"""So many stretches of that length are watched: a toast may end in one."""
MOST_MEMORY = 60 << 20
PATIENCE = 60.0


def _field(pid: int, name: str, tid: int | None = None) -> int:
    """A number of /proc/PID/status."""
    path = Path(f"/proc/{pid}/task/{tid or pid}/status")
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name))


def _children(pid: int) -> list[int]:
    """Processes that any of its threads started."""
    found: list[int] = []
    for tid in tids(pid):
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            found += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
    return found


def _switches(tray: Tray) -> dict[int, int]:
    """How often the kernel has switched to each thread of the tray and of the worker that waits."""
    kinds = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    return {
        tid: sum(_field(pid, kind, tid) for kind in kinds)
        for pid in (tray.process.pid, *_children(tray.process.pid))
        for tid in tids(pid)
    }


def _worker(tray: Tray) -> int:
    """The worker that waits, once it does: it sleeps in a read of its input, with all imported."""

    def waits() -> int:
        found = [pid for pid in _children(tray.process.pid) if b"--request" in _command(pid)]
        return next((pid for pid in found if _syscall(pid)[:2] == ["0", "0x0"]), 0)

    return wait_until(waits, "a worker that waits", PATIENCE)


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):  # it may end meanwhile, here and below
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _syscall(pid: int) -> list[str]:
    """Number and arguments of the call that a process waits in."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/syscall").read_text().split()
    return []


def _dump(tray: Tray, pid: int) -> None:
    """Press the key, and see the dump and the next worker."""
    before, spare = len(tray.sidecars()), _worker(tray)
    tray.screen.press(HOTKEY)
    wait_until(lambda: len(tray.sidecars()) > before, f"a dump of {pid}", PATIENCE)
    wait_until(lambda: _worker(tray) != spare, "the next worker", PATIENCE)


def test_a_quiet_tray_never_wakes(tray: Tray) -> None:
    """While nothing happens, no thread of the tray or of its worker runs even once; and both are small."""
    app = tray.screen.show("--title", "Ledger")
    _dump(tray, app.pid)
    worker, woken = _worker(tray), []
    for _ in range(WINDOWS):
        before = _switches(tray)
        time.sleep(QUIET)
        after = _switches(tray)
        woken.append(
            {tid: after.get(tid, -1) - count for tid, count in before.items() if after.get(tid) != count}
        )
        if before == after:
            break
    assert not woken[-1], woken
    assert _field(tray.process.pid, "VmRSS") << 10 <= MOST_MEMORY
    assert _field(worker, "VmRSS") << 10 <= 25 << 20


def test_dumps_and_windows_leave_nothing_behind(tray: Tray) -> None:
    """After many dumps and foreground changes there are no more threads and open files than after a few."""
    apps = [tray.screen.show("--title", title) for title in ("Ledger", "Letters")]
    windows = [tray.screen.run("xdotool", "search", "--pid", str(app.pid)).split()[-1] for app in apps]

    def live(dumps: int, changes: int) -> tuple[int, int]:
        for number in range(changes):
            tray.screen.run("xdotool", "windowactivate", "--sync", windows[number % 2])
        for _ in range(dumps):
            _dump(tray, apps[0].pid)
        pid = tray.process.pid
        return _settled(lambda: len(tids(pid))), _settled(
            lambda: len(list(Path(f"/proc/{pid}/fd").iterdir()))
        )

    threads, files = live(3, 20)
    later = live(8, 100)
    assert later[0] <= threads + 2, "one more for each dump would be eight"
    assert later[1] <= files + 2


def _settled(count) -> int:
    """A number that stays the same for half a second."""
    seen = [0, -1]
    while seen[-1] != seen[-2]:
        seen.append(count())
        time.sleep(0.5)
    return seen[-1]
