"""``hangshot open``: the dump folder, or a dump, in the file manager."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from tray.errors import TrayError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

HELP = "show a dump, or the folder of dumps, in the file manager"

log = logging.getLogger(__name__)


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump",
        nargs="?",
        metavar="last|ID|FILE",
        help="the dump to show; the start of an id will do (default: the folder)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show it; where there is no display, print where it is."""
    from tray import settings
    from tray.store import Store

    wanted = settings.load(settings.path())
    store = Store(wanted.folder, wanted.retention)
    if arguments.dump is None:
        store.make()
        path = store.folder
    else:
        path = store.find(arguments.dump)
    if not (_display() and _shown(path)):
        print(path)
    return 0


def _display() -> bool:
    """Whether there is a display to show anything on."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _shown(path: Path) -> bool:
    """Whether the desktop showed it."""
    from tray.desktop import desktop

    here = desktop()
    try:
        if path.is_dir():
            here.open(path)
        else:
            here.reveal(path)
    except (TrayError, OSError) as error:
        log.warning("no file manager could be started: %s", error)
        return False
    finally:
        here.close()
    return True
