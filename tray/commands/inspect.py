"""``hangshot inspect``: what a dump is and holds, read from the dump itself."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

HELP = "tell what a dump holds: target, threads and their calls, modules, mappings, gaps"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump", nargs="?", default="last", metavar="last|ID|FILE", help="the dump (default: the last one)"
    )
    parser.add_argument("--text", action="store_true", help="shorter, to paste in an issue tracker")
    parser.add_argument(
        "--redact", action="store_true", help="leave out user names, paths, arguments and window titles"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read it and print what was found.

    Raises:
        NoDump: There is no such dump.
        BadDump: It cannot be read.
    """
    from tray import reports, settings
    from tray.reports import brief, reader, redact, render
    from tray.store import Store, described

    wanted = settings.load(settings.path())
    path = Store(wanted.folder, wanted.retention).find(arguments.dump)
    report = reports.make(path, described(path), reader.READERS)
    hide: Callable[[str], str] = str
    if arguments.redact:
        hide, report = redact.words(report, _user(report.snapshot.uid)), redact.redacted(report)
    if arguments.json:
        print(json.dumps(redact.values(render.as_json(report), hide)))
    else:
        print(hide(brief.text(report) if arguments.text else render.text(report)))
    return 0


def _user(uid: int) -> str:
    """Name of a user of this machine; empty if there is none."""
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
