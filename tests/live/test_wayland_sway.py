"""Wayland with a real compositor: sway without a screen, and foot in front."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from screen import PATIENCE, until

from tray.desktop import wayland
from tray.errors import NoTarget

pytestmark = [pytest.mark.linux, pytest.mark.wayland]

ROOT = Path(__file__).parents[2]
NOBODY = 65534
"""sway refuses to run as root."""


class Session:
    """A sway of our own, as an ordinary user, and programs on it."""

    def __init__(self, folder):
        self.folder = folder
        self._programs = []
        config = folder / "config"
        config.write_text("xwayland disable\n")
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
        folder.chmod(0o700)
        hidden = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "I3SOCK"}
        self.env = {key: value for key, value in os.environ.items() if key not in hidden} | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "SWAYSOCK": str(folder / "sway"),
            "WLR_BACKENDS": "headless",
            "WLR_RENDERER": "pixman",
            "WLR_LIBINPUT_NO_DEVICES": "1",
        }
        self.start("sway", "--config", str(config))
        until((folder / "sway").exists, "sway")
        self.env["WAYLAND_DISPLAY"] = until(lambda: next(folder.glob("wayland-?"), None), "its display").name

    def start(self, *command):
        """Start a program as the session's user."""
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        quiet = subprocess.DEVNULL
        program = subprocess.Popen(
            [*(user if os.geteuid() == 0 else ()), *command],
            env=self.env,
            stdout=quiet,
            stderr=quiet,
            cwd="/",
        )
        self._programs.append(program)
        return program

    def close(self):
        """End the programs, sway last."""
        for program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


@pytest.fixture(scope="module")
def sway():
    """One sway for all tests here."""
    with tempfile.TemporaryDirectory(prefix="hangshot-sway-") as folder:
        session = Session(Path(folder))
        yield session
        session.close()


@pytest.fixture
def desktop(sway, monkeypatch):
    """Ourselves in that session."""
    for name in ("SWAYSOCK", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, sway.env[name])
    monkeypatch.delenv("DISPLAY", raising=False)
    desktop = wayland.connect()
    yield desktop
    desktop.close()


def _pid(desktop):
    try:
        return desktop.foreground().pid
    except NoTarget:
        return 0


def _end(desktop, program):
    program.kill()
    program.wait()
    until(lambda: _pid(desktop) != program.pid, "the window to go")


def test_foreground(desktop, sway):
    """The window with the focus is named, also while its program is stopped; an empty screen has none."""
    with pytest.raises(NoTarget, match="No app's window"):
        desktop.foreground()
    program = sway.start("foot", "--title", "Füße", "sleep", "600")
    until(lambda: _pid(desktop) == program.pid, "foot")
    os.kill(program.pid, signal.SIGSTOP)
    assert desktop.foreground().title == "Füße"
    assert all(line.ok for line in desktop.health("ctrl+alt+shift+d") if line.part != "hotkey")
    _end(desktop, program)


@pytest.mark.ptrace
def test_dump_of_what_is_in_front(desktop, sway, tmp_path):
    """``hangshot dump --foreground``, as a shortcut of sway starts it, dumps that app without a tray."""
    program = sway.start("foot", "sleep", "600")
    until(lambda: _pid(desktop) == program.pid, "foot")
    words = [sys.executable, "-m", "tray", "dump", "--foreground", "--json", "--output", f"{tmp_path}/"]
    told = subprocess.run(
        words, env=sway.env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    event = json.loads(told.stdout.splitlines()[-1])
    assert (event["event"], event["trigger"], event["target"]["pid"]) == ("dumped", "hotkey", program.pid)
    assert Path(event["path"]).parent == tmp_path
    _end(desktop, program)


def test_watch(desktop, sway):
    """Each window that gets the focus is told once, and the thread ends with us."""
    seen = []
    desktop.watch(lambda window: seen.append(window.pid))
    first = sway.start("foot", "sleep", "600")
    until(lambda: seen == [first.pid], "the first")
    second = sway.start("foot", "sleep", "600")
    until(lambda: seen == [first.pid, second.pid], "the second")
    _end(desktop, second)
    until(lambda: seen == [first.pid, second.pid, first.pid], "the first again")
    _end(desktop, first)
    thread = desktop._following[0][1]
    desktop.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("combo", ["ctrl+alt+shift+d", "super+plus", "ctrl+page up", "f9"])
def test_recipe(desktop, sway, combo):
    """The compositor takes the line that we tell the user to write."""
    config = sway.folder / "recipe"
    config.write_text(wayland.recipe(combo).partition(": ")[2] + "\n")
    config.chmod(0o644)
    check = sway.start("sway", "--validate", "--config", str(config))
    assert check.wait(PATIENCE) == 0


def test_copy(desktop, tmp_path, monkeypatch):
    """Text goes to wl-copy where there is one; where there is none, nothing was copied."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not desktop.copy("text")
    tool = tmp_path / "wl-copy"
    tool.write_text(f"#!/bin/sh\nexec /bin/cat > {tmp_path}/copied\n")
    tool.chmod(0o755)
    assert desktop.copy("Füße")
    assert (tmp_path / "copied").read_text() == "Füße"
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert not desktop.copy("text")
