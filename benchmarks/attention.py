"""What the tray costs and how fast it is: on a screen of its own, with real keys and a program that shows a window."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from programs import tids  # noqa: E402 - found by the line above
from screen import Screen, until  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "The tray"
KEYS = ("Control_L", "Alt_L", "Shift_L", "d")
REST = 1.0
"""Seconds between two presses: the toast is shown, the next worker is ready."""
FRESH = 12.0
"""Seconds after the start in which the tray may still wait for a panel."""


@contextmanager
def tray(screen: Screen, folder: Path) -> Iterator[tuple[int, Path, float]]:
    """A running tray: its pid, its dump folder, and how many seconds it took to be there."""
    home = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    for path in home.values():
        Path(path).mkdir(exist_ok=True)
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = bus.stdout.readline().strip() if bus.stdout else ""
    environment = {**screen.env, **home, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    environment["DBUS_SESSION_BUS_ADDRESS"] = address
    quiet, began = subprocess.DEVNULL, time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "tray"], cwd=ROOT, env=environment, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        until((folder / "state/hangshot/greeted").exists, "the tray")
        yield process.pid, folder / "data/hangshot/dumps", time.monotonic() - began
    finally:
        for program in (process, bus):
            program.terminate()
            program.wait(20)


class Keyboard:
    """Presses keys through the XTEST extension, and knows when."""

    def __init__(self, screen: Screen) -> None:
        from Xlib import XK

        self.display = screen.connect()
        self.codes = [self.display.keysym_to_keycode(XK.string_to_keysym(key)) for key in KEYS]

    def press(self) -> float:
        """Press the hotkey; gives the moment before its last key went down."""
        from Xlib import X
        from Xlib.ext import xtest

        for code in self.codes[:-1]:
            xtest.fake_input(self.display, X.KeyPress, code)
        self.display.sync()
        moment = time.monotonic()
        xtest.fake_input(self.display, X.KeyPress, self.codes[-1])
        self.display.flush()
        return moment

    def release(self) -> None:
        """Let all keys go."""
        from Xlib import X
        from Xlib.ext import xtest

        for code in reversed(self.codes):
            xtest.fake_input(self.display, X.KeyRelease, code)
        self.display.sync()


def frozen(pid: int) -> bool:
    """Whether its main thread is stopped by a tracer."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rsplit(b")", 1)[1].split()[0] == b"t"


def press(keyboard: Keyboard, pid: int, dumps: Path) -> tuple[float, float]:
    """Seconds from a press to the freeze, and to the dump under its own name; the first is 0 if it was not seen."""
    before = set(dumps.glob("*.json"))
    began, stood, done = keyboard.press(), 0.0, 0.0
    while not done:
        now = time.monotonic() - began
        if not stood and frozen(pid):
            stood = now
        if (stood or now > 1) and set(dumps.glob("*.json")) - before:
            done = now
        if now > 20:
            raise SystemExit("no dump came of a press")
        time.sleep(0.0001)
    keyboard.release()
    return stood, done


def presses(keyboard: Keyboard, pid: int, dumps: Path, rounds: int) -> tuple[list[float], list[float]]:
    """All of both, after one to warm up."""
    found = []
    for _ in range(rounds + 1):
        time.sleep(REST)
        found.append(press(keyboard, pid, dumps))
    return [stood for stood, _ in found[1:] if stood], [done for _, done in found[1:]]


def woken(pids: list[int], seconds: float) -> int:
    """How often the kernel switched to any of their threads within this time."""

    def switches() -> int:
        texts = (Path(f"/proc/{pid}/task/{tid}/status").read_text() for pid in pids for tid in tids(pid))
        lines = (line for text in texts for line in text.splitlines() if "ctxt_switches" in line)
        return sum(int(line.split()[1]) for line in lines)

    before = switches()
    time.sleep(seconds)
    return switches() - before


def children(pid: int) -> list[int]:
    """Processes that any of its threads started."""
    texts = (Path(f"/proc/{pid}/task/{tid}/children").read_text() for tid in tids(pid))
    return [int(word) for text in texts for word in text.split()]


def memory(pid: int) -> int:
    """Resident bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) << 10


def _milliseconds(values: list[float]) -> str:
    values = [value * 1e3 for value in values]
    return f"{statistics.median(values):.0f} [{min(values):.0f}-{max(values):.0f}]" if values else "not seen"


def table(rounds: int, quiet: float) -> Iterator[str]:
    """The whole of it as Markdown."""
    yield f"\n### {NAME}, with the hotkey, on Xvfb\n"
    yield "| what | figure | n |"
    yield "|---|---|---|"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        screen = Screen()
        try:
            with tray(screen, Path(folder)) as (pid, dumps, started):
                window, keyboard = screen.show("--title", "Ledger"), Keyboard(screen)
                stood, done = presses(keyboard, window.pid, dumps, rounds)
                yield f"| key press → app frozen, ms (mini) | {_milliseconds(stood)} | {len(stood)} |"
                yield f"| key press → dump under its own name, ms (mini) | {_milliseconds(done)} | {len(done)} |"
                os.kill(window.pid, signal.SIGSTOP)
                stood, done = presses(keyboard, window.pid, dumps, rounds)
                yield f"| the same for a window that hangs: frozen | {_milliseconds(stood)} | {len(stood)} |"
                yield f"| … dump under its own name | {_milliseconds(done)} | {len(done)} |"
                time.sleep(FRESH)
                worker = children(pid)[0]
                count = woken([pid, worker], quiet)
                yield f"| wake-ups of tray and waiting worker in {quiet:.0f} quiet seconds | {count} | 1 |"
                sizes = ", ".join(f"{memory(one) / 2**20:.1f}" for one in (pid, worker))
                yield f"| memory of the tray, and of the waiting worker, MiB | {sizes} | 1 |"
                yield f"| start → icon and hotkey there, s | {started:.2f} | 1 |"
        finally:
            screen.close()


if __name__ == "__main__":
    print("\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 10, 10.0)))
