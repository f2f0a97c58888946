"""Takes the picture of the Windows menu for the README, of the built program over an app that hangs.

.ci/testbed on .venv/bin/python tests/windows/outside/picture.py icons/screenshots/menu-windows.png
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from programs import wait_until
from windows_outside import (
    HOME,
    PATIENCE,
    PREFIX,
    RIGHT,
    ROOT,
    Told,
    boxes,
    click,
    command,
    icon,
    menu,
    xdotool,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

APP, TITLE = "ledger", "Ledger 2026"
SCREEN = 1280, 800
SIZE = 900, 300
"""Of the picture: the lower right corner of the screen, where Windows has its icons."""
ROW, RECENT = 17, 2.6
"""Pixels of a menu row, and how many lie above the middle of "Recent apps"."""
RULES = """<openbox_config xmlns="http://openbox.org/3.4/rc">
<theme><name>Clearlooks</name></theme>
<applications><application class="explorer.exe"><decor>no</decor></application></applications>
</openbox_config>"""
SILENT = 6.0
"""Seconds after which Windows calls a window hung."""


@contextlib.contextmanager
def frameless() -> Iterator[None]:
    """A window manager that leaves the taskbar without a frame."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rc.xml"
        rules.write_text(RULES)
        manager = subprocess.Popen(["openbox", "--replace", "--sm-disable", "--config-file", str(rules)])
        time.sleep(1)
        try:
            yield
        finally:
            manager.terminate()
            manager.wait()


def windows(*words: str) -> list[int]:
    """X's numbers of the windows that `xdotool` finds."""
    found = subprocess.run(["xdotool", "search", *words], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@contextlib.contextmanager
def hung_app() -> Iterator[None]:
    """A frozen app that looks like somebody's work."""
    program = PREFIX / "drive_c" / f"{APP}.exe"
    shutil.copyfile(HOME / "targets64" / "deadlock_window.exe", program)
    app = Told(f"C:\\{APP}.exe", "hung")
    try:
        app.wait_for("ready")
        [window] = windows("--name", "Deadlocked")
        xdotool("set_window", "--name", TITLE, window, "windowmove", window, SCREEN[0] - SIZE[0] + 40, 545)
        time.sleep(SILENT)
        yield
    finally:
        app.end(0)


@contextlib.contextmanager
def tray() -> Iterator[None]:
    """The built program, its icon in the corner, its user greeted."""
    [user] = [path for path in (PREFIX / "drive_c" / "users").iterdir() if path.name != "Public"]
    kept = user / "AppData" / "Local" / "hangshot"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "greeted").touch()
    pipe = subprocess.PIPE
    program = subprocess.Popen(
        command(ROOT / "dist/hangshot/hangshot.exe"), stdin=pipe, stdout=pipe, cwd=ROOT
    )
    try:
        icon()
        [taskbar] = [one for one in windows("--onlyvisible", "--class", "explorer") if height(one) == 20]
        xdotool("windowmove", taskbar, SCREEN[0] - 160, SCREEN[1] - 24)
        yield
    finally:
        program.terminate()
        program.communicate()


def height(window: int) -> int:
    """Pixels of a window."""
    told = subprocess.run(
        ["xdotool", "getwindowgeometry", "--shell", str(window)], capture_output=True, text=True, check=True
    )
    return int(dict(line.split("=") for line in told.stdout.split())["HEIGHT"])


def main(picture: Path) -> None:
    """Start everything, open the menu, and take it."""
    subprocess.run(["xsetroot", "-solid", "#2b5b7c"], check=True)
    with frameless(), tray(), hung_app():
        left, top = icon()
        xdotool("mousemove", left, top)
        time.sleep(1)  # the pointer over the icon makes it look whether the app answers
        click(left, top, RIGHT)
        box = menu("hangshot")
        xdotool("mousemove", box[0] + 60, box[1] + int(RECENT * ROW))
        wait_until(
            lambda: len([one for one in boxes("hangshot") if one[3] > ROW]) > 1, "the submenu", PATIENCE
        )
        time.sleep(0.5)
        part = f"{SIZE[0]}x{SIZE[1]}+{SCREEN[0] - SIZE[0]}+{SCREEN[1] - SIZE[1]}"
        subprocess.run(["import", "-window", "root", "-crop", part, "+repage", str(picture)], check=True)


main(Path(sys.argv[1]))
