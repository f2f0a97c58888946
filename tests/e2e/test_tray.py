"""The main job, as a person does it: a real key on a real window, a dump that gdb opens, a toast to click."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import judges
import pytest
from desktop_eyes import click, menus, open_menu, open_submenu, settled, toasts
from programs import state, status
from screen import until

if TYPE_CHECKING:
    from conftest import Tray

pytestmark = [pytest.mark.linux, pytest.mark.x11, pytest.mark.desktop, pytest.mark.ptrace, pytest.mark.gdb]

HOTKEY = "ctrl+alt+shift+d"
ROWS = 10
"""Rows of the menu."""
ROW = 20
"""About the height of one, with its edge."""


def _frames(core: Path) -> dict[int, list[str]]:
    """Function names of every thread, as gdb sees them."""
    return judges.gdb(str(Path(sys.executable).resolve()), core).stacks


def _hello_gone(tray: Tray) -> None:
    """Click the first toast away, so that the next one is alone."""
    box = settled(lambda: toasts(tray.screen), 1)[0]
    click(tray.screen, box.x + 60, box.y + box.height - 15)
    until(lambda: not toasts(tray.screen), "the greeting to go")


def test_key_on_a_window_makes_a_dump_that_gdb_opens(tray: Tray):
    """The hotkey dumps the app in front; it runs on, and gdb names its frames."""
    app = tray.screen.show("--title", "Ledger", "--name", "ledger")
    tray.screen.press(HOTKEY)
    sidecar = tray.dump_of(app.pid)
    assert sidecar["trigger"] == "hotkey"
    assert sidecar["window"]["title"] == "Ledger"
    assert sidecar["window"]["hung"] is False
    assert sidecar["target"]["name"] == "ledger"
    assert any(
        "poll" in name or "select" in name for names in _frames(tray.core(sidecar)).values() for name in names
    )
    assert status(app.pid)["TracerPid"] == "0"
    assert state(app.pid) == "S"


def test_key_on_a_stopped_window(tray: Tray):
    """An app that is stopped is dumped all the same, told as hung, and stays stopped until it is continued."""
    app = tray.screen.show("--title", "Frozen")
    os.kill(app.pid, signal.SIGSTOP)
    tray.screen.press(HOTKEY)
    sidecar = tray.dump_of(app.pid)
    assert sidecar["window"]["hung"] is True
    assert sidecar["threads"][0]["state"] == "T"
    assert _frames(tray.core(sidecar))[app.pid]
    assert state(app.pid) == "T"
    os.kill(app.pid, signal.SIGCONT)
    until(lambda: state(app.pid) == "S", "the app to run on")


def test_toast_button_copies_the_path(tray: Tray):
    """The toast's button puts the dump's path on the clipboard, where any program finds it."""
    _hello_gone(tray)
    app = tray.screen.show("--title", "Ledger")
    tray.screen.press(HOTKEY)
    core = tray.core(tray.dump_of(app.pid))

    def pasted() -> bool:
        box = toasts(tray.screen)
        if box:
            click(tray.screen, box[0].x + box[0].width - 60, box[0].y + box[0].height - 30)
        got = subprocess.run(
            ["xclip", "-selection", "clipboard", "-o"],
            env=tray.environment, capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
        return got.stdout == str(core)

    until(pasted, "the path on the clipboard")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the paths that the tray has opened, a line each; must be made before the tray."""
    script, told = tmp_path / "programs" / "xdg-open", tmp_path / "opened"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$1" >> {told}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    told.touch()
    return told


def test_toast_button_shows_the_report(opened: Path, tray: Tray):
    """The toast's first button has the page made beside the dump, private, and the browser opens it."""
    _hello_gone(tray)
    app = tray.screen.show("--title", "Ledger", "--name", "ledger")
    tray.screen.press(HOTKEY)
    page = tray.core(tray.dump_of(app.pid)).with_suffix(".html")

    def asked() -> bool:
        box = toasts(tray.screen)
        if box and not page.exists():
            click(tray.screen, box[0].x + 80, box[0].y + box[0].height - 30)
        return page.exists()

    until(asked, "the page")
    until(lambda: str(page) in opened.read_text().splitlines(), "the page to be opened")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert f"<b><bdi>ledger</bdi></b> · process {app.pid}" in page.read_text()


def test_menu_dumps_the_app_that_was_in_front(tray: Tray):
    """A click on the menu's first row dumps the last app in front, not the panel."""
    app = tray.screen.show("--title", "Ledger")
    menu = open_menu(tray.screen)
    click(tray.screen, menu.x + 60, menu.y + ROW // 2 + 4)
    assert tray.dump_of(app.pid)["trigger"] == "menu"
    assert len(tray.sidecars()) == 1


def test_recent_app_from_the_menu(tray: Tray):
    """A click on a recent app dumps that one, though another is in front."""
    first = tray.screen.show("--title", "First", "--name", "first")
    second = tray.screen.show("--title", "Second", "--name", "second")
    _, recent = open_submenu(tray.screen, 1, ROWS)
    click(tray.screen, recent.x + 60, int(recent.y + recent.height * 0.75))
    assert tray.dump_of(first.pid)["trigger"] == "menu"
    assert second.poll() is None


def test_mode_from_the_menu(tray: Tray):
    """A mode chosen in the menu is written to the settings and is that of the next dump."""
    app = tray.screen.show("--title", "Ledger")
    _, modes = open_submenu(tray.screen, 2, ROWS)
    click(tray.screen, modes.x + 60, int(modes.y + modes.height * 0.375))  # the second of four
    until(lambda: tray.settings.exists() and 'mode = "heap"' in tray.settings.read_text(), "the setting")
    tray.screen.press(HOTKEY)
    assert tray.dump_of(app.pid)["mode"] == "heap"


def test_settings_are_taken_over_while_it_runs(tray: Tray):
    """A new hotkey in the settings works at once; a mistake is told and the old one stays."""

    def dumped(pid: int) -> bool:
        """Press again until it is: settings take a moment, and a press while a dump runs is only answered."""
        tray.screen.press("ctrl+shift+F9")
        return any(found["target"]["pid"] == pid for found in tray.sidecars())

    app = tray.screen.show("--title", "Ledger")
    tray.settings.parent.mkdir(parents=True, exist_ok=True)
    tray.settings.write_text('hotkey = "ctrl+shift+f9"\n')
    until(lambda: dumped(app.pid), "a dump by the new hotkey")
    tray.settings.write_text('hotkey = "ctrl+shft+f9"\n')
    until(lambda: "is no key" in tray.log(), "the mistake to be told")
    other = tray.screen.show("--title", "Other")
    until(lambda: dumped(other.pid), "a dump by the hotkey that stays")
    assert tray.settings.read_text() == 'hotkey = "ctrl+shft+f9"\n'


def test_second_start_greets_and_ends_well(tray: Tray):
    """A second start shows the first one and exits 0."""
    _hello_gone(tray)
    again = tray.run()
    assert again.returncode == 0, again.stderr
    assert "running already" in again.stdout
    until(lambda: toasts(tray.screen), "the greeting of the second start")


def test_command_line_through_the_tray(tray: Tray):
    """``hangshot dump --foreground`` has the running tray dump what is in front, and tells where it is."""
    app = tray.screen.show("--title", "Ledger")
    outcome = tray.run("dump", "--foreground")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip() == str(tray.core(tray.dump_of(app.pid)))


def test_impatient_presses_are_one_dump(tray: Tray):
    """Presses while a dump runs are answered, not queued."""
    tray.settings.parent.mkdir(parents=True, exist_ok=True)
    tray.settings.write_text('mode = "heap"\ncapture = "stop"\n')  # so that it takes longer than the presses
    _hello_gone(tray)
    app = tray.screen.show("--title", "Ledger", "--heavy", "1024")
    tray.screen.press(*[HOTKEY] * 4)
    tray.dump_of(app.pid)
    until(lambda: not list(tray.dumps.glob("*.partial")), "the end of all dumps")
    assert len(tray.sidecars()) == 1


def test_quit_from_the_menu(tray: Tray):
    """Quit by mouse: exit code 0, and the hotkey is free for others."""
    app = tray.screen.show("--title", "Ledger")
    tray.screen.press(HOTKEY)
    tray.dump_of(app.pid)
    menu = open_menu(tray.screen)
    click(tray.screen, menu.x + 60, menu.y + menu.height - ROW // 2 - 4)
    assert tray.process.wait(20) == 0
    assert not menus(tray.screen)
    free = tray.run("doctor", "--json").stdout
    assert '"hotkey", "ok": true' in free, free


def test_long_dump_shows_progress_and_can_be_cancelled(tray: Tray):
    """A dump that takes its time has a toast with a button; pressed, no file is left and the app runs."""
    tray.settings.parent.mkdir(parents=True, exist_ok=True)
    tray.settings.write_text('mode = "heap"\nnotify_after = 0.01\n')
    _hello_gone(tray)
    app = tray.screen.show("--title", "Ledger", "--heavy", "3072")
    tray.screen.press(HOTKEY)
    box = until(lambda: toasts(tray.screen), "the progress toast")[0]

    def cancelled() -> bool:
        shown = toasts(tray.screen) or [box]
        x, y = shown[0].x + shown[0].width - 50, shown[0].y + shown[0].height - 30
        tray.screen.run("xdotool", "mousemove", str(x), str(y), "click", "1")
        return "Cancelled" in tray.log()

    until(lambda: list(tray.dumps.glob("*.partial")), "the file to grow")
    until(cancelled, "the cancelled dump")
    assert not list(tray.dumps.iterdir())
    assert status(app.pid)["TracerPid"] == "0"
    assert state(app.pid) in "SR"
