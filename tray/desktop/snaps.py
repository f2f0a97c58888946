"""Browsers that come as a snap: they see no hidden folder, and so not the dumps; they get a copy where they do."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from configparser import ConfigParser, Error
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds for a script of the desktop's that looks into a few files."""
INSTALLED = Path("/var/lib/snapd/desktop")
"""Where snapd puts desktop entries; not everybody's ``XDG_DATA_DIRS`` names it."""


def readable(page: Path) -> Path:
    """A page where the user's browser can read it: itself, or its one copy in the folder of that snap.

    A snap may read what is in the user's home and not hidden, and its own folder,
    ``~/snap/NAME/common``. Denied, Firefox on Ubuntu shows an error and no page.

    Source: snapd ``interfaces/builtin/home.go``; ``wrappers/desktop.go`` for the key in the desktop entry.
    """
    if sys.platform == "win32" or not _hidden(page):
        return page
    name = _default_browser()
    folder = Path.home() / "snap" / name / "common"
    if not name or not folder.is_dir():
        return page
    try:
        return _copied(page, folder / "hangshot")
    except OSError as error:
        log.info("no copy for the browser: %s", error)
        return page


def _hidden(path: Path) -> bool:
    """Whether a snap may not see it."""
    home = Path.home()
    if not path.is_relative_to(home):
        return True
    return any(part.startswith(".") for part in path.relative_to(home).parts)


def _copied(page: Path, folder: Path) -> Path:
    """A copy that only the user can read, in the place of an earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    copy = folder / page.name
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(page.read_bytes())
    return copy


def _default_browser() -> str:
    """The snap that shows pages; empty if it is none."""
    command = ["xdg-mime", "query", "default", "text/html"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    name = asked.stdout.strip()
    if not name or "/" in name:
        return ""
    return next(filter(None, (_snap(folder / "applications" / name) for folder in _places())), "")


def _places() -> list[Path]:
    """Folders with desktop entries, the user's own first."""
    own = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(own), *map(Path, filter(None, shared.split(":"))), INSTALLED]


def _snap(entry: Path) -> str:
    """Name of the snap that a desktop entry belongs to; empty if to none."""
    parser = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        parser.read(entry, encoding="utf-8")
        name = parser.get("Desktop Entry", "X-SnapInstanceName", fallback="")
    except (Error, OSError, UnicodeDecodeError):
        return ""
    return "" if "/" in name or name.startswith(".") else name
