"""``hangshot open``: the dump folder, or a dump, in the file manager; or a dump in a debugger."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from tray.errors import TrayError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tray.desktop import Desktop

HELP = "show a dump, or the folder of dumps, in the file manager; or a dump in a debugger"

log = logging.getLogger(__name__)


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump",
        nargs="?",
        metavar="last|ID|FILE",
        help="the dump to show; the start of an id will do (default: the folder)",
    )
    parser.add_argument(
        "--debugger", action="store_true", help="open the dump (default: the last one) in gdb, lldb or WinDbg"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show it; where there is no display, print where it is."""
    from tray.commands import dump
    from tray.store import Store

    wanted = dump.wanted()
    store = Store(wanted.folder, wanted.retention)
    if arguments.debugger:
        from tray.commands import debugger

        return debugger.run(store.find(arguments.dump or "last"))
    if arguments.dump is None:
        store.make()
        path = store.folder
    else:
        path = store.find(arguments.dump)
    if not shown(lambda desktop: desktop.open(path) if path.is_dir() else desktop.reveal(path)):
        print(path)
    return 0


def shown(act: Callable[[Desktop], None]) -> bool:
    """Whether there is a desktop to show something, and it did."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    from tray.desktop import desktop

    here = desktop()
    try:
        act(here)
    except (TrayError, OSError) as error:
        log.warning("nothing could be started to show it: %s", error)
        return False
    finally:
        here.close()
    return True
