"""The demo, as the README has people run it: without a screen, with one, and beside a running tray."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import wait_until

from tray.desktop.instance import TRAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from screen import Screen
    from session import Session

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

ROOT = Path(__file__).parents[2]
PATIENCE = 40
HOTKEY = "ctrl+alt+shift+d"


class Talk:
    """A running ``hangshot`` and what it has said so far."""

    def __init__(self, *words: str, screen: Screen | None) -> None:
        environment = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
        environment["PYTHONUNBUFFERED"] = "1"
        if screen:
            environment["DISPLAY"] = screen.name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tray", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with self.process.stdout as lines:
            self.said.extend(lines)

    def hear(self, pattern: str) -> str:
        """The first line that matches, once it was said."""

        def heard() -> str:
            found = next((line for line in self.said if re.search(pattern, line)), "")
            assert found or self._reader.is_alive(), f"never said {pattern!r}: {self.said}"
            return found

        return wait_until(heard, f"{pattern!r} in {self.said}", PATIENCE)

    def end(self) -> int:
        """Wait for its end; gives the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            self.process.terminate()
        self.end()


@pytest.fixture
def hangshot(homes: Path) -> Iterator[Callable[..., Talk]]:
    """Starts ``hangshot`` with these words, in empty folders."""
    talks: list[Talk] = []

    def start(*words: str, screen: Screen | None = None) -> Talk:
        talks.append(Talk(*words, screen=screen))
        return talks[-1]

    yield start
    for talk in reversed(talks):
        talk.close()


def dumped(talk: Talk) -> Path:
    """The dump that the demo says it has saved."""
    return Path(talk.hear(r"^Saved: ").removeprefix("Saved: ").strip())


def pid_of(talk: Talk) -> int:
    """The process id of the program that deadlocked."""
    return int(re.search(r"hangshot-demo \((\d+)\)", talk.hear("deadlocked"))[1])


def backtraces(path: Path) -> str:
    """What the gdb command that the demo prints shows."""
    asked = ["gdb", "-batch", str(Path(sys.executable).resolve()), str(path), "-ex", "thread apply all bt"]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


@pytest.mark.gdb
def test_without_a_screen(hangshot) -> None:
    """Nobody can press a key, so it dumps at once; the dump shows the deadlock; nothing is left running."""
    talk = hangshot("demo")
    pid = pid_of(talk)
    path = dumped(talk)
    assert talk.end() == 0, talk.said
    talk.hear(re.escape(f"gdb {Path(sys.executable).resolve()} {path} -ex 'thread apply all bt'"))
    assert path.name.startswith(f"hangshot-demo_{pid}_")
    assert backtraces(path).count("pthread_mutex_lock") >= 2
    talk.hear(r"Deadlock: worker-1 ↔ worker-2, in save\(\) and load\(\)")
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.x11
def test_the_key(hangshot, screen: Screen) -> None:
    """With a screen, the key over the frozen window dumps it."""
    talk = hangshot("demo", "--seconds", "60", screen=screen)
    talk.hear(r"press Ctrl\+Alt\+Shift\+D")
    screen.press(HOTKEY)
    assert dumped(talk).is_file()
    assert talk.end() == 0


@pytest.mark.x11
def test_nobody_presses(hangshot, screen: Screen) -> None:
    """If nobody presses the key, it dumps by itself."""
    talk = hangshot("demo", "--seconds", "0.5", "--mode", "heap", screen=screen)
    assert dumped(talk).name.endswith("_heap.core")
    assert talk.end() == 0


@pytest.mark.x11
def test_another_window_in_front(hangshot, screen: Screen) -> None:
    """The key over another window dumps nothing, and says what to do."""
    talk = hangshot("demo", "--seconds", "60", screen=screen)
    talk.hear("press Ctrl")
    other = screen.show("--title", "Another one")
    wait_until(lambda: "Another one" in _active(screen), "the other window in front")
    screen.press(HOTKEY)
    talk.hear("click on the demo's window")
    screen.end(other)
    wait_until(lambda: "Hangshot demo" in _active(screen), "the demo's window in front")
    screen.press(HOTKEY)
    assert dumped(talk).is_file()


def _active(screen: Screen) -> str:
    asked = ("xdotool", "getactivewindow", "getwindowname")
    answer = subprocess.run(asked, env=screen.env, capture_output=True, text=True, check=False)
    return answer.stdout


@pytest.mark.x11
def test_interrupted(hangshot, screen: Screen) -> None:
    """Ctrl+C ends it and the frozen program."""
    talk = hangshot("demo", "--seconds", "60", screen=screen)
    pid = pid_of(talk)
    talk.hear("press Ctrl")
    talk.process.terminate()
    assert talk.end() == 130
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.desktop
def test_beside_a_tray(hangshot, screen: Screen, bus: Session, notifyd) -> None:
    """A tray that runs takes the key; the demo sees the dump that it makes."""
    tray = hangshot(screen=screen)
    wait_until(lambda: bus.owned(TRAY.name), "the tray")
    talk = hangshot("demo", "--seconds", "60", screen=screen)
    talk.hear("tray that runs takes the key")
    wait_until(lambda: "Hangshot demo" in _active(screen), "the demo's window in front")
    screen.press(HOTKEY)
    assert dumped(talk).is_file()
    assert talk.end() == 0
    tray.process.terminate()
    assert tray.end() == 0, tray.said
