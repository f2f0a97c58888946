"""The worker that waits for the next press: one, for nothing, and never of a program that is gone."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from costs import children, settled, switches, worker
from programs import wait_until

if TYPE_CHECKING:
    from conftest import Tray

pytestmark = [pytest.mark.linux, pytest.mark.x11, pytest.mark.desktop, pytest.mark.ptrace]

HOTKEY = "ctrl+alt+shift+d"
ROOT = Path(__file__).parents[2]
QUIET = 10.0
"""Seconds in which the one that waits does nothing at all."""
PATIENCE = 60.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A copy that can be updated."""
    folder = tmp_path / "program"
    for name in ("tray", "icons"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _ticks(pid: int) -> list[str]:
    """Processor time of a process so far, in the kernel's mode and its own."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]


def _next(tray: Tray, spare: int) -> int:
    """The worker that waits in the place of this one, alone; that one has ended."""
    found = wait_until(
        lambda: worker(tray.process.pid) not in {0, spare} and worker(tray.process.pid), "a new worker"
    )
    settled(tray.process.pid)
    assert children(tray.process.pid) == [found]
    return found


def test_one_worker_waits_costs_nothing_and_goes_with_an_update(tray: Tray) -> None:
    """It is used once and replaced, and thrown away unused once the program is another one."""
    app = tray.screen.show("--title", "Ledger")
    first = _next(tray, 0)
    before, woken = _ticks(first), switches(first)
    time.sleep(QUIET)
    assert (_ticks(first), switches(first)) == (before, woken)
    tray.screen.press(HOTKEY)
    assert tray.dump_of(app.pid)["version"] != "updated"
    second = _next(tray, first)
    (tray.program / "tray/__init__.py").write_text('__version__ = "updated"\n')
    tray.screen.press(HOTKEY)
    wait_until(lambda: len(tray.sidecars()) > 1, "another dump", PATIENCE)
    assert "updated" in {sidecar["version"] for sidecar in tray.sidecars()}
    _next(tray, second)
