"""``hangshot hotkey``: show the hotkey of the settings, or record another one by pressing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "show the hotkey, or set it by pressing it"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--record", action="store_true", help="press the new one; it goes into the settings")


def run(arguments: argparse.Namespace) -> int:
    """Show it, or record it; a tray that runs follows the settings by itself."""
    from tray import settings
    from tray.desktop.hotkey import parse
    from tray.settings import edit

    if not arguments.record:
        print(parse(settings.load(settings.path()).hotkey).label)
        return 0
    from tray.desktop.record import reader, recorded

    read = reader()
    print("Press the new hotkey, then let it go…", file=sys.stderr, flush=True)
    pressed = recorded(read)
    edit.change(settings.path(), "hotkey", str(pressed))
    print(pressed.label)
    return 0
