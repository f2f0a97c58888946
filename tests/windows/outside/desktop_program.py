"""A tray of two rows; says what happens to it. Run inside the test bed by ``test_desktop_outside``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tray.desktop import Toast
from tray.desktop.menu import Menu, MenuItem
from tray.desktop.windows import WindowsDesktop


def say(word: str) -> None:
    """One line a happening."""
    print(word, flush=True)


def main() -> None:
    """Live until the last row is clicked."""
    here, end = WindowsDesktop(), threading.Event()
    rows = (
        MenuItem("Dump an app whose name is long & winding", lambda: say("dump"), default=True),
        Menu.SEPARATOR,
        MenuItem("Start at login", lambda: say("login"), checked=lambda _: True),
        MenuItem("Quit", end.set),
    )
    here.watch(lambda window: say(f"front {window.title}"))
    here.bind(sys.argv[1], lambda: say(f"pressed {here.foreground().title}"))
    here.show_icon(Menu(*rows), "Hangshot", lambda: say("near"))
    here.toast(Toast("Dump saved", "of an app"))
    say("ready")
    end.wait()
    here.close()
    say("closed")


main()
