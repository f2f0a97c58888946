"""What every desktop of freedesktop.org shares: show and open files, start at login."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from configparser import ConfigParser, Error
from pathlib import Path
from typing import TYPE_CHECKING

from tray.desktop import picture, snaps
from tray.desktop.bus import BusError, Peer
from tray.errors import Unsupported

if TYPE_CHECKING:
    from tray.desktop.bus import Bus

log = logging.getLogger(__name__)

FILES = Peer("org.freedesktop.FileManager1", "/org/freedesktop/FileManager1", "org.freedesktop.FileManager1")
PORTAL = Peer(
    "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.OpenURI"
)
AUTOSTART = "io.github.hangshot.Hangshot.desktop"
SECTION = "Desktop Entry"
STARTING = 1.5
"""Seconds after which a program that was to open a file, and still runs, is taken to show it."""

TERMINALS = ("x-terminal-emulator", "gnome-terminal", "konsole", "xfce4-terminal", "foot", "xterm")
EDITORS = ("editor", "nano", "vim", "vi")
_WORD = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))')
TEXT = {".toml", ".txt", ".log", ".json", ".md"}


def reveal(bus: Bus, path: Path) -> None:
    """Show the file in a file manager, selected; else the folder it is in.

    Raises:
        Unsupported: There is no file manager.
    """
    path = path.absolute()
    try:
        bus.call(FILES, "ShowItems", ("ass", [[path.as_uri()], ""]))
    except OSError as error:
        log.debug("No file manager on the bus: %s", error)
        if not _portal_shows(bus, path):
            open_path(path.parent)


def _portal_shows(bus: Bus, path: Path) -> bool:
    """Whether the portal, which sees out of a sandbox, has shown the folder of a file."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        asked = bus.request(PORTAL, "OpenDirectory", ("sha{sv}", ["", 0, {}]), files=[file])
        bus.run(asked)
    except BusError as error:
        log.debug("No portal: %s", error)
        return False
    finally:
        os.close(file)
    return True


def open_path(path: Path) -> None:
    """Open a file or folder with the user's own program for it.

    Raises:
        Unsupported: There is none, or no screen.
    """
    path = path.absolute()
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Unsupported(f"There is no screen to show {path.name} on.", hint=f"It is {path}.")
    if path.suffix == ".html":
        path = snaps.readable(path)
    if _works(["xdg-open", str(path)]):
        return
    if path.suffix in TEXT and (command := editor(path)) and _works(command):
        return
    raise Unsupported(
        f"No program is set up to open {path.name}.", hint=f"It is {path}: open it with one of your choice."
    )


def editor(path: Path) -> list[str] | None:
    """The command that edits a text file in a terminal, where there are both."""
    terminal = next(filter(shutil.which, TERMINALS), None)
    told = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    program = shlex.split(told) if told else [next(filter(shutil.which, EDITORS), "")]
    if terminal is None or not program[0]:
        return None
    return [terminal, "--" if terminal == "gnome-terminal" else "-e", *program, str(path)]


def _works(command: list[str]) -> bool:
    """Start a program of the desktop; False where it is missing or gives up at once."""
    quiet = subprocess.DEVNULL
    try:
        program = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError:
        return False
    try:
        return program.wait(STARTING) == 0
    except subprocess.TimeoutExpired:
        # It shows the file itself and runs as long as that takes; somebody must
        # take note of its end, or it stays as a zombie.
        threading.Thread(target=program.wait, name="opened", daemon=True).start()
        return True


def starts_at_login() -> bool:
    """Whether the desktop would start us, read back from the file that tells it to."""
    entry = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        entry.read(_autostart(), "utf-8")
        told = entry[SECTION]
    except (OSError, Error, UnicodeDecodeError, KeyError):
        return False
    hidden = told.get("Hidden", "false").strip().lower() == "true"
    enabled = told.get("X-GNOME-Autostart-enabled", "true").strip().lower() != "false"
    return enabled and not hidden and _runs(told.get("Exec", ""))


def start_at_login(*, wanted: bool) -> None:
    """Have the desktop start us at login, or not."""
    path = _autostart()
    if not wanted:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(entry(), "utf-8")
    fresh.replace(path)


def entry() -> str:
    """The text of the file that has us started at login."""
    lines = [
        f"[{SECTION}]",
        "Type=Application",
        "Name=Hangshot",
        "Comment=Dumps an app that hangs at the press of a key",
        f"Exec={' '.join(quoted(word) for word in program())}",
        f"Icon={picture.cached_png()}",
        "Terminal=false",
        "X-GNOME-Autostart-enabled=true",
    ]
    return "\n".join(lines) + "\n"


def program() -> list[str]:
    """The command that starts the tray, as the program that runs now was started."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    beside = Path(sys.executable).with_name("hangshot")
    if beside.is_file():
        return [str(beside)]
    if found := shutil.which("hangshot"):
        return [str(Path(found).absolute())]
    # From the source tree: the package is found through its folder.
    source = Path(__file__).resolve().parents[2]
    return ["/usr/bin/env", f"PYTHONPATH={source}", sys.executable, "-m", "tray"]


def quoted(word: str) -> str:
    r"""A word of a command as ``Exec`` takes it.

    Two rules apply one after the other: in the quotes of a command ``" \ $`` and
    the backquote get a backslash; then each backslash of a value is doubled.

    Source: Desktop Entry Specification, "The Exec key".
    """
    escaped = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in word)
    return '"' + escaped.replace("\\", "\\\\").replace("%", "%%") + '"'


def _runs(command: str) -> bool:
    """Whether the program of an ``Exec`` line is there."""
    return shutil.which(first_word(command)) is not None


def first_word(command: str) -> str:
    """The program of an ``Exec`` value, the reverse of `quoted`; empty if there is none."""
    text = command.replace("\\\\", "\\").replace("%%", "%")
    found = _WORD.match(text)
    if found is None:
        return ""
    return re.sub(r"\\(.)", r"\1", found["quoted"]) if found["quoted"] else found["plain"] or ""


def _autostart() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "autostart" / AUTOSTART
