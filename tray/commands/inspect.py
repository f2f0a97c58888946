"""``hangshot inspect``: what a dump is and holds, read from the dump itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "tell what a dump holds: target, threads and their calls, modules, mappings, gaps"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump", nargs="?", default="last", metavar="last|ID|FILE", help="the dump (default: the last one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read it and print what was found.

    Raises:
        NoDump: There is no such dump.
        BadDump: It cannot be read.
    """
    from tray import reports, settings
    from tray.reports import reader, render
    from tray.store import Store, described

    wanted = settings.load(settings.path())
    path = Store(wanted.folder, wanted.retention).find(arguments.dump)
    report = reports.make(path, described(path), reader.READERS)
    if arguments.json:
        print(json.dumps(render.as_json(report)))
    else:
        print(render.text(report))
    return 0
