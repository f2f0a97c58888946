"""What the tray costs while nobody needs it: no wake-ups, little memory, and nothing that piles up."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from costs import Cost, Front, cost, settled, switches, worker
from programs import wait_until

if TYPE_CHECKING:
    from conftest import Tray

pytestmark = [pytest.mark.linux, pytest.mark.x11, pytest.mark.desktop, pytest.mark.ptrace]

HOTKEY = "ctrl+alt+shift+d"
QUIET = 10.0
"""Seconds without a single wake-up; `benchmarks/run` watches for a minute."""
WINDOWS = 4
"""So many stretches of that length are watched: a toast may end in one."""
MOST_MEMORY, MOST_OF_WORKER = 60 << 20, 25_000_000
LEEWAY = 1 << 20
"""Bytes that what is free between things in use may vary by: less than 52 KiB for each dump."""
PATIENCE = 60.0


def _dump(tray: Tray, pid: int) -> None:
    """Press the key, and see the dump, its report and the next worker."""
    before, spare = set(tray.dumps.glob("*.txt")), worker(tray.process.pid)
    tray.screen.press(HOTKEY)
    wait_until(lambda: set(tray.dumps.glob("*.txt")) - before, f"a report about {pid}", PATIENCE)
    wait_until(lambda: worker(tray.process.pid) != spare, "the next worker", PATIENCE)


def test_a_quiet_tray_never_wakes(tray: Tray) -> None:
    """While nothing happens, no thread of the tray or of its worker runs even once; and both are small."""
    app = tray.screen.show("--title", "Ledger")
    _dump(tray, app.pid)
    settled(tray.process.pid)
    both = tray.process.pid, worker(tray.process.pid)
    woken = []
    for _ in range(WINDOWS):
        before = switches(*both)
        time.sleep(QUIET)
        after = switches(*both)
        woken.append(
            {tid: after.get(tid, -1) - count for tid, count in before.items() if after.get(tid) != count}
        )
        if before == after:
            break
    assert not woken[-1], woken
    assert cost(both[0]).memory <= MOST_MEMORY
    assert cost(both[1]).memory <= MOST_OF_WORKER


def test_dumps_and_windows_leave_nothing_behind(tray: Tray) -> None:
    """After many dumps and foreground changes the tray is as large as after a few (`benchmarks/endurance` has more)."""
    apps = [tray.screen.show("--title", title) for title in ("Ledger", "Letters")]
    windows = [int(tray.screen.run("xdotool", "search", "--pid", str(app.pid)).split()[-1]) for app in apps]

    def live(dumps: int, changes: int) -> Cost:
        with closing(Front(tray.screen, windows)) as front:
            for _ in range(changes):
                front.change()
            for _ in range(dumps):
                front.change()
                _dump(tray, apps[0].pid)
        settled(tray.process.pid)
        return cost(tray.process.pid)

    early, late = live(10, 100), live(20, 400)
    assert late.threads <= early.threads + 2, "one more for each dump would be twenty"
    assert late.files <= early.files + 2
    assert late.own <= early.own + LEEWAY
