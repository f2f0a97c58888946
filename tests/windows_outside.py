"""The test bed's screen as a person has it, from outside of Wine: windows, clicks, keys and processes."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TESTBED = ROOT / ".ci" / "testbed"
HOME = Path(os.environ.get("HANGSHOT_TESTBED", "."))
PREFIX = HOME / "prefixes" / os.environ.get("HANGSHOT_WINE_SESSION", ".")
PATIENCE = 60.0
"""Seconds for what takes a start of Wine."""

Box = tuple[int, int, int, int]
"""Place and size of a window on the screen: left, top, width, height."""
LEFT, RIGHT = 1, 3


def command(program: Path | str, *arguments: object) -> list[str]:
    """The command line that runs a Windows program in the session we are in."""
    name = str(program)
    return [
        str(TESTBED),
        "run",
        "Z:" + name.replace("/", "\\") if "/" in name else name,
        *map(str, arguments),
    ]


def ended(program: Path | str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A Windows program that ends by itself, with what it printed."""
    return subprocess.run(
        command(program, *arguments), check=False, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT
    )


def told(program: Path | str, *arguments: object) -> str:
    """What a Windows program prints that ends well."""
    result = ended(program, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def processes(name: str) -> list[int]:
    """Linux's numbers of the processes of a Windows program in our session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = f"WINEPREFIX={PREFIX}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if ours and (folder / "comm").read_text(errors="replace").strip() == name:
                found.append(int(folder.name))
    return found


# ---- the screen


def xdotool(*words: object) -> None:
    """What a hand does."""
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=PATIENCE)


def click(x: int, y: int, button: int = LEFT) -> None:
    """Move the mouse there and click."""
    xdotool("mousemove", x, y, "sleep", 0.2, "click", button)


def boxes(name: str) -> list[Box]:
    """The windows that a program shows, named by its class."""
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


def icon() -> tuple[int, int]:
    """Where the first icon of Wine's taskbar is, once one is drawn."""

    def drawn() -> Box | None:
        shown = [box for box in boxes("explorer") if 100 < box[2] < 300 and box[3] < 40]
        return shown[0] if shown and colours(shown[0]) > 8 else None

    x, y, *_ = wait_until(drawn, "the icon", PATIENCE)
    return x + 11, y + 11


def colours(box: Box) -> int:
    """How many colours are in a part of the screen: one or two where nothing is drawn."""
    from Xlib import X
    from Xlib.display import Display

    with contextlib.closing(Display()) as display:
        image = display.screen().root.get_image(*box, X.ZPixmap, 0xFFFFFFFF)
    return len({image.data[at : at + 4] for at in range(0, len(image.data), 4)})


def menu(program: str) -> Box:
    """A program's menu, once it is open."""

    def seen() -> list[Box]:
        return [box for box in boxes(program) if box[2] > 100 and box[3] > 40]

    return wait_until(seen, "the menu", PATIENCE)[0]


def balloons() -> list[Box]:
    """The balloons on the screen."""
    return [box for box in boxes("explorer") if box[2] > 200 and 40 < box[3] < 300]


def screenshot(path: Path) -> None:
    """Save what is to be seen."""
    subprocess.run(["import", "-window", "root", str(path)], check=True, timeout=PATIENCE)


class Told:
    """A program inside, and what it says, one line a happening."""

    def __init__(self, *words: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [TESTBED, "run", *words], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, word: str) -> str:
        """Read on until a line begins so; the line."""
        deadline = time.monotonic() + PATIENCE
        heard: list[str] = []
        while not (heard and heard[-1].startswith(word)):
            try:
                heard.append(self._lines.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"no {word!r} after {heard}")
        return heard[-1]

    def end(self, patience: float = 10) -> None:
        """Let it end with its input, or end it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self._reader.join(5)
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip())


@contextlib.contextmanager
def target(name: str, *words: str, bits: int = 64) -> Iterator[tuple[Told, list[str]]]:
    """A program to dump, and the words of its handshake."""
    started = Told("Z:" + str(HOME / f"targets{bits}" / f"{name}.exe").replace("/", "\\"), *words)
    try:
        yield started, started.wait_for("ready").split()
    finally:
        started.end(0)
