"""A display of our own for tests: Xvfb with a window manager, keys and screenshots."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from Xlib.display import Display

T = TypeVar("T")

TARGETS = Path(__file__).parent / "targets"
PATIENCE = 10.0
"""Seconds until a test gives up; nothing takes as long unless it is broken."""


def until(ask: Callable[[], T], what: str = "") -> T:
    """The first answer that is true; asked again and again until `PATIENCE` runs out."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited in vain for {what or ask}"
        time.sleep(0.01)
    return answer


class Screen:
    """An Xvfb, its window manager, and the programs on it, all ended by `close`.

    Attributes:
        name: As in ``$DISPLAY``.
        env: Environment for programs that shall show there, and nowhere else.
        manager: The window manager's process.
    """

    def __init__(self, *, managed: bool = True) -> None:
        self._programs: list[subprocess.Popen[str]] = []
        self.name = self._serve()
        self.env = {key: value for key, value in os.environ.items() if not _is_about_display(key)}
        self.env |= {"DISPLAY": self.name, "XDG_SESSION_TYPE": "x11"}
        self.manager = self.manage() if managed else None

    def _serve(self) -> str:
        """Start the server and learn its number when it is ready for clients."""
        reader, writer = os.pipe()
        command = [
            "Xvfb",
            "-displayfd",
            str(writer),
            "-noreset",
            "-screen",
            "0",
            "1280x800x24",
            "-nolisten",
            "tcp",
        ]
        quiet = subprocess.DEVNULL
        self.server = subprocess.Popen(command, pass_fds=[writer], stdout=quiet, stderr=quiet, text=True)
        os.close(writer)
        with os.fdopen(reader) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        return f":{number}"

    def manage(self, *command: str) -> subprocess.Popen[str]:
        """Start a window manager and wait until it rules."""
        manager = self.start(*(command or ("openbox", "--sm-disable")))
        with contextlib.closing(self.connect()) as display:
            check = display.get_atom("_NET_SUPPORTING_WM_CHECK")
            until(lambda: display.screen().root.get_full_property(check, 0), "a window manager")
        return manager

    def start(self, *command: str, **more) -> subprocess.Popen[str]:
        """Start a program on this display; its output is there to be read."""
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        program = subprocess.Popen(command, text=True, **({"env": self.env} | quiet | more))
        self._programs.append(program)
        return program

    def run(self, *command: str, **more) -> str:
        """What a program prints that ends by itself."""
        return subprocess.run(
            command, env=self.env, text=True, check=True, capture_output=True, timeout=PATIENCE, **more
        ).stdout

    def show(self, *options: str) -> subprocess.Popen[str]:
        """A window that answers pings, in front and with the focus. Its handshake has been read."""
        program = self.start(sys.executable, str(TARGETS / "hung_window.py"), *options)
        assert program.stdout
        ready = program.stdout.readline().split()
        assert ready[:2] == ["ready", str(program.pid)], ready
        return program

    def press(self, *combos: str) -> None:
        """Press key combinations, written as for xdotool: ``ctrl+alt+shift+d``."""
        self.run("xdotool", "key", *combos)

    def down(self, combo: str) -> None:
        """Hold keys until `up`."""
        self.run("xdotool", "keydown", combo)

    def up(self, combo: str) -> None:
        """Let go of keys."""
        self.run("xdotool", "keyup", combo)

    def connect(self) -> Display:
        """Another client of this display."""
        from Xlib.display import Display

        return Display(self.name)

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen as a PNG."""
        self.run("import", "-window", "root", str(path))

    def end(self, program: subprocess.Popen[str]) -> None:
        """End a program that was started here, stopped or not."""
        program.kill()
        program.wait()
        if program.stdout:
            program.stdout.close()

    def close(self) -> None:
        """End everything, the server last."""
        for program in reversed(self._programs):
            self.end(program)
        self.server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.wait(PATIENCE)
        self.end(self.server)


def _is_about_display(key: str) -> bool:
    return key in {
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "SWAYSOCK",
        "I3SOCK",
        "HYPRLAND_INSTANCE_SIGNATURE",
        "XAUTHORITY",
    }


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    """A display with openbox, one for each module of tests."""
    screen = Screen()
    yield screen
    screen.close()
