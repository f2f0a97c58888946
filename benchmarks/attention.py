"""What the tray costs and how fast it is: on a screen of its own, with real keys and a program that shows a window."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from costs import cost, settled, switches, worker  # noqa: E402 - found by the line above
from screen import Screen, until  # noqa: E402 - as above
from session import desk  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Xlib.display import Display

NAME = "The tray"
KEYS = ("Control_L", "Alt_L", "Shift_L", "d")
REST = 1.0
"""Seconds between two presses: the toast is shown, the next worker is ready."""
FRESH = 12.0
"""Seconds after which the last toast has gone, which the tray is told of."""
STARTS = 5
BIG = ("--heavy", "2048", "--idlers", "9")
WHAT = "2 GiB, 10 threads"
MANY = ("--mappings", "60000")
"""Nearly as many as a process may have on most systems (vm.max_map_count)."""


@contextmanager
def tray(screen: Screen) -> Iterator[tuple[int, Path, float]]:
    """A running tray: its pid, its dump folder, and how many seconds it took until its icon was to be seen."""
    quiet = subprocess.DEVNULL
    with closing(screen.connect()) as display:
        bare, began = _panel(display), time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tray"], cwd=ROOT, stdin=quiet, stdout=quiet, stderr=quiet
        )
        try:
            until(lambda: _panel(display) != bare, "the icon")
            yield process.pid, Path(os.environ["XDG_DATA_HOME"]) / "hangshot/dumps", time.monotonic() - began
        finally:
            process.terminate()
            process.wait(20)


def _panel(display: Display) -> bytes:
    """What the place of the first icon looks like."""
    from Xlib import X

    return display.screen().root.get_image(2, 2, 26, 26, X.ZPixmap, 0xFFFFFFFF).data


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
        time.sleep(0.002 if stood else 0.0005)  # more would take the processor from what is measured
    keyboard.release()
    return stood, done


def presses(keyboard: Keyboard, pid: int, dumps: Path, rounds: int) -> tuple[list[float], list[float]]:
    """All of both, after one to warm up."""
    found = []
    for _ in range(rounds + 1):
        time.sleep(REST)
        found.append(press(keyboard, pid, dumps))
    return [stood for stood, _ in found[1:] if stood], [done for _, done in found[1:]]


def _milliseconds(values: list[float]) -> str:
    values = [value * 1e3 for value in values]
    return f"{statistics.median(values):.0f} [{min(values):.0f}-{max(values):.0f}]" if values else "not seen"


def table(rounds: int, quiet: float) -> Iterator[str]:
    """The whole of it as Markdown."""
    yield f"\n### {NAME}, with the hotkey, on Xvfb with a panel\n"
    yield "| what | figure | n |"
    yield "|---|---|---|"
    with desk() as screen:
        starts = [_start(screen) for _ in range(STARTS)]
        middle, least, most = statistics.median(starts), min(starts), max(starts)
        yield f"| start → icon on the panel, s | {middle:.2f} [{least:.2f}-{most:.2f}] | {STARTS} |"
        with tray(screen) as (pid, dumps, _):
            window, keyboard = screen.show("--title", "Ledger", *BIG), Keyboard(screen)
            stood, done = presses(keyboard, window.pid, dumps, rounds)
            yield f"| key press → app frozen, ms (mini, {WHAT}) | {_milliseconds(stood)} | {len(stood)} |"
            yield f"| key press → dump under its own name, ms | {_milliseconds(done)} | {len(done)} |"
            yield f"| it stood still, ms | {_milliseconds(pauses(dumps, rounds))} | {rounds} |"
            os.kill(window.pid, signal.SIGSTOP)
            stood, done = presses(keyboard, window.pid, dumps, rounds)
            yield f"| the same for a window that hangs: frozen | {_milliseconds(stood)} | {len(stood)} |"
            yield f"| … dump under its own name | {_milliseconds(done)} | {len(done)} |"
            time.sleep(FRESH)
            settled(pid)
            waiting = worker(pid)
            before = sum(switches(pid, waiting).values())
            time.sleep(quiet)
            count = sum(switches(pid, waiting).values()) - before
            yield f"| wake-ups of tray and waiting worker in {quiet:.0f} quiet seconds | {count} | 1 |"
            sizes = ", ".join(f"{cost(one).memory / 2**20:.1f}" for one in (pid, waiting))
            yield f"| memory of the tray, and of the waiting worker, MiB | {sizes} | 1 |"
        yield from _mapped(screen, rounds)


def _mapped(screen: Screen, rounds: int) -> Iterator[str]:
    """The freeze of a program of which there is much to find out: a heap dump asks what each mapping is."""
    settings = Path(os.environ["XDG_CONFIG_HOME"]) / "hangshot/settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('mode = "heap"\n')
    with tray(screen) as (_, dumps, _):
        window, keyboard = screen.show("--title", "Atlas", *MANY), Keyboard(screen)
        for what in ("a window that answers", "one that hangs"):
            stood, _ = presses(keyboard, window.pid, dumps, rounds // 2)
            yield f"| 60,000 mappings, heap: key press → {what} frozen, ms | {_milliseconds(stood)} | {len(stood)} |"
            os.kill(window.pid, signal.SIGSTOP)


def _start(screen: Screen) -> float:
    """Seconds that one start takes; the tray is ended again."""
    with tray(screen) as (pid, _, seconds):
        settled(pid)
        return seconds


def pauses(dumps: Path, count: int) -> list[float]:
    """How long the newest dumps say that their app stood still, in seconds."""
    newest = sorted(dumps.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[-count:]
    return [json.loads(path.read_text())["frozen_seconds"] for path in newest]


if __name__ == "__main__":
    print("\n".join(table(int(sys.argv[1]) if len(sys.argv) > 1 else 10, 10.0)))
