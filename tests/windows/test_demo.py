"""The demo: a program with a frozen window and a real deadlock, dumped by the key, as the README has people run it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import windows_keys
from windows_keys import ALT, CTRL, SHIFT, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TITLE = "Hangshot demo"
KEYS = CTRL, ALT, SHIFT, ord("D")


@pytest.fixture
def demo(taskbar) -> Iterator[subprocess.Popen[str]]:
    """The demo, as it is typed."""
    words = [sys.executable, "-X", "utf8", "-m", "tray", "demo", "--seconds", "60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def said(demo: subprocess.Popen[str], pattern: str) -> str:
    """The next line that matches."""
    line = next((line for line in demo.stdout if re.search(pattern, line)), "")
    assert line, f"never said {pattern!r}"
    return line


def test_demo(demo):
    """The key over its hung window: saved, the deadlock is named, and nothing is left running."""
    said(demo, r"hangshot-demo \(\d+\)")
    said(demo, "press Ctrl")
    window = until(lambda: windows_keys.user32.FindWindowW(None, TITLE), "the window")
    until(lambda: windows_keys.user32.IsHungAppWindow(window), "Windows to see that it hangs", 30)
    windows_keys.hold(*KEYS)
    windows_keys.release(*KEYS)
    path = Path(said(demo, "^Saved: ").removeprefix("Saved: ").strip())
    assert path.is_file()
    said(demo, r"^  windbg -z .*\.dmp -c ")
    said(demo, r"^Deadlock: worker-1 ↔ worker-2")
    said(demo, r"worker-1 waits for a critical section at 0x[0-9a-f]+ held by worker-2")
    said(demo, r"worker-2 waits for a critical section at 0x[0-9a-f]+ held by worker-1")
    assert demo.wait(30) == 0
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["trigger"] == "hotkey"
    assert not windows_keys.user32.FindWindowW(None, TITLE)


def test_it_ends_with_us(demo):
    """Whatever ends the demo takes the frozen program along."""
    said(demo, "press Ctrl")
    assert windows_keys.user32.FindWindowW(None, TITLE)
    demo.kill()
    until(lambda: not windows_keys.user32.FindWindowW(None, TITLE), "the window to go", seconds=30)
