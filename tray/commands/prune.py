"""``hangshot prune``: remove the dumps that the settings have no room for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tray.errors import BadSettings
from tray.sizes import shown

if TYPE_CHECKING:
    import argparse

    from tray.model import Dump

HELP = "remove the dumps that the settings have no room for"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("-n", "--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Remove them, and what dumps that were cut off have left.

    Raises:
        BadSettings: The settings do not say, or not for certain, what there is room for.
    """
    import tempfile

    from tray import packed, settings
    from tray.paths import Path
    from tray.store import Store

    wanted = settings.load(settings.path())
    if wanted.warnings:
        raise BadSettings("no dump is removed until it is mended.", hint=f"Mend {settings.path()}.")
    store = Store(wanted.folder, wanted.retention)
    gone = store.expired()
    if not arguments.dry_run:
        store.sweep()
        for room in (Path(tempfile.gettempdir()), store.folder):
            packed.sweep(room)
        removed = set(store.prune())
        gone = [dump for dump in gone if dump.path in removed]
    if arguments.json:
        _print_json(gone, dry_run=arguments.dry_run)
    else:
        _print(gone, dry_run=arguments.dry_run)
    return 0


def _print_json(gone: list[Dump], *, dry_run: bool) -> None:
    """A line for each dump, then the sum."""
    for dump in gone:
        path = str(dump.path)
        print(json.dumps({"schema": 1, "event": "removed", "path": path, "size": dump.allocated}))
    freed = sum(dump.allocated for dump in gone)
    print(
        json.dumps({"schema": 1, "event": "pruned", "count": len(gone), "freed": freed, "dry_run": dry_run})
    )


def _print(gone: list[Dump], *, dry_run: bool) -> None:
    """The paths on standard output, the sum as talk."""
    for dump in gone:
        print(dump.path)
    freed = shown(sum(dump.allocated for dump in gone))
    count = f"{len(gone)} dump{'' if len(gone) == 1 else 's'}"
    if not gone:
        summary = "Nothing to remove."
    elif dry_run:
        summary = f"Would remove {count} and free {freed}."
    else:
        summary = f"Removed {count}, {freed} freed."
    print(summary, file=sys.stderr)
