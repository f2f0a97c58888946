"""The Windows desktop as a person has it: real keys and clicks, from outside of Wine."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
TESTBED = str(ROOT / ".ci" / "testbed")
PATIENCE = 20.0


def xdotool(*words: object) -> None:
    """What a hand does."""
    subprocess.run(["xdotool", *map(str, words)], check=True)


def click(x: int, y: int, button: int = 1) -> None:
    """Move the mouse there and click."""
    xdotool("mousemove", x, y, "sleep", 0.2, "click", button)


def boxes(name: str) -> list[tuple[int, int, int, int]]:
    """Place and size of the windows on the screen that a program shows, named by its class."""
    from Xlib import X
    from Xlib.display import Display
    from Xlib.error import XError

    found = []
    with contextlib.closing(Display()) as display:
        todo = [display.screen().root]
        while todo:
            window = todo.pop()
            with contextlib.suppress(XError):
                todo += window.query_tree().children
                kind, place = window.get_wm_class(), window.get_geometry()
                if kind and name in kind[0] and window.get_attributes().map_state == X.IsViewable:
                    at = window.translate_coords(display.screen().root, 0, 0)
                    found.append((-at.x, -at.y, place.width, place.height))
    return found


class Told:
    """A program inside, and what it says."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [TESTBED, "run", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, word: str) -> None:
        """Read on until a line begins so."""
        deadline = time.monotonic() + PATIENCE
        heard = []
        while not (heard and heard[-1].startswith(word)):
            try:
                heard.append(self._lines.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"no {word!r} after {heard}")

    def end(self) -> None:
        """Let it end: programs here end with their input."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line.rstrip())


@pytest.fixture
def tray() -> Iterator[Told]:
    """Our tray, inside."""
    told = Told("python", "-X", "utf8", "tests/windows/outside/desktop_program.py", "ctrl+alt+shift+d")
    try:
        told.wait_for("ready")
        yield told
    finally:
        told.end()


@pytest.fixture
def app(tray: Told) -> Iterator[Told]:
    """An app in front."""
    folder = subprocess.run([TESTBED, "path", "targets64"], capture_output=True, text=True, check=True).stdout
    told = Told("Z:" + folder.strip().replace("/", "\\") + "\\deadlock_window.exe")
    try:
        told.wait_for("ready")
        tray.wait_for("front Deadlocked")
        yield told
    finally:
        told.end()


def test_key_menu_and_quit(tray: Told, app: Told) -> None:
    """A key over an app tells its window; the icon's menu opens on a click, and Quit quits."""
    xdotool("key", "ctrl+alt+shift+d")
    tray.wait_for("pressed Deadlocked ü")
    x, y, *_ = until(lambda: [box for box in boxes("explorer") if box[2] > 100], "the icon's window")[0]
    click(x + 11, y + 11)
    tray.wait_for("near")
    menu = until(lambda: [box for box in boxes("python") if box[2] > 100 and box[3] > 40], "the menu")[0]
    click(menu[0] + 40, menu[1] + menu[3] - 12)
    tray.wait_for("closed")
