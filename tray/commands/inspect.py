"""``hangshot inspect``: what a dump is and holds, read from the dump itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tray.commands.open import shown
from tray.errors import BadUsage, CutDump

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tray.model import Report

SCHEMA = 1
BESIDE = ""
"""Stands for ``--html`` without a file."""
HELP = "tell why a dump's app hangs, and what the dump holds: every thread's calls, modules, memory, gaps"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump",
        nargs="?",
        default="last",
        metavar="last|ID|FILE",
        help="the dump; the start of an id will do (default: the last one)",
    )
    parser.add_argument("--text", action="store_true", help="shorter, to paste in an issue tracker")
    parser.add_argument(
        "--html",
        nargs="?",
        const=BESIDE,
        metavar="FILE",
        help="a page for the browser; without a FILE (- for standard output) it lies beside the dump, and is shown",
    )
    parser.add_argument(
        "--redact", action="store_true", help="leave out user names, paths, arguments and window titles"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read it and print what was found, or make a page of it.

    Raises:
        NoDump: There is no such dump.
        BadDump: It cannot be read.
        NotWritten: The page cannot be written.
    """
    from tray import reports
    from tray.commands import dump
    from tray.reports import reader, redact
    from tray.store import Store, described

    if arguments.text and arguments.html is not None:
        raise BadUsage("--text and --html are two different reports; ask for one of them.")
    wanted = dump.wanted()
    path = Store(wanted.folder, wanted.retention).find(arguments.dump)
    report = reports.make(path, described(path), reader.READERS)
    hide = redact.words(report, _user(report.snapshot.uid)) if arguments.redact else None
    if arguments.html is None:
        _print(report, hide, arguments)
    else:
        _make_page(report, hide, arguments)
    return whole(report)


def whole(report: Report) -> int:
    """Say on standard error if the dump's end is missing; gives the exit code."""
    from tray.sizes import shown as size

    if not report.missing:
        return 0
    print(
        f"hangshot: {CutDump.title}: {size(report.missing)} are missing at its end. {CutDump.hint}",
        file=sys.stderr,
    )
    return CutDump.exit_code


def _print(report: Report, hide: Callable[[str], str] | None, arguments: argparse.Namespace) -> None:
    """Print the report as text or JSON."""
    from tray.reports import brief, redact, render

    report = redact.redacted(report) if hide else report
    hide = hide or str
    if arguments.json:
        print(json.dumps(redact.values(render.as_json(report), hide)))
    else:
        print(hide(brief.text(report) if arguments.text else render.text(report)))


def _make_page(report: Report, hide: Callable[[str], str] | None, arguments: argparse.Namespace) -> None:
    """Write the page and say where it is; show it where nobody said where it should be."""
    from tray.reports import page
    from tray.store import beside

    content = page.html(report, hide)
    if arguments.html == "-":
        sys.stdout.buffer.write(content)
        return
    beside_it = arguments.html == BESIDE
    chosen = None if beside_it else Path(arguments.html).absolute()
    place = beside.page(report.path, content, page.MARK, chosen)
    if arguments.json:
        print(json.dumps({"schema": SCHEMA, "event": "page", "path": str(report.path), "page": str(place)}))
        return
    print(place)
    if beside_it:
        shown(lambda desktop: desktop.open(place))


def _user(uid: int) -> str:
    """Name of a user of this machine; empty if there is none."""
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
